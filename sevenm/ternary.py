"""Rows of a table as a ternary memory has them: one word that the keys are compared with under a mask.

One idea: exact keys, prefixes and masks are ternary as they are; a range becomes the prefixes that it is made of. So
the memory is the same for every kind of key and whatever the rows are; only how many entries a row takes depends on
them: one, and for a range of w bits up to 2 w - 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from sevenm.tables import Column, Key, Match, Row, Shape


class Entry(NamedTuple):
    """Matches keys with ``key & mask == value``, keys side by side with the first one lowest; ``values`` likewise."""

    value: int
    mask: int
    values: int


def column_width(lo: int, hi: int) -> int:
    """Bits of a value column with these bounds: two's complement if it can be negative."""
    return max(hi.bit_length(), (-lo - 1).bit_length()) + 1 if lo < 0 else max(1, hi.bit_length())


def entries(shape: Shape, rows: Iterable[Row]) -> list[Entry]:
    """The rows in their order, each as its entries; without those that an earlier one with the same match hides."""
    out: dict[tuple[int, int], Entry] = {}
    for row in rows:
        values = packed_values(shape.values, row.values)
        for masks in product(*(_masks(key, match) for key, match in zip(shape.keys, row.keys, strict=True))):
            value = mask = at = 0
            for key, (v, m) in zip(shape.keys, masks, strict=True):
                value, mask, at = value | v << at, mask | m << at, at + key.width
            out.setdefault((value, mask), Entry(value, mask, values))
    return list(out.values())


def packed_values(columns: Sequence[Column], values: Sequence[int]) -> int:
    """The values of a row as one word."""
    word = at = 0
    for column, value in zip(columns, values, strict=True):
        width = column_width(column.lo, column.hi)
        word, at = word | (value & (1 << width) - 1) << at, at + width
    return word


def _masks(key: Key, match: Match) -> list[Match]:
    """(value, mask) of every part of a match."""
    top = (1 << key.width) - 1
    if key.kind == "ternary":
        return [match]
    if key.kind == "lpm":
        value, length = match
        return [(value, top ^ top >> length)]
    return prefixes(*match, key.width)


def prefixes(lo: int, hi: int, width: int) -> list[Match]:
    """The fewest (value, mask) that together are the range, ascending."""
    top, out = (1 << width) - 1, []
    while lo <= hi:
        free = lo & -lo if lo else 1 << width
        while lo + free - 1 > hi:
            free >>= 1
        out.append((lo, top ^ free - 1))
        lo += free
    return out
