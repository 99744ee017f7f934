"""A tree that brings a value of up to 32 bits to its interval, in the same few steps for every value.

One idea: the upper bits of the value choose a root. A node tells up to NODE_STARTS starts of intervals apart, by one
comparison of a vector, and leads to one of its children or, from the last level, to what is said of the interval.
Every root is as deep as the deepest needs to be, so that no branch depends on the value. Comparing replaces four steps
of a binary search, each of which would wait for a load.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

NODE_STARTS = 16
"""Starts that a node tells apart: a line of 64 bytes. NODE_STARTS in classify.h."""


@dataclass(frozen=True, slots=True)
class AxisNode:
    """A value goes to ``to[k]`` if k of the ``starts`` are at or before it."""

    starts: tuple[int, ...]
    to: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """``top``: (value of the upper ``top_bits``, root) where the root changes. After ``depth`` nodes stands what is
    said of an interval; before, numbers of nodes."""

    top_bits: int
    top: tuple[tuple[int, int], ...]
    nodes: tuple[AxisNode, ...]
    depth: int


def build(width: int, top_bits: int, starts: Sequence[int], values: Sequence[int]) -> Tree:
    """``starts`` ascend, of values of ``width`` bits; ``values``: what is said of each interval. As many upper bits as
    make the tree shallow, at most ``top_bits``, and no more."""
    most = min(width, top_bits)
    bits = min(range(1, most + 1), key=lambda at: (_depth(_inside(starts, width - at)), at))
    shift = width - bits
    depth = _depth(_inside(starts, shift))
    made = _Builder(starts, values)
    top: list[tuple[int, int]] = []
    for part in sorted({0, *(start >> shift for start in starts), *((start >> shift) + 1 for start in starts)}):
        if part < 1 << bits:
            first = max(0, bisect_right(starts, part << shift) - 1)
            top.append((part, made.node(first, bisect_left(starts, (part + 1) << shift) - 1, depth)))
    return Tree(bits, tuple(top), tuple(made.nodes), depth)


def _inside(starts: Sequence[int], shift: int) -> int:
    """Most starts inside of one part of 2**shift values, past its first."""
    count: dict[int, int] = {}
    for start in starts:
        if start & (1 << shift) - 1:
            count[start >> shift] = count.get(start >> shift, 0) + 1
    return max(count.values(), default=0)


def _room(depth: int) -> int:
    """Starts that a tree of this depth tells apart."""
    return int((NODE_STARTS + 1) ** depth) - 1


def _depth(starts: int) -> int:
    return next(depth for depth in range(1, 10) if starts <= _room(depth))


class _Builder:
    def __init__(self, starts: Sequence[int], values: Sequence[int]) -> None:
        self.starts, self.values = starts, values
        self.nodes: list[AxisNode] = []
        self.known: dict[AxisNode, int] = {}

    def node(self, first: int, last: int, depth: int) -> int:
        """Number of the node for values of the intervals from ``first`` to ``last``."""
        if depth == 1:
            made = AxisNode(tuple(self.starts[first + 1 : last + 1]), tuple(self.values[first : last + 1]))
        else:
            each = -(-(last - first + 1) // (_room(depth - 1) + 1))
            size = -(-(last - first + 1) // each)
            begins = range(first, last + 1, size)
            to = tuple(self.node(at, min(at + size - 1, last), depth - 1) for at in begins)
            made = AxisNode(tuple(self.starts[at] for at in begins[1:]), to)
        if made not in self.known:
            self.known[made] = len(self.nodes)
            self.nodes.append(made)
        return self.known[made]
