"""The input of a core: one register before everything, and which beat of its packet each one is.

One idea: what has to steer hundreds of registers is known one cycle before the beat reaches them, so that everybody
can keep a copy of it in a register of its own.

A core that is reset in the middle of a packet gets the rest of it afterwards. Whether it was in the middle is therefore
kept through a reset, and a rest is taken and forgotten, up to its ``tlast``.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES, SIDEBANDS, PacketStream, sideband_layout


class Intake(wiring.Component):
    """Takes beats while there is room. ``s_axis.tready`` is a register: it follows ``room`` one cycle later, and is 0
    in reset from its second cycle on.

    Members
    -------
    s_axis : In(PacketStream(beat_bytes))
    room : In(1)                 beats may be taken; up to 3 more come after it has fallen
    coming : Out(1)              a beat is taken now, and is in ``data`` and the rest in the next cycle
    place : Out(beats + 1)       one-hot: which beat of its packet that is; bit ``beats`` for all past the window
    ends : Out(1)                it is the packet's last
    completes : Out(1)           with it the first ``beats`` beats of its packet are there, or all that it has
    beat : Out(1)                the beat of the cycle before is in the following
    first : Out(1)               it is the first of its packet
    data : Out(8 * beat_bytes), keep : Out(beat_bytes), last : Out(1), sidebands : Out(sideband_layout())
    """

    def __init__(self, beats: int, beat_bytes: int = BEAT_BYTES) -> None:
        self.beats = beats
        self.beat_bytes = beat_bytes
        super().__init__(
            {
                "s_axis": In(PacketStream(beat_bytes)),
                "room": In(1),
                "coming": Out(1),
                "place": Out(beats + 1),
                "ends": Out(1),
                "completes": Out(1),
                "beat": Out(1),
                "first": Out(1),
                "data": Out(8 * beat_bytes),
                "keep": Out(beat_bytes),
                "last": Out(1),
                "sidebands": Out(sideband_layout()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        s_axis = self.s_axis
        ready = Signal()
        accept = Signal()
        inside = Signal(reset_less=True)
        in_step = Signal()
        place = Signal(self.beats + 1, init=1)
        m.d.sync += ready.eq(self.room)
        m.d.comb += [
            s_axis.tready.eq(ready),
            accept.eq(s_axis.tvalid & ready),
            self.coming.eq(accept & (in_step | ~inside)),
            self.place.eq(place),
            self.ends.eq(s_axis.tlast),
            self.completes.eq(self.coming & (place[-2] | (s_axis.tlast & ~place[-1]))),
        ]
        # One expression, no condition around it: of a register that no reset sets a simulator of events knows the value
        # that it keeps only if nothing has to happen for that.
        m.d.sync += inside.eq((accept & ~s_axis.tlast) | (~accept & inside))
        with m.If((accept & s_axis.tlast) | ~inside):
            m.d.sync += in_step.eq(1)
        with m.If(self.coming):
            later = Cat(Const(0, 1), place[:-2], place[-2] | place[-1])
            m.d.sync += place.eq(Mux(s_axis.tlast, 1, later))

        m.d.sync += [self.beat.eq(self.coming), self.first.eq(self.coming & place[0])]
        sidebands = Signal(sideband_layout(), reset_less=True)
        data = Signal(8 * self.beat_bytes, reset_less=True)
        keep = Signal(self.beat_bytes, reset_less=True)
        last = Signal(reset_less=True)
        m.d.sync += [data.eq(s_axis.tdata), keep.eq(s_axis.tkeep), last.eq(s_axis.tlast)]
        m.d.sync += [sidebands[name].eq(getattr(s_axis, f"tuser_{name}")) for name, _ in SIDEBANDS]
        m.d.comb += [self.data.eq(data), self.keep.eq(keep), self.last.eq(last), self.sidebands.eq(sidebands)]
        return m
