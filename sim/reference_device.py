"""The reference model as a device: slow, and right by definition.

One idea: NumPy evaluates the bundle's Plan, so that the same commands run where there is neither a C compiler nor
Verilator, and so that every other device has something to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sevenm.compiler.plan import Plan, PlanError
from sevenm.compiler.reference import Memories, evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Capabilities, DeviceError, DeviceKind, TableEdit
from sevenm.host.devices.software import SoftwareDevice, whole_rows
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine
from sevenm.tables import KINDS, ROWS_MAX

PLAN = "plan.json"
CHUNK = 4096
"""Events evaluated at once: each node of the Plan is a column of this length."""


class ReferenceRules:
    """A bundle's Plan, and the state that the events so far have left."""

    def __init__(self, bundle: Bundle, plan: Plan) -> None:
        self.bundle = bundle
        self.plan = plan
        self.memories = Memories(plan)

    def run(self, batch: EventBatch) -> Decisions:
        n = len(batch)
        flags = np.zeros((len(self.plan.rules) + 2, n), np.bool_)
        ports = np.zeros(n, np.uint16) if self.plan.operands else None
        for start in range(0, n, CHUNK):
            part = batch.events[start : start + CHUNK]
            where = (part["offset"], part["cap_len"], part["wire_len"], part["ts_ns"])
            said = evaluate(self.plan, batch.buffer, *where, batch.source, self.memories)
            columns = slice(start, start + len(part))
            flags[:-2, columns] = said.fired
            flags[-2, columns] = said.malformed
            flags[-1, columns] = said.truncated
            if ports is not None:
                ports[columns] = said.forward
        return Decisions.from_flags(flags[:-2], flags[-2], flags[-1], self.bundle.rules, ports=ports)

    def counters(self) -> dict[str, int]:
        return {}

    def edit(self, edit: TableEdit) -> Callable[[], None]:
        tables = list(self.plan.tables)
        for number, given in edit.rows.items():
            table = tables[number]
            tables[number] = table.with_rows(whole_rows(table, table.rows, given))
        plan = self.plan.with_rows(tables)

        def put() -> None:
            self.plan = self.memories.plan = plan

        return put

    def close(self) -> None:
        """Nothing is held."""


class ReferenceDevice(SoftwareDevice[ReferenceRules]):
    """A ``sevenm.host.devices.device.Device`` of engine ``reference``."""

    engine = Engine.REFERENCE
    name = "reference"
    kind = ReferenceRules

    def capabilities(self) -> Capabilities:
        return Capabilities(tables=dict.fromkeys(KINDS, ROWS_MAX), state=True, live_update=True)

    def prepare(self, bundle: Bundle) -> ReferenceRules:
        """Reads the bundle's Plan. Raises BundleError for one that is not the one that was built, DeviceError for one
        that is not the manifest's."""
        try:
            plan = Plan.load(bundle.path(PLAN))
        except PlanError as error:
            raise DeviceError(str(error)) from error
        if plan.digest != bundle.digest:
            raise DeviceError(f"{bundle.folder / PLAN}: not the Plan of the manifest; build the bundle again")
        return ReferenceRules(bundle, plan)


REFERENCE = DeviceKind("NumPy, the definition", ReferenceDevice, (PLAN,))
