"""The lowest bit that is set, and its number, in registers all along.

One idea: sixteen become one in each cycle, in two steps of four; what goes on is one bit "there is one" and the number
so far, so the last stages are as fast as the first, and one vector goes in every cycle.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

STEP = 4
"""What becomes one in a step."""
STEPS = 2
"""Steps in a cycle."""

Found = tuple[Any, Any]
"""Whether there is one, and its number among those it was chosen from."""


def priority_latency(width: int) -> int:
    """Cycles that it takes to find the lowest of so many."""
    cycles, left = 1, STEP**STEPS
    while left < width:
        cycles, left = cycles + 1, left * STEP**STEPS
    return cycles


class PriorityEncoder(wiring.Component):
    """``hit`` and ``index`` are those of the ``bits`` of ``latency`` cycles before; ``index`` is 0 where there is none.

    Members
    -------
    bits : In(width)
    hit : Out(1)
    index : Out(range(width))
    """

    def __init__(self, width: int) -> None:
        if width < 1:
            raise ValueError(f"width must be positive, not {width}")
        self.width = width
        self.latency = priority_latency(width)
        super().__init__({"bits": In(width), "hit": Out(1), "index": Out(max(1, (width - 1).bit_length()))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        left: list[Found] = [(bit, Const(0, 0)) for bit in self.bits]
        for cycle in range(self.latency):
            for _ in range(STEPS):
                left = [_lowest(left[at : at + STEP]) for at in range(0, len(left), STEP)]
            left = [_registered(m, f"s{cycle}_{at}", found) for at, found in enumerate(left)]
        ((hit, index),) = left
        m.d.comb += [self.hit.eq(hit), self.index.eq(index[: len(self.index)])]
        return m


def _lowest(found: list[Found]) -> Found:
    """The first of at most STEP that is there; the number is 0 where none is."""
    none: Found = Const(0, 1), Const(0, len(found[0][1]))
    (a, at_a), (b, at_b), (c, at_c), (d, at_d) = [*found, *[none] * (STEP - len(found))]
    high = ~(a | b) & (c | d)
    low = ~a & (b | (~c & d))
    if not len(at_a):
        return Cat(a, b, c, d).any(), Cat(low, high)
    inner = Mux(high, Mux(low, at_d, at_c), Mux(low, at_b, at_a))
    return Cat(a, b, c, d).any(), Cat(inner, low, high)


def _registered(m: Module, name: str, found: Found) -> Found:
    hit, number = found
    hit_q = Signal(name=f"hit_{name}", reset_less=True)
    number_q = Signal(len(number), name=f"number_{name}", reset_less=True)
    m.d.sync += [hit_q.eq(hit), number_q.eq(number)]
    return hit_q, number_q
