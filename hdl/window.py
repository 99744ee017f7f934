"""The window assembler: the first bytes of each packet side by side, so that rules can look at them at once.

One idea: a rule needs only the first few beats, so they are collected in registers, zeroed past the packet's end,
and handed on in one cycle, once per packet, as soon as they are complete.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES

BEATS_MAX = 4
"""Beats in the longest window: 256 bytes."""


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
    size : In(16)                          read on a packet's first beat
    valid : Out(1)                         the rest of the outputs hold a window
    window : Out(8 * window_bytes)         byte i at bits [8 i + 7 : 8 i], zero if the packet has no byte i
    visible : Out(64 * beats + 1)          bit i: the packet has a byte i, so the ones are contiguous from bit 0
    size_out : Out(16)
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
                "size": In(16),
                "valid": Out(1),
                "window": Out(8 * window_bytes),
                "visible": Out(BEAT_BYTES * beats + 1),
                "size_out": Out(16),
                "early": Out(range(max(2, beats))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beats = self.beats
        # One state for each beat of the window, one for the rest of the packet.
        at = Signal(range(beats + 1))
        kept = Cat(Mux(self.keep[i], self.data[8 * i : 8 * i + 8], Const(0, 8)) for i in range(BEAT_BYTES))
        segments = [Signal(8 * BEAT_BYTES, name=f"segment{i}", reset_less=True) for i in range(beats)]
        shown = [Signal(BEAT_BYTES, name=f"shown{i}", reset_less=True) for i in range(beats)]
        beyond = Signal(reset_less=True)
        m.d.comb += [
            self.window.eq(Cat(segments)),
            self.visible.eq(Cat(shown, beyond)),
        ]
        complete = self.beat & (at != beats) & (self.last | (at == beats - 1))
        m.d.sync += self.valid.eq(complete)
        with m.If(self.beat):
            m.d.sync += at.eq(Mux(self.last, 0, Mux(at == beats, at, at + 1)))
            with m.If(at == 0):
                m.d.sync += self.size_out.eq(self.size)
                for segment, show in zip(segments[1:], shown[1:], strict=True):
                    m.d.sync += [segment.eq(0), show.eq(0)]
            for i in range(beats):
                with m.If(at == i):
                    m.d.sync += [segments[i].eq(kept), shown[i].eq(self.keep)]
            with m.If(at != beats):
                m.d.sync += [
                    # A packet that goes on past the window has at least one byte more.
                    beyond.eq(~self.last),
                    self.early.eq(Const(beats - 1, unsigned(2)) - at),
                ]
        return m
