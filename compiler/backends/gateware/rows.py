"""Tables of a Plan as the words of a description: their memories, with the rows that they have at first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sevenm.compiler.plan import Table
from sevenm.ternary import entries


def table_lines(tables: Sequence[Table], names: Sequence[str], slots: Sequence[int]) -> Iterator[str]:
    """The lines that define these tables, each with so many slots."""
    for table, name, count in zip(tables, names, slots, strict=True):
        keys = tuple(key.width for key in table.keys)
        values = tuple((column.lo, column.hi) for column in table.values)
        yield f"{name} = Table("
        yield f"    keys={keys}, values={values}, slots={count},"
        digits = -(-sum(key.width for key in table.keys) // 4) + 2
        rows = entries(table, table.rows)
        yield "    rows=("
        for value, mask, packed in rows:
            yield f"        Slot({value:#0{digits}x}, {mask:#0{digits}x}, {packed:#x}),"
        yield "    ),"
        yield ")"
