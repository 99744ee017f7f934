"""Tables of a Plan: a shape, which is structure, and rows, which are content.

One idea: what looks a table up knows the shape only, so an edit of rows never changes a graph. What rows mean is said
in ``sevenm.tables``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sevenm.tables import Column, Key, Row, Shape, TableError


@dataclass(frozen=True, slots=True)
class Table(Shape):
    """``rows`` are in the order that counts (``Shape.ordered``)."""

    rows: tuple[Row, ...] = ()

    def find(self, keys: Sequence[int]) -> Row | None:
        """The row that counts for these keys. This is the definition of a look-up."""
        for row in self.rows:
            if all(k.matches(m, x) for k, m, x in zip(self.keys, row.keys, keys, strict=True)):
                return row
        return None

    def with_rows(self, rows: Iterable[Row]) -> Table:
        """The same shape with other rows. Raises TableError where the shape is out of bounds, or they do not fit."""
        Shape.check(self)
        return Table(self.name, self.keys, self.values, self.most, self.ordered(rows))

    def check(self) -> None:
        """Raises TableError where shape or rows are out of bounds, or two rows have the same keys."""
        Shape.check(self)
        if self.rows != self.ordered(self.rows):
            raise TableError(f"table {self.name}: its rows are out of order")

    def shape(self) -> dict[str, Any]:
        """What belongs to the structure: no names, no rows."""
        return {
            "keys": [[key.kind, key.width] for key in self.keys],
            "values": [[column.lo, column.hi] for column in self.values],
            "most": self.most,
        }

    def content(self) -> list[Any]:
        return [[[list(match) for match in row.keys], list(row.values)] for row in self.rows]

    @classmethod
    def from_json(cls, shape: Any, content: Any, names: Any) -> Table:
        columns = zip(names["values"], shape["values"], strict=True)
        table = cls(
            str(names["name"]),
            tuple(Key(str(kind), int(width)) for kind, width in shape["keys"]),
            tuple(Column(str(name), int(lo), int(hi)) for name, (lo, hi) in columns),
            int(shape["most"]),
            tuple(Row(tuple((int(a), int(b)) for a, b in keys), tuple(map(int, values))) for keys, values in content),
        )
        table.check()
        return table
