"""Puts a record before each packet of a stream.

One idea: the length of the record and the width of a beat are known, so where the record is whole beats the packet
follows unchanged, and where it is half a beat every beat is put together from two halves, which is wiring.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sevenm.boundary import RECORD_HEADER


class Prepend(wiring.Component):
    """A record of RECORD_HEADER bytes before each packet; ``record`` is stable over a packet's beats. A packet without
    bytes becomes a packet of the record alone. Combinational from the input to the output.

    Members
    -------
    data : In(8 * beat_bytes), keep : In(beat_bytes), last, valid : In(1), ready : Out(1)
    record : In(8 * RECORD_HEADER)
    o_data, o_keep, o_last, o_valid : Out, o_ready : In(1)
    ends : Out(1)                                            the last beat of a packet is taken
    """

    def __init__(self, beat_bytes: int) -> None:
        self.beat_bytes = beat_bytes
        super().__init__(
            {
                "data": In(8 * beat_bytes),
                "keep": In(beat_bytes),
                "last": In(1),
                "valid": In(1),
                "ready": Out(1),
                "record": In(8 * RECORD_HEADER),
                "o_data": Out(8 * beat_bytes),
                "o_keep": Out(beat_bytes),
                "o_last": Out(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                "ends": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        moves = Signal()
        m.d.comb += [
            self.o_valid.eq(self.valid),
            moves.eq(self.valid & self.o_ready),
            self.ends.eq(moves & self.o_last),
        ]
        if self.beat_bytes > RECORD_HEADER:
            self._halves(m, moves)
        else:
            self._beats(m, moves)
        return m

    def _beats(self, m: Module, moves: Signal) -> None:
        """The record is one or more whole beats: ``at`` is the one that is offered, or says that they have passed."""
        count = RECORD_HEADER // self.beat_bytes
        at = Signal(range(count + 1))
        inside = Signal()
        empty = Signal()
        m.d.comb += [inside.eq(at != count), empty.eq(self.last & ~self.keep[0])]
        with m.If(inside):
            m.d.comb += [
                self.o_data.eq(self.record.word_select(at[: max(1, (count - 1).bit_length())], 8 * self.beat_bytes)),
                self.o_keep.eq(Const(-1, self.beat_bytes)),
                self.o_last.eq(empty & (at == count - 1)),
                self.ready.eq(self.o_ready & self.o_last),
            ]
        with m.Else():
            m.d.comb += [
                self.o_data.eq(self.data),
                self.o_keep.eq(self.keep),
                self.o_last.eq(self.last),
                self.ready.eq(self.o_ready),
            ]
        with m.If(moves):
            m.d.sync += at.eq(Mux(self.o_last, 0, Mux(inside, at + 1, at)))

    def _halves(self, m: Module, moves: Signal) -> None:
        """The record is the lower half of the first beat. A last beat that does not fit beside what was carried is
        offered twice: its lower half, then the rest."""
        half = self.beat_bytes // 2
        assert half == RECORD_HEADER
        carried = Signal(8 * half, reset_less=True)
        first = Signal(init=1)
        rest = Signal()
        more = Signal()
        m.d.comb += [more.eq(self.last & self.keep[half] & ~rest)]
        with m.If(rest):
            m.d.comb += [
                self.o_data.eq(self.data[8 * half :]),
                self.o_keep.eq(self.keep[half:]),
                self.o_last.eq(1),
            ]
        with m.Else():
            m.d.comb += [
                self.o_data.eq(Cat(Mux(first, self.record, carried), self.data[: 8 * half])),
                self.o_keep.eq(Cat(Const(-1, half), self.keep[:half])),
                self.o_last.eq(self.last & ~more),
            ]
        m.d.comb += self.ready.eq(self.o_ready & ~more)
        with m.If(moves):
            m.d.sync += [rest.eq(more), first.eq(self.o_last)]
            with m.If(~more):
                m.d.sync += carried.eq(self.data[8 * half :])
