"""The window assembler: the first bytes of each packet side by side, so that rules can look at them at once.

One idea: a rule needs only the first few beats, so they are collected in registers, zeroed past the packet's end,
and handed on in one cycle, once per packet, as soon as they are complete.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES, SIDEBANDS

BEATS_MAX = 16
"""Beats in the longest window: 1,024 bytes."""


class WindowAssembler(wiring.Component):
    """Collects the first ``beats`` beats of each packet; taps a stream, never holds it up.

    Latency: the window is there in the cycle after the beat that completes it, which is beat ``beats`` or the last
    one, whichever comes first. One beat is taken every cycle, one-beat packets back to back included.

    Members
    -------
    beat : In(1)                           a beat is accepted in this cycle; the four that follow describe it
    data : In(512)
    keep : In(64)
    last : In(1)
    size, src, dst, ts                     sidebands, read on a packet's first beat
    valid : Out(1)                         the rest of the outputs hold a window
    window : Out(8 * window_bytes)         byte i at bits [8 i + 7 : 8 i], zero if the packet has no byte i
    visible : Out(64 * beats + 1)          bit i: the packet has a byte i, so the ones are contiguous from bit 0
    size_out, src_out, dst_out, ts_out     that packet's sidebands
    early : Out(range(max(2, beats)))      beats fewer than ``beats`` that the packet had

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
                "beat": In(1),
                "data": In(512),
                "keep": In(64),
                "last": In(1),
                **{name: In(width) for name, width in SIDEBANDS},
                "valid": Out(1),
                "window": Out(8 * window_bytes),
                "visible": Out(BEAT_BYTES * beats + 1),
                **{f"{name}_out": Out(width) for name, width in SIDEBANDS},
                "early": Out(range(max(2, beats))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beats = self.beats
        # One state for each beat of the window, one for the rest of the packet.
        at = Signal(range(beats + 1))
        kept = Cat(Mux(self.keep[i], self.data[8 * i : 8 * i + 8], Const(0, 8)) for i in range(BEAT_BYTES))
        window = Signal(8 * self.window_bytes, reset_less=True)
        visible = Signal(BEAT_BYTES * beats + 1, reset_less=True)
        m.d.comb += [self.window.eq(window), self.visible.eq(visible)]
        complete = self.beat & (at != beats) & (self.last | (at == beats - 1))
        m.d.sync += self.valid.eq(complete)
        with m.If(self.beat):
            m.d.sync += at.eq(Mux(self.last, 0, Mux(at == beats, at, at + 1)))
            with m.If(at == 0):
                m.d.sync += [getattr(self, f"{name}_out").eq(getattr(self, name)) for name, _ in SIDEBANDS]
                m.d.sync += [window.eq(0), visible.eq(0)]
            for i in range(beats):
                part = window[512 * i : 512 * (i + 1)]
                with m.If(at == i):
                    m.d.sync += visible[BEAT_BYTES * i : BEAT_BYTES * (i + 1)].eq(self.keep)
                    if len(part):
                        m.d.sync += part.eq(kept[: len(part)])
            with m.If(at != beats):
                m.d.sync += [
                    # A packet that goes on past the window has at least one byte more.
                    visible[-1].eq(~self.last),
                    self.early.eq(Const(beats - 1, at.shape()) - at),
                ]
        return m
