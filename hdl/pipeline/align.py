"""Bytes at a variable start, brought to a fixed place in few multiplexers.

One idea: the start's possible values are known (``values``), so only the bits that tell them apart are
looked at, two at a time from the top, and the part of the window that can still matter shrinks with every rung.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from .netlist import Netlist


@dataclass(frozen=True, slots=True)
class Span:
    """Units [start, stop) counted from the variable start."""

    start: int
    stop: int

    def including(self, start: int, stop: int) -> Span:
        return Span(min(self.start, start), max(self.stop, stop))


@dataclass(frozen=True, slots=True)
class Aligned:
    """Unit d from the variable start is unit ``at + d`` of ``vector``; units outside of the vector are 0."""

    vector: int
    at: int


def chosen(nets: Netlist, start: int, values: list[int], conditions: list[int]) -> int:
    """The condition of the value that the net ``start`` has, of values that one step tells apart."""
    if len(values) == 1:
        return conditions[0]
    bits = _telling(values, _varying(values))
    if bits is None:
        raise ValueError(f"one step does not tell {values} apart")
    of = {_gather(value, bits): condition for value, condition in zip(values, conditions, strict=True)}
    table = [of.get(i, of.get(i ^ 2, of.get(i ^ 1, nets.false))) for i in range(1 << len(bits))]
    select = _select(nets, start, bits)
    return nets.mux(select, table[1], table[0], 1, False) if len(bits) == 1 else nets.select(select, table)


def told_apart(values: list[int]) -> bool:
    """Whether one step, a multiplexer of at most four, tells these values (ascending) apart."""
    return len(values) < 2 or _telling(values, _varying(values)) is not None


def align(
    nets: Netlist, source: int, unit: int, start: int, values: Iterable[int], span: Span
) -> Aligned | None:  # fmt: skip
    """Multiplexers that bring the units of ``span`` from the net ``start`` to a fixed place, as far as ``source`` can
    reach; None if no value is possible, or the span begins past it.

    ``unit`` is the bits of a unit of ``source``, outside of which all is 0; ``values`` are what ``start`` can be.
    What comes out for another value of ``start`` is undefined.
    """
    rest = sorted(set(values))
    if not rest:
        return None
    span = Span(span.start, min(span.stop, nets[source].width // unit - rest[0]))
    if span.stop <= span.start:
        return None
    origin = 0
    while (varying := _varying(rest)) and len(rest) > 1:
        bits = _telling(rest, varying) or varying[:2]
        mask = sum(1 << b for b in bits)
        final = len({v & mask for v in rest}) == len(rest)
        # By a final rung every value has its own place; else only what the chosen bits weigh is moved.
        moves = {_gather(v, bits): v if final else v & mask for v in rest}
        left = [0] if final else sorted({v & ~mask for v in rest})
        first, last = left[0] + span.start, left[-1] + span.stop
        table = [moves.get(i, moves.get(i ^ 2, moves.get(i ^ 1, 0))) for i in range(1 << len(bits))]
        offsets = tuple(first + move - origin for move in table)
        source = nets.make(
            "align",
            (source, _select(nets, start, bits)),
            (unit, last - first, *offsets),
            unit * (last - first),
            cost=1,
        )
        origin, rest = first, left
    return Aligned(source, rest[0] - origin)


def _varying(values: list[int]) -> list[int]:
    """Bits in which the values differ, highest first."""
    differ = 0
    for v in values:
        differ |= v ^ values[0]
    return [b for b in range(differ.bit_length() - 1, -1, -1) if differ >> b & 1]


def _telling(values: list[int], varying: list[int]) -> tuple[int, ...] | None:
    """One or two bits (highest first) that tell all the values apart, neighbours if possible."""
    if len(values) > 4:
        return None
    pairs = sorted(combinations(varying, 2), key=lambda p: (p[0] - p[1], -p[0]))
    for bits in (*((b,) for b in varying), *pairs):
        if len({_gather(v, bits) for v in values}) == len(values):
            return bits
    return None


def _gather(value: int, bits: Iterable[int]) -> int:
    out = 0
    for b in bits:
        out = out << 1 | (value >> b & 1)
    return out


def _select(nets: Netlist, start: int, bits: Iterable[int]) -> int:
    high, *low = bits
    if not low:
        return nets.slice(start, high, 1)
    if high == low[0] + 1:
        return nets.slice(start, low[0], 2)
    return nets.make("pair", (nets.slice(start, low[0], 1), nets.slice(start, high, 1)), (), 2)
