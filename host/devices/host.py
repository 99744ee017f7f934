"""The device that runs generated C on this machine.

One idea: the bundle's engine.c, compiled once and cached, run over whole batches; one call per batch, no Python per
event.
"""

from __future__ import annotations

from types import TracebackType

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine


class HostDevice:
    """Raises NoCompiler or EngineError in ``load``, DeviceError where the order of calls is wrong."""

    engine = Engine.HOST
    name = "generated C on the host"

    def __init__(self) -> None:
        self.generation = 0
        self._bundle: Bundle | None = None
        self._compiled: CompiledEngine | None = None
        self._started = False
        self._batches = self._events = 0

    def load(self, bundle: Bundle) -> None:
        """Compiles the bundle's engine, or takes it from the cache; the old one stays if that fails."""
        compiled = load_engine(bundle.read("engine.c"), bundle.digest, len(bundle.rules))
        if self._compiled is not None:
            self._compiled.close()
        self._bundle, self._compiled = bundle, compiled
        self.generation += 1

    def start(self) -> None:
        if self._compiled is None:
            raise DeviceError("load a bundle before start")
        self._started = True

    def process(self, batch: EventBatch) -> Decisions:
        if self._compiled is None or self._bundle is None or not self._started:
            raise DeviceError("load a bundle and start before process")
        rows = self._compiled.run(batch)
        self._batches += 1
        self._events += len(batch)
        return Decisions(rows, len(batch), self._bundle.rules)

    def counters(self) -> dict[str, int]:
        """``batches`` and ``events`` processed since the device was made; ``cached``: 1 if nothing was compiled."""
        cached = self._compiled is not None and self._compiled.cached
        return {"batches": self._batches, "events": self._events, "cached": int(cached)}

    def close(self) -> None:
        if self._compiled is not None:
            self._compiled.close()
        self._compiled, self._started = None, False

    def __enter__(self) -> HostDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
