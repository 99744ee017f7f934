"""What all lanes of a core's store share: how many beats may leave, and whether one is at the output.

One idea: how many beats are there is kept as a row of ones, which moves by one place at most, so that "is there one"
and "is there room" are a bit of it, a register, and no number is compared on the way to the output or to the input.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .lane import flags, following

IN_FLIGHT = 3
"""Beats that still come after ``room`` has fallen."""


class Outlet(wiring.Component):
    """Counts the beats in a store of ``depth`` and leads them to the output.

    Members
    -------
    written : In(1)        a beat is written into the store
    last : In(1)           it is the last of its packet
    release : In(1)        the oldest beat that is not yet may leave, from the next cycle on
    room : Out(1)          beats may still be taken: fewer than ``depth - IN_FLIGHT`` are in the store
    available : Out(1)     there is a beat that may leave
    ended : Out(1)         it is the first of its packet: the one before it ended its own
    held : Out(1)          there is one in the lanes' ``a``
    ready : In(1)          what is offered is taken
    valid : Out(1)         a beat is offered
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        super().__init__(
            {
                "written": In(1),
                "last": In(1),
                "release": In(1),
                "room": Out(1),
                "available": Out(1),
                "ended": Out(1),
                "held": Out(1),
                "ready": In(1),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        stalled, offered = Signal(name="fo_stalled"), Signal(name="fo_offered")
        row = Signal(self.depth)
        called = Signal()
        held = Signal()
        calls = Signal()
        m.d.comb += [
            calls.eq(row[0] & ~stalled),
            self.available.eq(row[0]),
            self.held.eq(held),
            self.valid.eq(offered),
        ]
        flags(m, stalled, offered, held, self.ready)
        with m.If(~stalled):
            m.d.sync += [called.eq(row[0]), held.eq(called)]
        _count(m, row, self.release, calls)

        m.submodules.lasts = lasts = Memory(shape=1, depth=self.depth, init=[], attrs={"ram_style": "distributed"})
        write, read = lasts.write_port(), lasts.read_port(domain="comb")
        to, at, ended = Signal(range(self.depth)), Signal(range(self.depth)), Signal(init=1)
        m.d.comb += [
            write.addr.eq(to),
            write.data.eq(self.last),
            write.en.eq(self.written),
            read.addr.eq(at),
            self.ended.eq(ended),
        ]
        with m.If(self.written):
            m.d.sync += to.eq(following(to, self.depth))
        with m.If(calls):
            m.d.sync += [at.eq(following(at, self.depth)), ended.eq(read.data)]

        # A beat counts until the cycle after it was called for: the count is never below what is in the store.
        stored = Signal(self.depth)
        left = Signal()
        m.d.sync += left.eq(calls)
        _count(m, stored, self.written, left)
        m.d.comb += self.room.eq(~stored[self.depth - IN_FLIGHT - 1])
        return m


def _count(m: Module, row: Signal, up: Any, down: Any) -> None:
    """A row of ones as a count."""
    with m.If(up & ~down):
        m.d.sync += row.eq(Cat(Const(1, 1), row[:-1]))
    with m.If(down & ~up):
        m.d.sync += row.eq(row >> 1)
