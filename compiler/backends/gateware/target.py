"""A Plan as this target can compute it: what it sees and what it has.

One idea: everything that gateware does otherwise than the Plan says is a pass before it, Plan to Plan, so that what is
written out afterwards means exactly what the reference evaluates.
"""

from __future__ import annotations

from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.passes.unmarked import unmarked
from sevenm.compiler.plan import Plan

from .memories import AUTO, memory_slots
from .refuse import refuse

WINDOW = 256
"""Bytes at the start of a packet that a core looks at unless told otherwise."""
WINDOW_MAX = 1024


def for_gateware(plan: Plan, window: int = WINDOW, rows: str = AUTO, marks: bool = True) -> Plan:
    """The Plan with the tables that are no memories (``memory_slots``) as comparisons, and with ``punt`` set where
    ``window`` bytes are not enough; without ``marks`` it says malformed and truncated of no packet. Raises
    NotInGateware for what gateware does not have."""
    if not 1 <= window <= WINDOW_MAX:
        raise ValueError(f"a window has 1 to {WINDOW_MAX} bytes, not {window}")
    refuse(plan)
    wired = [number for number, slots in enumerate(memory_slots(plan, rows)) if not slots]
    return punt(inline_tables(plan if marks else unmarked(plan), wired), window)
