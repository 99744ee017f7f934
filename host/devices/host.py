"""The device that runs generated C on this machine.

One idea: the bundle's engine.c, compiled once and cached, run over whole batches; one call per batch, no Python per
event. A loop in C that matches by itself (``sevenm.host.engine.loop``) takes the same engine with ``hold``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Capabilities, DeviceKind, TableEdit
from sevenm.host.devices.software import SoftwareDevice
from sevenm.host.engine.compiled import CompiledEngine, Context, load_engine
from sevenm.host.engine.context import Contents, Memory
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.objects import load_level, load_object, object_of, wanted_level
from sevenm.host.engine.toolchain import NoCompiler, find_compiler
from sevenm.host.ring.record import Engine
from sevenm.tables import KINDS, ROWS_MAX

ENGINE_C = "engine.c"


class HostRules:
    """A bundle's engine, compiled and loaded, and what it reads beside the events."""

    def __init__(self, bundle: Bundle, engine: CompiledEngine, contents: Contents, prebuilt: bool = False) -> None:
        self.bundle = bundle
        self.prebuilt = prebuilt
        self.engine = engine
        self.contents = contents
        self.edited = False
        """Whether rows are others than those of the bundle."""

    @property
    def context(self) -> Context:
        return self.contents.context

    def run(self, batch: EventBatch) -> Decisions:
        return self.engine.run(batch, self.bundle.rules, self.context)

    def counters(self) -> dict[str, int]:
        """Of the states together: ``evicted``, entries that were overwritten though young, and ``backwards``, events
        that arrived before an earlier one. Nothing without state."""
        counts = self.contents.memory.counts()
        if not counts:
            return {}
        return {"evicted": sum(c.evicted for c in counts), "backwards": max(c.backwards for c in counts)}

    def edit(self, edit: TableEdit) -> Callable[[], None]:
        """Makes a context beside the one in use; whoever holds that one goes on with it. The state stays."""
        contents = self.contents.with_rows(edit.rows)

        def put() -> None:
            self.contents, self.edited = contents, edit.bundle is None

        return put

    def close(self) -> None:
        """The code is unmapped when nobody holds it."""
        self.engine.close()


def contents_of(bundle: Bundle, engine: CompiledEngine) -> Contents:
    """The rows of the bundle, and empty memory for its states. Raises BundleError, TableError or ContextError."""
    names = [state.name for state in bundle.states]
    memory = Memory(names, [engine.state_bytes(number) for number in range(len(names))])
    return Contents.of(bundle.shapes, bundle.rows if bundle.shapes else (), memory)


class Held(NamedTuple):
    """One generation of rules, with its rows; the engine is held by whoever has this, who calls ``engine.release``."""

    rules: HostRules
    bundle: Bundle
    generation: int
    context: Context
    digest: str | None
    """Of the rules with these rows; None where nobody computed it, because rows were edited."""

    @property
    def engine(self) -> CompiledEngine:
        return self.rules.engine


class HostDevice(SoftwareDevice[HostRules]):
    """A ``sevenm.host.devices.device.Device`` of engine ``host``."""

    engine = Engine.HOST
    name = "host"
    kind = HostRules

    def capabilities(self) -> Capabilities:
        return Capabilities(tables=dict.fromkeys(KINDS, ROWS_MAX), state=True, live_update=True)

    def prepare(self, bundle: Bundle) -> HostRules:
        """Compiles the bundle's engine, or takes it from the cache; without a compiler, the bundle's object for this
        machine. Raises NoCompiler or EngineError."""
        engine, prebuilt = _engine(bundle)
        return HostRules(bundle, engine, contents_of(bundle, engine), prebuilt)

    @property
    def code(self) -> str | None:
        """The level of the machine code that decides, and its origin ("avx2, compiled here"); None without rules."""
        rules = self._runner
        if rules is None:
            return None
        return f"{rules.engine.level.name.lower()}, {'prebuilt' if rules.prebuilt else 'compiled here'}"

    def hold(self) -> Held:
        """The rules of now, for a loop in C. Raises DeviceError where none are active."""
        with self._lock:
            rules = self._active()
            rules.engine.hold()
            digest = None if rules.edited else rules.bundle.digest
            return Held(rules, rules.bundle, self.generation, rules.context, digest)

    def count(self, held: Held, batches: int, events: int, punted: int = 0) -> None:
        """Adds to the counters what was decided elsewhere with these rules, unless their epoch is over."""
        with self._lock:
            if held.rules is self._runner:
                self._batches += batches
                self._events += events
                self._punted += punted


def _engine(bundle: Bundle) -> tuple[CompiledEngine, bool]:
    """Compiled for this very processor, which is faster than an object, or at the level that SEVENM_LEVEL asks for.
    Without a compiler the bundle's object, and then True."""
    source, n_rules = bundle.read(ENGINE_C), len(bundle.rules)
    level = wanted_level()
    try:
        if level is None:
            return load_engine(source, bundle.structure, n_rules), False
        return load_level(source, bundle.structure, n_rules, level), False
    except NoCompiler:
        path = object_of(bundle)
        if path is None:
            raise
        return load_object(path, source, bundle.structure, n_rules), True


def _has_object(bundle: Bundle) -> bool:
    return object_of(bundle) is not None


def _missing() -> str | None:
    try:
        find_compiler()
    except NoCompiler as error:
        return str(error)
    return None


HOST = DeviceKind("generated C, one core", HostDevice, (ENGINE_C,), _missing, _has_object)
