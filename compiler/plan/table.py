"""Tables: keys to values, with rows that change while everything else stays.

One idea: the *shape* of a table (kinds and widths of its keys, bounds of its values, most rows) is structure, its rows
are content. What looks a table up knows the shape only, so an edit of rows never changes a graph.

A row matches if each of its keys does; the first row that matches, in the table's order, is the one that counts:

=======  ================  =================================================================
kind     match (a, b)      holds for a key k of ``width`` bits if
=======  ================  =================================================================
exact    (v, v)            k == v
lpm      (value, length)   the first ``length`` bits of k are those of value (the rest is 0)
ternary  (value, mask)     k & mask == value (value has no bit outside of mask)
range    (lo, hi)          lo <= k <= hi
=======  ================  =================================================================

Longer prefixes come before shorter ones. Keys are unsigned; a signed field is looked up by its two's complement.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .ops import KEYS_MAX

KINDS = ("exact", "lpm", "ternary", "range")
ROWS_MAX = 1 << 20
"""Most rows that a table may be declared with."""
COLUMNS_MAX = 8
VALUE_MIN, VALUE_MAX = -(1 << 63), (1 << 63) - 1
"""Bounds of a value column: what 64 bits hold, signed."""
WIDTH_MAX = 128

Match = tuple[int, int]


class TableError(ValueError):
    """A table's shape or rows do not fit; the message says which row and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key column: ``kind`` is one of KINDS, ``width`` its bits."""

    kind: str
    width: int

    def matches(self, match: Match, key: int) -> bool:
        a, b = match
        if self.kind == "lpm":
            return key >> (self.width - b) == a >> (self.width - b)
        return key & b == a if self.kind == "ternary" else a <= key <= b

    def fits(self, match: Match) -> bool:
        """Whether the pair is a match of this column."""
        a, b = match
        top = (1 << self.width) - 1
        match self.kind:
            case "exact":
                return 0 <= a == b <= top
            case "lpm":
                return 0 <= b <= self.width and 0 <= a <= top and not a & (top >> b)
            case "ternary":
                return 0 <= b <= top and a & ~b == 0 and a >= 0
            case _:
                return 0 <= a <= b <= top

    def span(self, match: Match) -> Match | None:
        """The keys that match as one interval; None where they are none (a ternary one)."""
        a, b = match
        if self.kind == "lpm":
            return a, a | ((1 << (self.width - b)) - 1)
        return None if self.kind == "ternary" else (a, b)


@dataclass(frozen=True, slots=True)
class Column:
    """A value column; [lo, hi] holds 0, which is its value on a miss."""

    name: str
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class Row:
    keys: tuple[Match, ...]
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` are in the order that counts (``ordered``); at most ``most`` of them."""

    name: str
    keys: tuple[Key, ...]
    values: tuple[Column, ...] = ()
    most: int = 1024
    rows: tuple[Row, ...] = ()

    def find(self, keys: Sequence[int]) -> Row | None:
        """The row that counts for these keys. This is the definition of a look-up."""
        for row in self.rows:
            if all(k.matches(m, x) for k, m, x in zip(self.keys, row.keys, keys, strict=True)):
                return row
        return None

    def with_rows(self, rows: Iterable[Row]) -> Table:
        """The same shape with other rows. Raises TableError where they do not fit."""
        table = Table(self.name, self.keys, self.values, self.most, ordered(self.keys, rows))
        table.check()
        return table

    def check(self) -> None:
        """Raises TableError where shape or rows are out of bounds, or two rows have the same keys."""
        if not 1 <= len(self.keys) <= KEYS_MAX or len(self.values) > COLUMNS_MAX:
            raise TableError(f"table {self.name}: 1 to {KEYS_MAX} keys and at most {COLUMNS_MAX} values, not "
                             f"{len(self.keys)} and {len(self.values)}")  # fmt: skip
        for key in self.keys:
            if key.kind not in KINDS or not 1 <= key.width <= WIDTH_MAX:
                raise TableError(f"table {self.name}: no key is {key.kind} of {key.width} bits")
        if sum(key.kind == "lpm" for key in self.keys) > 1:
            raise TableError(f"table {self.name}: at most one key is matched by its longest prefix")
        for column in self.values:
            if not VALUE_MIN <= column.lo <= 0 <= column.hi <= VALUE_MAX:
                raise TableError(f"table {self.name}: {column.name} must hold 0 and fit 64 bits")
        if not 1 <= self.most <= ROWS_MAX or len(self.rows) > self.most:
            raise TableError(f"table {self.name} holds at most {self.most} rows (no table more than {ROWS_MAX}), "
                             f"not {len(self.rows)}")  # fmt: skip
        seen: set[tuple[Match, ...]] = set()
        for number, row in enumerate(self.rows):
            where = f"table {self.name}, row {number}"
            if len(row.keys) != len(self.keys) or len(row.values) != len(self.values):
                raise TableError(f"{where}: expected {len(self.keys)} keys and {len(self.values)} values")
            for key, match in zip(self.keys, row.keys, strict=True):
                if not key.fits(match):
                    raise TableError(f"{where}: {match} is no match of an {key.kind} key of {key.width} bits")
            for column, value in zip(self.values, row.values, strict=True):
                if not column.lo <= value <= column.hi:
                    raise TableError(f"{where}: {column.name} is {column.lo} to {column.hi}, not {value}")
            if row.keys in seen:
                raise TableError(f"{where}: an earlier row has the same keys")
            seen.add(row.keys)
        if self.rows != ordered(self.keys, self.rows):
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


def ordered(keys: Sequence[Key], rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows in the order that counts: by falling prefix length; where rows cannot overlap, also by their keys, so
    that the same rows are the same content however they were listed."""
    prefix = next((at for at, key in enumerate(keys) if key.kind == "lpm"), None)
    disjoint = all(key.kind in ("exact", "lpm") for key in keys)

    def place(row: Row) -> tuple[int, tuple[Match, ...]]:
        length = 0 if prefix is None else row.keys[prefix][1]
        return -length, row.keys if disjoint else ()

    return tuple(sorted(rows, key=place))


def merged(ranges: Iterable[Match]) -> Iterator[Match]:
    """The union of inclusive ranges as ascending, disjoint ones that do not touch."""
    current: Match | None = None
    for lo, hi in sorted(ranges):
        if current is not None and lo <= current[1] + 1:
            current = current[0], max(current[1], hi)
            continue
        if current is not None:
            yield current
        current = lo, hi
    if current is not None:
        yield current
