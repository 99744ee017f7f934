"""Membership in a set of ranges, as 4-bit tables and ANDs and ORs of them.

One idea: cut the value in two halves and sort the upper half's values into classes by what they leave to the lower
half; the set is the OR over the classes of (upper half in class) and (lower half in its rest), and each part is a
set again. It ends at 4 bits, one look-up table. A constant becomes an AND of digits, an aligned range (a CIDR prefix)
an AND of the upper ones, a range a comparison without carries, and equal parts of different sets are one net.
"""

from __future__ import annotations

from collections.abc import Sequence

from .netlist import TABLE_BITS, Netlist

Ranges = tuple[tuple[int, int], ...]
"""Inclusive, ascending, disjoint, not adjacent."""


def invert_ranges(ranges: Sequence[tuple[int, int]], hi: int) -> Ranges:
    """What of [0, hi] the ranges leave out."""
    out: list[tuple[int, int]] = []
    start = 0
    for first, last in ranges:
        if first > start:
            out.append((start, first - 1))
        start = last + 1
    if start <= hi:
        out.append((start, hi))
    return tuple(out)


def unsigned_ranges(ranges: Sequence[tuple[int, int]], width: int) -> Ranges:
    """Ranges of a two's complement value of ``width`` bits as ranges of its bits read as unsigned."""
    wrap = 1 << width
    low = [(max(0, a), b) for a, b in ranges if b >= 0]
    high = [(a + wrap, min(-1, b) + wrap) for a, b in ranges if a < 0]
    return merge(low + high)


def merge(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """Joins what overlaps or is adjacent."""
    out: list[tuple[int, int]] = []
    for lo, hi in sorted(ranges):
        if out and lo <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], hi))
        else:
            out.append((lo, hi))
    return tuple(out)


class MemberBuilder:
    """Makes membership tests in one netlist, remembering every part it made."""

    def __init__(self, nets: Netlist) -> None:
        self._nets = nets
        self._known: dict[tuple[int, int, int, Ranges], tuple[int, ...]] = {}

    def terms(self, x: int, ranges: Ranges) -> tuple[int, ...]:
        """Boolean nets that are all 1 exactly if x, unsigned, lies in the ranges; none if it always does."""
        net = self._nets[x]
        top = (1 << net.width) - 1
        cut = tuple((lo, min(hi, top)) for lo, hi in ranges if lo <= top)
        return self._terms(x, 0, net.width, cut)

    def _terms(self, x: int, lsb: int, width: int, ranges: Ranges) -> tuple[int, ...]:
        if not ranges:
            return (self._nets.false,)
        if ranges == ((0, (1 << width) - 1),):
            return ()
        key = (x, lsb, width, ranges)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._make(x, lsb, width, ranges)
        return found

    def _make(self, x: int, lsb: int, width: int, ranges: Ranges) -> tuple[int, ...]:
        nets = self._nets
        if width <= TABLE_BITS:
            bits = sum(((1 << (hi - lo + 1)) - 1) << lo for lo, hi in ranges)
            return (nets.table(nets.slice(x, lsb, width), bits),)
        low = TABLE_BITS
        while low * 2 < width:
            low *= 2
        classes = _classes(ranges, low)
        parts = [
            self._group((*self._terms(x, lsb + low, width - low, upper), *self._terms(x, lsb, low, rest)))
            for rest, upper in classes
        ]
        if len(parts) == 1:
            return parts[0]
        return (nets.any(nets.all(part) for part in parts),)

    def _group(self, terms: tuple[int, ...]) -> tuple[int, ...]:
        """Digits by fours from the top, so that constants with equal upper halves share their AND."""
        if len(terms) <= TABLE_BITS:
            return terms
        return tuple(self._nets.all(terms[i : i + TABLE_BITS]) for i in range(0, len(terms), TABLE_BITS))


def _classes(ranges: Ranges, low: int) -> list[tuple[Ranges, Ranges]]:
    """(what is left to the ``low`` lower bits, values of the upper bits that leave it), without the empty rest."""
    mask = (1 << low) - 1
    partial: dict[int, list[tuple[int, int]]] = {}
    full: list[tuple[int, int]] = []
    for lo, hi in ranges:
        first, last = lo >> low, hi >> low
        if first == last and not (lo & mask == 0 and hi & mask == mask):
            partial.setdefault(first, []).append((lo & mask, hi & mask))
            continue
        if lo & mask:
            partial.setdefault(first, []).append((lo & mask, mask))
            first += 1
        if hi & mask != mask:
            partial.setdefault(last, []).append((0, hi & mask))
            last -= 1
        if first <= last:
            full.append((first, last))
    classes: dict[Ranges, list[tuple[int, int]]] = {}
    if full:
        classes[((0, mask),)] = full
    for upper, rest in partial.items():
        classes.setdefault(tuple(rest), []).append((upper, upper))
    return [(rest, merge(uppers)) for rest, uppers in classes.items()]
