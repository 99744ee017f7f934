"""A register between two sides of a stream: neither side's handshake reaches the other in the same cycle.

One idea: where a beat has no place because the other side stopped, there is a second register for it; that it is taken
is all that the sending side has to know, and is a register. A beat is wide, so it is cut into lanes that have their
own copies of the two flags, as in a core's store (``hdl/lane.py``).
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sevenm.hdl.lane import LANE, flags

SLICE_CYCLES = 1
"""Cycles that a word takes through a slice whose output is taken."""


class RegisterSlice(wiring.Component):
    """Hands words on, one a cycle.

    Members
    -------
    i : In(width), i_valid : In(1), i_ready : Out(1)     ``i_ready`` comes out of a register
    o : Out(width), o_valid : Out(1), o_ready : In(1)    ``o`` and ``o_valid`` do
    """

    def __init__(self, width: int) -> None:
        if width < 1:
            raise ValueError(f"width must be positive, not {width}")
        self.width = width
        super().__init__(
            {
                "i": In(width),
                "i_valid": In(1),
                "i_ready": Out(1),
                "o": Out(width),
                "o_valid": Out(1),
                "o_ready": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for at in range(0, self.width, LANE):
            bits = slice(at, min(at + LANE, self.width))
            number = at // LANE
            stalled, offered = Signal(name=f"fo_stalled{number}"), Signal(name=f"fo_offered{number}")
            spare, o = (Signal(bits.stop - at, name=f"{name}{number}", reset_less=True) for name in ("spare", "o_q"))
            flags(m, stalled, offered, self.i_valid, self.o_ready)
            with m.If(~stalled):
                m.d.sync += spare.eq(self.i[bits])
            with m.If(self.o_ready | ~offered):
                m.d.sync += o.eq(Mux(stalled, spare, self.i[bits]))
            m.d.comb += self.o[bits].eq(o)
            if not at:
                m.d.comb += [self.i_ready.eq(~stalled), self.o_valid.eq(offered)]
        return m
