"""Tables of a description, and what a look-up in one is.

One idea: a table is a word like a field. It says how wide its keys and values are, how many slots its memory has and
what is in them at first; a look-up is an expression of each packet, and the rows are nobody's constant.

::

    class Route(Description):
        routes = Table(keys=(32,), values=((0, 15),), slots=64, rows=(Slot(0x0A000000, 0xFF000000, 3),))
        ip_dst = field(30, bytes=4)
        rule_known = routes.hit(ip_dst)
        block_route = First(Rule(rule_known, forward_to=(routes.value(0, ip_dst),)))
"""

from __future__ import annotations

from collections.abc import Sequence

from sevenm.ternary import column_width

from ..tables.shape import MemoryShape, Slot, TableMemory
from .expr import Expr, Value, expr


class Table:
    """``keys`` are widths in bits, ``values`` the bounds of each column, which hold 0, its value without a match. In a
    slot both lie side by side, the first one lowest; a value that can be negative as two's complement."""

    def __init__(
        self,
        keys: Sequence[int],
        values: Sequence[tuple[int, int]] = (),
        *,
        slots: int,
        rows: Sequence[Slot] = (),
    ) -> None:
        if not all(lo <= 0 <= hi for lo, hi in values):
            raise ValueError(f"a column holds 0, what it is without a match, unlike one of {[*values]}")
        self.keys = tuple(keys)
        self.values = tuple(values)
        self.widths = tuple(column_width(lo, hi) for lo, hi in values)
        self.memory = TableMemory(MemoryShape(sum(keys), sum(self.widths), slots), tuple(rows))
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    def hit(self, *keys: Value) -> Expr:
        """Whether a row matches."""
        return Lookup("hit", self, self._keys(keys), ())

    def value(self, column: int, *keys: Value) -> Expr:
        """The column of the row that counts, 0 where none matches."""
        if not 0 <= column < len(self.values):
            raise ValueError(f"a table of {len(self.values)} columns has none of number {column}")
        return Lookup("value", self, self._keys(keys), (column, *self.values[column]))

    def _keys(self, keys: Sequence[Value]) -> tuple[Expr, ...]:
        if len(keys) != len(self.keys):
            raise ValueError(f"a table of {len(self.keys)} keys is not looked up by {len(keys)}")
        return tuple(expr(key) for key in keys)

    def find(self, keys: Sequence[int], slots: Sequence[Slot] | None = None) -> int:
        """All values as one word, above one bit that says whether there was a match; of other rows than the first ones
        where they are given."""
        key = at = 0
        for width, one in zip(self.keys, keys, strict=True):
            key |= one << at
            at += width
        there = self.memory.rows if slots is None else slots
        return next((1 | slot.values << 1 for slot in there if key & slot.mask == slot.value), 0)

    def column(self, found: int, number: int) -> int:
        """One value of what was found."""
        width = self.widths[number]
        value = found >> 1 + sum(self.widths[:number]) & (1 << width) - 1
        return value - (1 << width) if self.values[number][0] < 0 and value >> width - 1 else value


class Lookup(Expr):
    """An expression that reads a table."""

    __slots__ = ("table",)

    def __init__(self, op: str, table: Table, keys: tuple[Expr, ...], attrs: tuple[int, ...]) -> None:
        super().__init__(op, keys, attrs)
        self.table = table
