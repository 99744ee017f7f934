"""The device that runs generated C on this machine.

One idea: the bundle's engine.c, compiled once and cached, run over whole batches; one call per batch, no Python per
event. A loop in C that matches by itself (``sevenm.host.engine.loop``) takes the same engine with ``hold``.
"""

from __future__ import annotations

from typing import NamedTuple

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceKind
from sevenm.host.devices.software import NoEdit, SoftwareDevice
from sevenm.host.engine.compiled import NO_CONTEXT, CompiledEngine, Context, NoCompiler, find_compiler, load_engine
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

ENGINE_C = "engine.c"


class HostRules(NoEdit):
    """A bundle's engine, compiled and loaded, and what it reads beside the events."""

    def __init__(self, bundle: Bundle, engine: CompiledEngine, context: Context) -> None:
        self.bundle = bundle
        self.engine = engine
        self.context = context

    def run(self, batch: EventBatch) -> Decisions:
        return self.engine.run(batch, self.bundle.rules, self.context)

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        """The code is unmapped when nobody holds it."""
        self.engine.close()


class Held(NamedTuple):
    """One generation of rules; its engine is held by whoever has this, who calls ``engine.release``."""

    rules: HostRules
    generation: int

    @property
    def engine(self) -> CompiledEngine:
        return self.rules.engine

    @property
    def context(self) -> Context:
        return self.rules.context


class HostDevice(SoftwareDevice[HostRules]):
    """A ``sevenm.host.devices.device.Device`` of engine ``host``."""

    engine = Engine.HOST
    name = "host"
    kind = HostRules

    def prepare(self, bundle: Bundle) -> HostRules:
        """Compiles the bundle's engine, or takes it from the cache. Raises NoCompiler or EngineError."""
        engine = load_engine(bundle.read(ENGINE_C), bundle.structure, len(bundle.rules))
        return HostRules(bundle, engine, NO_CONTEXT)

    def hold(self) -> Held:
        """The rules of now, for a loop in C. Raises DeviceError where none are active."""
        with self._lock:
            rules = self._active()
            rules.engine.hold()
            return Held(rules, self.generation)

    def count(self, held: Held, batches: int, events: int, punted: int = 0) -> None:
        """Adds to the counters what was decided elsewhere with these rules, unless their epoch is over."""
        with self._lock:
            if held.rules is self._runner:
                self._batches += batches
                self._events += events
                self._punted += punted


def _missing() -> str | None:
    try:
        find_compiler()
    except NoCompiler as error:
        return str(error)
    return None


HOST = DeviceKind("generated C, one core", HostDevice, (ENGINE_C,), _missing)
