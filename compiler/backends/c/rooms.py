"""Comparisons of lengths in columns of bytes: how much room there is behind a base, at most 255.

One idea: a parser asks of the same two values again and again whether the one reaches some bytes past the other. So how
far it does, x - base limited to 0 … ROOM_MAX, is a column of its own, and each of x < base + end one compare of bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.ops import Node

ROOM_MAX = 255
"""Limit of the column."""
SHARED_MIN, CLAMPED_MIN = 2, 3
"""Tests that make a room worth its column: behind a base, and behind nothing, where it only makes a value narrow."""
VALUE = CType(16, False)
"""Of what rooms are asked for; a base is no wider."""


@dataclass(frozen=True, slots=True)
class Room:
    """Of ``value`` behind ``base``, or behind 0."""

    value: int
    base: int | None

    @property
    def operands(self) -> tuple[int, ...]:
        return (self.value,) if self.base is None else (self.value, self.base)


def room_tests(nodes: Sequence[Node], order: Iterable[int], most: int) -> dict[int, tuple[Room, int]]:
    """Which of these nodes say value < base + end, with the room and the end, where that saves work: captured bytes, of
    16 bits and counted up to ``most``, are asked for room behind all bases, others if several tests share one."""
    found = {ref: test for ref in order if (test := _test(nodes, ref)) is not None}
    count = Counter(room for room, _ in found.values())
    return {
        ref: (room, end) for ref, (room, end) in found.items()
        if count[room] >= (CLAMPED_MIN if room.base is None else SHARED_MIN)
        or (room.base is not None and (nodes[room.value].op, nodes[room.value].attrs) == ("captured", (most,)))
    }  # fmt: skip


def _test(nodes: Sequence[Node], ref: int) -> tuple[Room, int] | None:
    if nodes[ref].op != "lt":
        return None
    value, against = nodes[ref].args
    base, plus = nodes[against].args if nodes[against].op == "add" else (None, against)
    if nodes[plus].op != "const" or not 1 <= nodes[plus].lo <= ROOM_MAX or type_of(nodes[value]) != VALUE:
        return None
    if base is not None and not 0 <= nodes[base].lo <= nodes[base].hi <= VALUE.hi:
        return None
    return Room(value, base), nodes[plus].lo
