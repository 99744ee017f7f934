"""Sets of integers as sorted, disjoint, inclusive intervals that do not touch.

One idea: what a condition says about one value is a set, and sets have one form, so equal conditions are equal tuples.
"""

from __future__ import annotations

from collections.abc import Iterable

Intervals = tuple[tuple[int, int], ...]


def union(parts: Iterable[tuple[int, int]]) -> Intervals:
    """The set of everything in any of the intervals, which may come in any order and overlap."""
    merged: list[list[int]] = []
    for lo, hi in sorted(parts):
        if lo > hi:
            continue
        if merged and lo <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], hi)
        else:
            merged.append([lo, hi])
    return tuple((lo, hi) for lo, hi in merged)


def intersection(a: Intervals, b: Intervals) -> Intervals:
    out: list[tuple[int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        lo, hi = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if lo <= hi:
            out.append((lo, hi))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return tuple(out)


def complement(a: Intervals, lo: int, hi: int) -> Intervals:
    """What of [lo, hi] is not in the set."""
    out: list[tuple[int, int]] = []
    at = lo
    for first, last in a:
        if first > at:
            out.append((at, first - 1))
        at = last + 1
    if at <= hi:
        out.append((at, hi))
    return tuple(out)
