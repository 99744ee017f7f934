"""The window assembler: the first bytes of each packet side by side, so that rules can look at them at once.

One idea: a rule needs only the first few beats, so they are collected in registers, zeroed past the packet's end,
and handed on in one cycle, once per packet, as soon as they are complete. Each group of ``GROUP`` bits has the strobes
that load and clear it in registers of its own.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES, SIDEBANDS, sideband_layout

BEATS_MAX = 16
"""Beats in the longest window: 1,024 bytes."""
GROUP = 64
"""Bits that one copy of a strobe loads."""


class WindowAssembler(wiring.Component):
    """Collects the first ``beats`` beats of each packet; taps what an ``Intake`` gives, never holds it up.

    Latency: the window is there in the second cycle after the beat that completes it, which is beat ``beats`` or the
    last one, whichever comes first, is ``coming``. One beat is taken every cycle, one-beat packets back to back
    included.

    Members
    -------
    coming, place, ends                    of the beat that is in ``data`` and the rest one cycle later (see Intake)
    data : In(512)
    keep : In(64)
    sidebands : In(sideband_layout())      read on a packet's first beat
    valid : Out(1)                         the rest of the outputs hold a window
    window : Out(8 * window_bytes)         byte i at bits [8 i + 7 : 8 i], zero if the packet has no byte i
    visible : Out(64 * beats + 1)          bit i: the packet has a byte i, so the ones are contiguous from bit 0
    size_out, src_out, dst_out, ts_out     that packet's sidebands

    ``window_bytes`` is how much of the window is kept, at most 64 * beats.
    """

    def __init__(self, beats: int, window_bytes: int) -> None:
        if not 1 <= beats <= BEATS_MAX:
            raise ValueError(f"beats must be 1 to {BEATS_MAX}, not {beats}")
        if not 1 <= window_bytes <= BEAT_BYTES * beats:
            raise ValueError(f"window_bytes must be 1 to {BEAT_BYTES * beats} for {beats} beats, not {window_bytes}")
        self.beats = beats
        self.window_bytes = window_bytes
        super().__init__(
            {
                "coming": In(1),
                "place": In(beats + 1),
                "ends": In(1),
                "data": In(8 * BEAT_BYTES),
                "keep": In(BEAT_BYTES),
                "sidebands": In(sideband_layout()),
                "valid": Out(1),
                "window": Out(8 * window_bytes),
                "visible": Out(BEAT_BYTES * beats + 1),
                **{f"{name}_out": Out(width) for name, width in SIDEBANDS},
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        complete = Signal()
        m.d.sync += complete.eq(self.coming & (self.place[-2] | (self.ends & ~self.place[-1])))
        m.d.sync += self.valid.eq(complete)

        window = Signal(8 * self.window_bytes, reset_less=True)
        visible = Signal(BEAT_BYTES * self.beats + 1, reset_less=True)
        sidebands = Signal(sideband_layout(), reset_less=True)
        m.d.comb += [self.window.eq(window), self.visible.eq(visible)]
        m.d.comb += [getattr(self, f"{name}_out").eq(sidebands[name]) for name, _ in SIDEBANDS]
        kept = Cat(Mux(self.keep[i], self.data[8 * i : 8 * i + 8], Const(0, 8)) for i in range(BEAT_BYTES))
        for i in range(self.beats):
            part = window[8 * BEAT_BYTES * i : 8 * BEAT_BYTES * (i + 1)]
            self._load(m, f"window{i}", i, part, kept)
            self._load(m, f"visible{i}", i, visible[BEAT_BYTES * i : BEAT_BYTES * (i + 1)], self.keep)
        self._load(m, "sidebands", 0, sidebands.as_value(), self.sidebands.as_value())
        # A packet that goes on past the window has at least one byte more.
        more = Signal()
        inside = Signal()
        m.d.sync += [inside.eq(self.coming & ~self.place[-1]), more.eq(~self.ends)]
        with m.If(inside):
            m.d.sync += visible[-1].eq(more)
        return m

    def _load(self, m: Module, name: str, part: int, target: Any, value: Any) -> None:
        """Loads the beat of number ``part``; a part after the first is cleared by a packet's first beat. A window of
        one beat is loaded whether there is a beat or not: ``valid`` tells."""
        for at in range(0, len(target), GROUP):
            bits = slice(at, min(at + GROUP, len(target)))
            if self.beats == 1:
                m.d.sync += target[bits].eq(value[bits])
                continue
            load = Signal(name=f"fo_load_{name}_{at}")
            m.d.sync += load.eq(self.coming & (self.place[0] | self.place[part]))
            new = value[bits]
            if part:
                clear = Signal(name=f"fo_clear_{name}_{at}", reset_less=True)
                m.d.sync += clear.eq(self.place[0])
                new = Mux(clear, 0, new)
            with m.If(load):
                m.d.sync += target[bits].eq(new)
