"""Which tables become memories, and how large: a choice by what rows cost as comparisons.

One idea: a row that is wired costs a few look-up tables, and shares some of them with others; in a memory it costs ten
times that, whatever it is. So rows are wired as long as there are few enough for the core to be built and simulated in
a minute. Past that, or where whoever builds the core wants to change rows while it runs, a table is a memory.
"""

from __future__ import annotations

from sevenm.compiler.plan import Plan, Table
from sevenm.hdl.tables.shape import CHUNK, KEY_BITS_MAX, SLOTS_MAX
from sevenm.manifest import ROWS
from sevenm.ternary import entries

from .refuse import HINT, NotInGateware

AUTO, WIRED, MEMORY = ROWS
"""What can be asked for: with AUTO the smaller tables are wired as long as COMPARISONS_MAX allows."""
COMPARISONS_MAX = 2048
"""Most keys of rows, in all tables together, that become comparisons. So many take about a minute to become Verilog and
a simulated core, and time and memory grow with them."""
BITS_MAX = 1 << 19
"""Most bits of keys in all slots of a core: about a quarter of a million look-up tables."""
BANKS = 2
"""A memory has slots for all rows twice, so that any rows can replace any others at once."""


class TablesTooLarge(NotInGateware):
    """The tables do not fit the gateware; the message names the first one that does not, and what it lacks."""


def memory_slots(plan: Plan, rows: str = AUTO) -> tuple[int, ...]:
    """For each table the slots of its memory, 0 where its rows are wired. ``rows`` is one of ROWS. Raises
    TablesTooLarge."""
    compared = [len(table.rows) * len(table.keys) for table in plan.tables]
    wired = set(range(len(plan.tables))) if rows == WIRED else set()
    if rows == AUTO:
        total = 0
        for number in sorted(range(len(compared)), key=lambda number: compared[number]):
            total += compared[number]
            if total <= COMPARISONS_MAX:
                wired.add(number)
    _check_wired([table for number, table in enumerate(plan.tables) if number in wired])
    out = [0 if number in wired else _slots(table) for number, table in enumerate(plan.tables)]
    bits = 0
    for table, slots in zip(plan.tables, out, strict=True):
        bits += slots * _key_bits(table)
        if slots and bits > BITS_MAX:
            raise TablesTooLarge(
                f"with the {slots} slots of table {table.name}, of {_key_bits(table)} bits, the memories have {bits} "
                f"bits of keys, and gateware has at most {BITS_MAX}; give the table a smaller max, or {HINT}"
            )
    return tuple(out)


def _check_wired(tables: list[Table]) -> None:
    compared = 0
    for table in tables:
        compared += len(table.rows) * len(table.keys)
        if compared > COMPARISONS_MAX:
            rows = f"{len(table.rows)} rows of {len(table.keys)} key" + "s" * (len(table.keys) > 1)
            raise TablesTooLarge(
                f"with the {rows} of table {table.name} there are {compared} comparisons, and gateware has at most "
                f"{COMPARISONS_MAX}; give the table fewer rows, keep it in a memory, or {HINT}"
            )


def _slots(table: Table) -> int:
    """Slots for BANKS times as many rows as the table may have, or entries as it has now, if those are more."""
    if _key_bits(table) > KEY_BITS_MAX:
        raise TablesTooLarge(
            f"table {table.name} has keys of {_key_bits(table)} bits together, and a memory has at most "
            f"{KEY_BITS_MAX}; {HINT}"
        )
    needed = max(table.most, len(entries(table, table.rows)))
    slots = -(-BANKS * needed // CHUNK) * CHUNK
    if slots > SLOTS_MAX:
        raise TablesTooLarge(
            f"table {table.name} needs {slots} slots for {needed} entries, and a memory has at most {SLOTS_MAX}; give "
            f"the table a smaller max, or {HINT}"
        )
    return slots


def _key_bits(table: Table) -> int:
    return sum(key.width for key in table.keys)
