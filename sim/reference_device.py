"""The reference model as a device: slow, and right by definition.

One idea: NumPy evaluates the bundle's Plan, so that the same commands run where there is neither a C compiler nor
Verilator, and so that every other device has something to be compared with.
"""

from __future__ import annotations

from types import TracebackType

import numpy as np

from sevenm.compiler.plan import Plan, PlanError
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

PLAN = "plan.json"
CHUNK = 4096
"""Events evaluated at once: each node of the Plan is a column of this length."""


class ReferenceDevice:
    """A ``sevenm.host.devices.device.Device`` of engine ``reference``.

    ``load`` raises BundleError for a Plan that is not the one that was built, DeviceError for one that is not the
    manifest's."""

    engine = Engine.REFERENCE
    name = "reference"

    def __init__(self) -> None:
        self.generation = 0
        self._bundle: Bundle | None = None
        self._plan: Plan | None = None
        self._started = False
        self._events = self._batches = 0

    def load(self, bundle: Bundle) -> None:
        try:
            plan = Plan.load(bundle.path(PLAN))
        except PlanError as error:
            raise DeviceError(str(error)) from error
        if plan.digest != bundle.digest:
            raise DeviceError(f"{bundle.folder / PLAN}: not the Plan of the manifest; build the bundle again")
        self._plan, self._bundle = plan, bundle
        self._events = self._batches = 0
        self.generation += 1

    def start(self) -> None:
        if self._plan is None:
            raise DeviceError("the reference device has no bundle; load one before start")
        self._started = True

    def process(self, batch: EventBatch) -> Decisions:
        if not self._started or self._plan is None or self._bundle is None:
            raise DeviceError("the reference device is not started; load a bundle and start it")
        n = len(batch)
        flags = np.zeros((len(self._plan.rules) + 2, n), np.bool_)
        ports = np.zeros(n, np.uint16) if self._plan.operands else None
        for start in range(0, n, CHUNK):
            part = batch.events[start : start + CHUNK]
            said = evaluate(
                self._plan, batch.buffer, part["offset"], part["cap_len"], part["wire_len"], part["ts_ns"], batch.source
            )
            columns = slice(start, start + len(part))
            flags[:-2, columns] = said.fired
            flags[-2, columns] = said.malformed
            flags[-1, columns] = said.truncated
            if ports is not None:
                ports[columns] = said.forward
        self._events += n
        self._batches += 1
        return Decisions.from_flags(flags[:-2], flags[-2], flags[-1], self._bundle.rules, ports=ports)

    def counters(self) -> dict[str, int]:
        """``events`` and ``batches`` since the bundle was loaded."""
        return {"events": self._events, "batches": self._batches}

    def close(self) -> None:
        self._plan, self._bundle, self._started = None, None, False

    def __enter__(self) -> ReferenceDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
