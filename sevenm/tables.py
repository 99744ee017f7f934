"""Tables: what their rows are, which one counts, and what they have to fit. Below everything, like ``boundary``.

One idea: the *shape* of a table (kinds and widths of its keys, bounds of its values, most rows) is structure, its rows
are content, which a compiler, a bundle's file or whoever edits them while it runs gives; all of them mean the same.

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

from collections.abc import Callable, Container, Iterable, Sequence
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
"""Bounds of a value column: what 64 bits hold, signed."""

Match = tuple[int, int]
Keys = tuple[Match, ...]
"""The matches of one row; no two rows of a table have the same."""


class TableError(ValueError):
    """A table's shape or rows do not fit; the message says which row and why."""


class Key(NamedTuple):
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
        """First and last key that match; None of a ternary column, where they are no interval."""
        a, b = match
        if self.kind == "lpm":
            return a, a | ((1 << (self.width - b)) - 1)
        return None if self.kind == "ternary" else match


class Column(NamedTuple):
    """A value column; [lo, hi] holds 0, which is its value on a miss."""

    name: str
    lo: int
    hi: int


class Row(NamedTuple):
    """A match for each key, and the values."""

    keys: Keys
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A small edit of a table: rows leave, named by their keys; then others come in, in this order, before the row with
    the keys ``before``, or at the end. A row that leaves and comes in again is replaced. Where prefixes or keys alone
    say which row counts first, they say so here too (``Shape.ordered``)."""

    remove: Sequence[Keys] = ()
    insert: Sequence[Row] = ()
    before: Keys | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """What a table's rows have to fit; at most ``most`` of them."""

    name: str
    keys: tuple[Key, ...]
    values: tuple[Column, ...] = ()
    most: int = 1024

    def check(self) -> None:
        """Raises TableError where the shape is out of bounds."""
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
        if not 1 <= self.most <= ROWS_MAX:
            raise TableError(f"table {self.name} cannot have {self.most} rows, no table has more than {ROWS_MAX}")

    def ordered(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """Rows that fit, in the order that counts: by falling prefix length; where rows cannot overlap, also by their
        keys, so that the same rows are the same content however they were listed. Raises TableError where one does not
        fit, two have the same keys, or there are too many."""
        listed = tuple(rows)
        if len(listed) > self.most:
            raise self._too_many(len(listed))
        seen: set[Keys] = set()
        for number, row in enumerate(listed):
            where = f"table {self.name}, row {number}"
            self._check_row(row, where)
            if row.keys in seen:
                raise TableError(f"{where}: an earlier row has the same keys")
            seen.add(row.keys)
        return ordered(self.keys, listed)

    def read(self, content: Any) -> tuple[Row, ...]:
        """The rows of ``[[[[a, b], …], [value, …]], …]``, whatever else it may turn out to be, in the order that
        counts. Raises TableError."""
        if not isinstance(content, (list, tuple)):
            raise self._too_many(type(content).__name__)
        if len(content) > self.most:
            raise self._too_many(len(content))
        return self.ordered(self._row(given, f"table {self.name}, row {at}") for at, given in enumerate(content))

    def changed(self, rows: Sequence[Row], change: Change) -> tuple[Row, ...]:
        """The rows after a change: what it means. Raises TableError where it does not fit (``read_change``)."""
        place = {row.keys: at for at, row in enumerate(rows)}
        change = self.read_change(change, place, len(rows))
        leaving, at = set(change.remove), len(rows) if change.before is None else place[change.before]
        first, then = ([row for row in part if row.keys not in leaving] for part in (rows[:at], rows[at:]))
        return ordered(self.keys, [*first, *change.insert, *then])

    def read_change(self, change: Change, there: Container[Keys], count: int) -> Change:
        """The change to a table of ``count`` rows whose keys are ``there``, whatever its parts may turn out to be.
        Raises TableError for a row to remove or to insert before that is not there, one that is there already, too many
        rows, and rows that do not fit."""
        for given in (change.remove, change.insert):
            if not isinstance(given, (list, tuple)):
                raise TableError(f"table {self.name}: a change lists rows, it has no {type(given).__name__} for them")
        remove = [self._keys(given, f"table {self.name}, row {at} to remove") for at, given in enumerate(change.remove)]
        leaving: set[Keys] = set()
        for keys in remove:
            if keys not in there or keys in leaving:
                raise TableError(f"table {self.name}: there is no row {keys} to remove")
            leaving.add(keys)
        before = change.before
        if before is not None:
            before = self._keys(before, f"table {self.name}, row to insert before")
            if before not in there or before in leaving:
                raise TableError(f"table {self.name}: there is no row {before} to insert before")
        insert = [self._row(given, f"table {self.name}, new row {at}") for at, given in enumerate(change.insert)]
        coming: set[Keys] = set()
        for at, row in enumerate(insert):
            where = f"table {self.name}, new row {at}"
            self._check_row(row, where)
            if row.keys in coming or (row.keys in there and row.keys not in leaving):
                raise TableError(f"{where}: there is a row with the same keys already")
            coming.add(row.keys)
        if count - len(remove) + len(insert) > self.most:
            raise self._too_many(count - len(remove) + len(insert))
        return Change(tuple(remove), tuple(insert), before)

    def _keys(self, given: Any, where: str) -> Keys:
        return self._row((given, (0,) * len(self.values)), where).keys

    def _row(self, given: Any, where: str) -> Row:
        try:
            keys, values = tuple((a, b) for a, b in given[0]), tuple(given[1])
            if len(given) == 2 and all(type(x) is int for x in (*(v for match in keys for v in match), *values)):
                return Row(keys, values)
        except (TypeError, ValueError, IndexError, KeyError):
            pass
        raise self._misshapen(where)

    def _check_row(self, row: Row, where: str) -> None:
        if len(row.keys) != len(self.keys) or len(row.values) != len(self.values):
            raise self._misshapen(where)
        for key, match in zip(self.keys, row.keys, strict=True):
            if not key.fits(match):
                raise TableError(f"{where}: {match} is no match of an {key.kind} key of {key.width} bits")
        for column, value in zip(self.values, row.values, strict=True):
            if not column.lo <= value <= column.hi:
                raise TableError(f"{where}: {column.name} is {column.lo} to {column.hi}, not {value}")

    def _misshapen(self, where: str) -> TableError:
        return TableError(f"{where}: expected {len(self.keys)} keys and {len(self.values)} values")

    def _too_many(self, found: object) -> TableError:
        return TableError(
            f"table {self.name} holds at most {self.most} rows (no table more than {ROWS_MAX}), not {found}"
        )


def rank(keys: Sequence[Key]) -> Callable[[Row], tuple[int, Keys]] | None:
    """What rows are put in order by, lowest first; None where only the order counts in which they are given."""
    prefix = next((at for at, key in enumerate(keys) if key.kind == "lpm"), None)
    disjoint = all(key.kind in ("exact", "lpm") for key in keys)

    def place(row: Row) -> tuple[int, Keys]:
        length = 0 if prefix is None else row.keys[prefix][1]
        return -length, row.keys if disjoint else ()

    return None if prefix is None and not disjoint else place


def ordered(keys: Sequence[Key], rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows in the order that counts, whether or not they fit (``Shape.ordered``)."""
    place = rank(keys)
    return tuple(rows) if place is None else tuple(sorted(rows, key=place))


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


def merged(ranges: Iterable[Match]) -> list[Match]:
    """The union of inclusive ranges as ascending, disjoint ones that do not touch."""
    out: list[Match] = []
    for lo, hi in sorted(ranges):
        if out and lo <= out[-1][1] + 1:
            out[-1] = out[-1][0], max(out[-1][1], hi)
        else:
            out.append((lo, hi))
    return out
