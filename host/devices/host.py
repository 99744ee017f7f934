"""The device that runs generated C on this machine.

One idea: the bundle's engine.c, compiled once and cached, run over whole batches; one call per batch, no Python per
event.
"""

from __future__ import annotations

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceKind
from sevenm.host.devices.software import SoftwareDevice
from sevenm.host.engine.compiled import CompiledEngine, NoCompiler, find_compiler, load_engine
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

ENGINE_C = "engine.c"


class HostRules:
    """A bundle's engine, compiled and loaded."""

    def __init__(self, bundle: Bundle, compiled: CompiledEngine) -> None:
        self.bundle = bundle
        self.compiled = compiled

    def run(self, batch: EventBatch) -> Decisions:
        return Decisions(self.compiled.run(batch), len(batch), self.bundle.rules)

    def counters(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self.compiled.close()


class HostDevice(SoftwareDevice[HostRules]):
    """A ``sevenm.host.devices.device.Device`` of engine ``host``."""

    engine = Engine.HOST
    name = "host"
    kind = HostRules

    def prepare(self, bundle: Bundle) -> HostRules:
        """Compiles the bundle's engine, or takes it from the cache. Raises NoCompiler or EngineError."""
        return HostRules(bundle, load_engine(bundle.read(ENGINE_C), bundle.digest, len(bundle.rules)))


def _missing() -> str | None:
    try:
        find_compiler()
    except NoCompiler as error:
        return str(error)
    return None


HOST = DeviceKind("generated C, one core", HostDevice, (ENGINE_C,), _missing)
