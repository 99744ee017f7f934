"""Rows of tables on the host: checked against the table's shape, put in the order that counts, and cut into ranges.

One idea: rows come from outside, from a bundle's file or from whoever edits them while it runs, and a shape says what
they may be. The meaning is that of ``sevenm.compiler.plan.table``, and the tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple

from sevenm.boundary import KEYS_MAX

KINDS = ("exact", "lpm", "ternary", "range")
ROWS_MAX = 1 << 20
"""Most rows that a table may be declared with."""
COLUMNS_MAX = 8
WIDTH_MAX = 128
VALUE_MIN, VALUE_MAX = -(1 << 63), (1 << 63) - 1

Match = tuple[int, int]


class RowsError(ValueError):
    """A table's shape or rows do not fit; the message says which row and why."""


class Row(NamedTuple):
    """A match for each key: exact (v, v), lpm (value, length), ternary (value, mask), range (lo, hi)."""

    keys: tuple[Match, ...]
    values: tuple[int, ...] = ()


class Key(NamedTuple):
    """``kind`` is one of KINDS, ``width`` its bits."""

    kind: str
    width: int

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

    def span(self, match: Match) -> Match:
        """First and last key that match; not of a ternary column."""
        a, b = match
        return (a, a | (1 << (self.width - b)) - 1) if self.kind == "lpm" else match


class Column(NamedTuple):
    """A value column; [lo, hi] holds 0, which is its value on a miss."""

    name: str
    lo: int
    hi: int


@dataclass(frozen=True, slots=True)
class TableShape:
    """What a table's rows have to fit; it belongs to the structure. At most ``most`` rows."""

    name: str
    keys: tuple[Key, ...]
    values: tuple[Column, ...] = ()
    most: int = 1024

    @property
    def is_ranges(self) -> bool:
        """Whether the engine gets the keys cut into ranges."""
        return len(self.keys) == 1 and self.keys[0].kind != "ternary"

    def check(self) -> None:
        """Raises RowsError where the shape is out of bounds."""
        if not 1 <= len(self.keys) <= KEYS_MAX or len(self.values) > COLUMNS_MAX:
            raise RowsError(f"table {self.name}: 1 to {KEYS_MAX} keys and at most {COLUMNS_MAX} values, not "
                            f"{len(self.keys)} and {len(self.values)}")  # fmt: skip
        for key in self.keys:
            if key.kind not in KINDS or not 1 <= key.width <= WIDTH_MAX:
                raise RowsError(f"table {self.name}: no key is {key.kind} of {key.width} bits")
        if sum(key.kind == "lpm" for key in self.keys) > 1:
            raise RowsError(f"table {self.name}: at most one key is matched by its longest prefix")
        for column in self.values:
            if not VALUE_MIN <= column.lo <= 0 <= column.hi <= VALUE_MAX:
                raise RowsError(f"table {self.name}: {column.name} must hold 0 and fit 64 bits")
        if not 1 <= self.most <= ROWS_MAX:
            raise RowsError(f"table {self.name} cannot have {self.most} rows, no table has more than {ROWS_MAX}")

    def read(self, content: Any) -> tuple[Row, ...]:
        """The rows of ``[[[[a, b], …], [value, …]], …]``, in the order that counts. Raises RowsError."""
        if not isinstance(content, (list, tuple)) or len(content) > self.most:
            found = f"{len(content)}" if isinstance(content, (list, tuple)) else type(content).__name__
            raise RowsError(f"table {self.name} holds at most {self.most} rows (no table more than {ROWS_MAX}), "
                            f"not {found}")  # fmt: skip
        seen: set[tuple[Match, ...]] = set()
        rows = []
        for number, given in enumerate(content):
            row = self._row(given, f"table {self.name}, row {number}")
            if row.keys in seen:
                raise RowsError(f"table {self.name}, row {number}: an earlier row has the same keys")
            seen.add(row.keys)
            rows.append(row)
        return self._ordered(rows)

    def _row(self, given: Any, where: str) -> Row:
        try:
            keys, values = tuple((a, b) for a, b in given[0]), tuple(given[1])
            numbers = all(type(x) is int for x in (*(v for match in keys for v in match), *values))
        except (TypeError, ValueError, IndexError, KeyError):
            keys, values, numbers = (), (), False
        if not numbers or len(given) != 2 or len(keys) != len(self.keys) or len(values) != len(self.values):
            raise RowsError(f"{where}: expected {len(self.keys)} keys and {len(self.values)} values")
        for key, match in zip(self.keys, keys, strict=True):
            if not key.fits(match):
                raise RowsError(f"{where}: {match} is no match of an {key.kind} key of {key.width} bits")
        for column, value in zip(self.values, values, strict=True):
            if not column.lo <= value <= column.hi:
                raise RowsError(f"{where}: {column.name} is {column.lo} to {column.hi}, not {value}")
        return Row(keys, values)

    def _ordered(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Longer prefixes first; rows that cannot overlap also by their keys."""
        prefix = next((at for at, key in enumerate(self.keys) if key.kind == "lpm"), None)
        disjoint = all(key.kind in ("exact", "lpm") for key in self.keys)

        def place(row: Row) -> tuple[int, tuple[Match, ...]]:
            length = 0 if prefix is None else row.keys[prefix][1]
            return -length, row.keys if disjoint else ()

        return tuple(sorted(rows, key=place))


def cut(spans: Sequence[Match]) -> list[Match]:
    """(first key, number of the row that counts from there on), ascending from key 0, each another row than the one
    before; rows are the spans, numbered from 1, the lowest number counts, 0 where there is none."""
    order = sorted(range(len(spans)), key=lambda row: spans[row][0])
    points = sorted({0, *(lo for lo, _ in spans), *(hi + 1 for _, hi in spans)})
    out: list[Match] = []
    live: list[Match] = []  # a heap of (row, last key)
    at = 0
    for point in points:
        while at < len(order) and spans[order[at]][0] == point:
            heappush(live, (order[at] + 1, spans[order[at]][1]))
            at += 1
        while live and live[0][1] < point:
            heappop(live)
        row = live[0][0] if live else 0
        if not out or out[-1][1] != row:
            out.append((point, row))
    return out


def hits(cuts: Sequence[Match], width: int) -> list[Match]:
    """First and last keys of the ranges in which any row counts: ascending, disjoint, with keys between them."""
    out: list[Match] = []
    for number, (first, row) in enumerate(cuts):
        if not row or first >> width:
            continue
        last = cuts[number + 1][0] - 1 if number + 1 < len(cuts) else (1 << width) - 1
        if out and out[-1][1] + 1 == first:
            out[-1] = out[-1][0], last
        else:
            out.append((first, last))
    return out
