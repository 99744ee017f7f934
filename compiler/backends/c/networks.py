"""Tests for networks: ranges that are all values of some upper bits, where several ask for the same bits of one value.

One idea: the lower bits are cleared once, and each test compares for equality, which is a third of what a range costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.plan.ops import Node

SHARED_MIN = 3
"""Tests that make cleared bits worth their column."""
BITS_MIN, BITS_MAX = 16, 64
"""Types of which it is worth it: narrower ranges are few operations, wider ones no vector's."""


@dataclass(frozen=True, slots=True)
class Network:
    """``value`` without its bits under ``size``, a power of two."""

    value: int
    size: int


def network_tests(nodes: Sequence[Node], order: Iterable[int]) -> dict[int, tuple[Network, int]]:
    """Which of these nodes ask whether a value lies in a network, with it and the network's first value."""
    found = {ref: test for ref in order if (test := _test(nodes, ref)) is not None}
    count = Counter(network for network, _ in found.values())
    return {ref: test for ref, test in found.items() if count[test[0]] >= SHARED_MIN}


def _test(nodes: Sequence[Node], ref: int) -> tuple[Network, int] | None:
    node = nodes[ref]
    if node.op != "member" or len(node.attrs) != 2:
        return None
    (value,), (first, last) = node.args, node.attrs
    ctype, size = type_of(nodes[value]), last - first + 1
    if ctype.signed or not BITS_MIN <= ctype.bits <= BITS_MAX or size & (size - 1) or first % size:
        return None
    return Network(value, size), first
