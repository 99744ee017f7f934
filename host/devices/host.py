"""The device that runs generated C on this machine.

One idea: the bundle's engine.c, compiled once and cached, run over whole batches; one call per batch, no Python per
event.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import NamedTuple

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.compiled import NO_CONTEXT, CompiledEngine, Context, load_engine
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine


class Loaded(NamedTuple):
    """One generation of rules on this device. The engine is held; ``release`` it."""

    bundle: Bundle
    engine: CompiledEngine
    context: Context
    generation: int


class HostDevice:
    """Raises NoCompiler or EngineError in ``load``, DeviceError where the order of calls is wrong.

    ``load`` may be called while another thread is in ``process``: that one ends with the rules it began with."""

    engine = Engine.HOST
    name = "generated C on the host"

    def __init__(self) -> None:
        self._loaded: Loaded | None = None
        self._lock = threading.Lock()
        self._started = False
        self._generations = 0
        self._batches = self._events = 0

    @property
    def generation(self) -> int:
        return self._generations

    def load(self, bundle: Bundle) -> None:
        """Compiles the bundle's engine, or takes it from the cache; the old one stays if that fails."""
        engine = load_engine(bundle.read("engine.c"), bundle.digest, len(bundle.rules))
        with self._lock:
            before = self._loaded
            self._generations += 1
            self._loaded = Loaded(bundle, engine, NO_CONTEXT, self._generations)
        if before is not None:
            before.engine.close()

    def start(self) -> None:
        if self._loaded is None:
            raise DeviceError("load a bundle before start")
        self._started = True

    def hold(self) -> Loaded:
        """The rules of now, for a loop in C; the caller releases the engine. Raises DeviceError before ``start``."""
        with self._lock:
            if self._loaded is None or not self._started:
                raise DeviceError("load a bundle and start before process")
            self._loaded.engine.hold()
            return self._loaded

    def process(self, batch: EventBatch) -> Decisions:
        loaded = self.hold()
        try:
            decisions = loaded.engine.run(batch, loaded.bundle.rules, loaded.context)
        finally:
            loaded.engine.release()
        decisions.generation = loaded.generation
        self.count(1, len(batch))
        return decisions

    def count(self, batches: int, events: int) -> None:
        """Adds to the counters what was decided elsewhere with the engine of this device."""
        with self._lock:
            self._batches += batches
            self._events += events

    def counters(self) -> dict[str, int]:
        """``batches`` and ``events`` processed since the device was made; ``cached``: 1 if nothing was compiled."""
        cached = self._loaded is not None and self._loaded.engine.cached
        return {"batches": self._batches, "events": self._events, "cached": int(cached)}

    def close(self) -> None:
        with self._lock:
            before, self._loaded, self._started = self._loaded, None, False
        if before is not None:
            before.engine.close()

    def __enter__(self) -> HostDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
