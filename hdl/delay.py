"""A wide value, some cycles later, out of a small memory.

One idea: a register for every bit and cycle is dear where nothing looks at the value on its way; a memory with a
pointer that goes round holds the same bits in a fraction of the area.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

CYCLES_MIN = 2
LANE = 512
"""Bits of one memory; wider values lie in several side by side."""


class DelayLine(wiring.Component):
    """``o`` is what ``i`` was ``cycles`` cycles before; what it was before the first clock edges is zero.

    Members
    -------
    i : In(width)
    o : Out(width)
    """

    def __init__(self, width: int, cycles: int) -> None:
        if width < 1:
            raise ValueError(f"width must be positive, not {width}")
        if cycles < CYCLES_MIN:
            raise ValueError(f"cycles must be at least {CYCLES_MIN}, not {cycles}")
        self.width = width
        self.cycles = cycles
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        at = Signal(range(self.cycles))
        following = Signal.like(at)
        m.d.comb += [
            following.eq(Mux(at == self.cycles - 1, 0, at + 1)),
        ]
        for start in range(0, self.width, LANE):
            lane = slice(start, min(start + LANE, self.width))
            # The word after the one that is written is the oldest; so none is read while it is written.
            memory = Memory(shape=lane.stop - lane.start, depth=self.cycles, init=[])
            m.submodules[f"memory{start}"] = memory
            write, read = memory.write_port(), memory.read_port()
            m.d.comb += [
                write.addr.eq(at),
                write.data.eq(self.i[lane]),
                write.en.eq(1),
                read.addr.eq(following),
                self.o[lane].eq(read.data),
            ]
        m.d.sync += at.eq(following)
        return m
