"""Some bits of what waits in a core, with everything that moves them.

One idea: a core's store is 700 bits wide, and one signal that moves 700 bits is slow to reach them. So it is cut into
lanes, and each has its own pointers, its own copy of the two flags of an output that never waits for the other side,
and its own part of the output's registers. What all lanes share comes out of registers and goes to one look-up table
in each.

::

    write ─> memory[at] ─> a ─┬─────────> o ─> out
                              └> spare ──┘
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

LANE = 64
"""Bits of a lane, at most: few enough to be moved by one register, and one word of a simulator."""


class Lane(wiring.Component):
    """A queue of ``depth`` words in a memory, and the last registers before the output.

    ``at`` is the place of the word that is called for, ``a`` has the one before it, ``o`` the one that is offered,
    ``spare`` the one that ``o`` had no place for when the other side stopped; while there is one (``stalled``) nothing
    else moves. A word that is called for is in an empty output three cycles later. It is written at the latest in the
    cycle in which it is called for.

    Members
    -------
    w_en : In(1), w_data : In(width)     a word is written; whoever does it knows that there is room
    available : In(1)                    there is a beat, and its word is called for unless the lane is stalled
    step : In(1)                         that is the next word, not the same again
    held : In(1)                         there is a beat in ``a``
    ready : In(1)                        what is offered is taken
    o : Out(width)
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        super().__init__(
            {
                "w_en": In(1),
                "w_data": In(width),
                "available": In(1),
                "step": In(1),
                "held": In(1),
                "ready": In(1),
                "o": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(
            shape=self.width, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write, read = memory.write_port(), memory.read_port(domain="comb")
        to = Signal(range(self.depth))
        at = Signal(range(self.depth), init=self.depth - 1)
        after = Signal(range(self.depth))
        stalled, offered = Signal(name="fo_stalled"), Signal(name="fo_offered")
        m.d.comb += [
            write.addr.eq(to),
            write.data.eq(self.w_data),
            write.en.eq(self.w_en),
            read.addr.eq(at),
        ]
        with m.If(self.w_en):
            m.d.sync += to.eq(following(to, self.depth))
        with m.If(self.available & ~stalled & self.step):
            m.d.sync += [at.eq(after), after.eq(following(after, self.depth))]

        a, spare, o = (Signal(self.width, name=name, reset_less=True) for name in ("a", "spare", "o_q"))
        flags(m, stalled, offered, self.held, self.ready)
        with m.If(~stalled):
            m.d.sync += [a.eq(read.data), spare.eq(a)]
        with m.If(self.ready | ~offered):
            m.d.sync += o.eq(Mux(stalled, spare, a))
        m.d.comb += self.o.eq(o)
        return m


def flags(m: Module, stalled: Signal, offered: Signal, held: Any, ready: Any) -> None:
    """How the two flags of an output follow from what is in ``a`` and whether the other side takes."""
    with m.If(ready | ~offered):
        m.d.sync += [offered.eq(stalled | held), stalled.eq(0)]
    with m.Elif(held):
        m.d.sync += stalled.eq(1)


def following(pointer: Signal, depth: int) -> Any:
    """The place after this one in a memory that goes round."""
    return pointer + 1 if depth == 1 << len(pointer) else Mux(pointer == depth - 1, 0, pointer + 1)
