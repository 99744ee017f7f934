"""The window: what the rules look at of each packet, and how much of it came in.

One idea: only bytes at a constant place are kept side by side, in registers that are loaded as their beat comes; what
lies elsewhere is found in the beats themselves (``hdl/beats.py``). When the last beat that counts is there, all is
handed on in one cycle, once a packet. Each group of ``GROUP`` bits has the strobe that loads it in a register of its
own.

A packet that is shorter leaves in the window what an earlier one had there: who reads it asks first what came in.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axis import BEAT_BYTES, SIDEBANDS, sideband_layout

WINDOW_MAX = 1024
"""Bytes that a core looks at, at most."""
GROUP = 64
"""Bits that one copy of a strobe loads."""


def window_cycles(beats: int) -> int:
    """Cycles from the one in which a beat is in the intake's registers until the window that it completes is there. A
    window of one beat is what the intake's registers hold."""
    return 0 if beats == 1 else 1


def place_width(beats: int) -> int:
    """Bits of the number of a packet's last beat: 0 to ``beats``."""
    return beats.bit_length()


class WindowAssembler(wiring.Component):
    """Looks at the first ``beats`` beats of each packet; taps what an ``Intake`` gives, never holds it up.

    Latency: the window is there ``window_cycles`` after the beat that completes it is in the intake's registers. One
    beat is taken every cycle, packets of one beat back to back included.

    Members
    -------
    coming, place, ends, completes         of the beat that is in ``data`` and the rest one cycle later (see Intake)
    data : In(8 * beat_bytes), keep : In(beat_bytes)
    sidebands : In(sideband_layout())      read on a packet's first beat
    valid : Out(1)                         the rest of the outputs hold a window
    window : Out(8 * window_bytes)         byte i at bits [8 i + 7 : 8 i], if the packet has a byte i
    last_keep : Out(beat_bytes)            tkeep of the last beat that counts
    last_place : Out(place_width(beats))   its number in the packet, from 0; ``beats`` if the packet goes on after it
    size_out, src_out, dst_out, ts_out     that packet's sidebands

    and with ``rows``, a power of two, for a memory of the last beats that count:

    stored : Out(1)                        the beat in ``data`` is one of the first ``beats`` of its packet
    row : Out(log2(rows))                  its number among those, modulo rows
    origin : Out(log2(rows))               that of the first beat of the packet whose window is there

    ``window_bytes`` is how much of the window is kept, at most beat_bytes * beats.
    """

    def __init__(self, beats: int, window_bytes: int, beat_bytes: int = BEAT_BYTES, rows: int = 0) -> None:
        most = WINDOW_MAX // beat_bytes
        if not 1 <= beats <= most:
            raise ValueError(f"beats must be 1 to {most}, not {beats}")
        if not 1 <= window_bytes <= beat_bytes * beats:
            raise ValueError(f"window_bytes must be 1 to {beat_bytes * beats} for {beats} beats, not {window_bytes}")
        self.beats = beats
        self.beat_bytes = beat_bytes
        self.window_bytes = window_bytes
        self.rows = rows
        row = (rows - 1).bit_length()
        super().__init__(
            {
                "coming": In(1),
                "place": In(beats + 1),
                "ends": In(1),
                "completes": In(1),
                "data": In(8 * beat_bytes),
                "keep": In(beat_bytes),
                "sidebands": In(sideband_layout()),
                "valid": Out(1),
                "window": Out(8 * window_bytes),
                "last_keep": Out(beat_bytes),
                "last_place": Out(place_width(beats)),
                **{f"{name}_out": Out(width) for name, width in SIDEBANDS},
                **({"stored": Out(1), "row": Out(row), "origin": Out(row)} if rows else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        complete = Signal()
        # A packet that goes on past the window has at least one byte more.
        number = Signal(place_width(self.beats), reset_less=True)
        m.d.sync += complete.eq(self.completes)
        for i in range(self.beats):
            with m.If(self.coming & self.place[i]):
                m.d.sync += number.eq(Mux(self.ends, i, self.beats) if i == self.beats - 1 else i)
        if self.beats == 1:
            sidebands = self.sidebands
            m.d.comb += [
                self.valid.eq(complete),
                self.window.eq(self.data[: 8 * self.window_bytes]),
                self.last_keep.eq(self.keep),
                self.last_place.eq(number),
            ]
        else:
            sidebands = Signal(sideband_layout(), reset_less=True)
            window = Signal(8 * self.window_bytes, reset_less=True)
            keep = Signal(self.beat_bytes, reset_less=True)
            place = Signal.like(number)
            m.d.sync += [self.valid.eq(complete), keep.eq(self.keep), place.eq(number)]
            m.d.comb += [self.window.eq(window), self.last_keep.eq(keep), self.last_place.eq(place)]
            for i in range(-(-self.window_bytes // self.beat_bytes)):
                part = window[8 * self.beat_bytes * i : 8 * self.beat_bytes * (i + 1)]
                self._load(m, f"window{i}", i, part, self.data)
            self._load(m, "sidebands", 0, sidebands.as_value(), self.sidebands.as_value())
        m.d.comb += [getattr(self, f"{name}_out").eq(sidebands[name]) for name, _ in SIDEBANDS]
        if self.rows:
            self._number(m)
        return m

    def _number(self, m: Module) -> None:
        """Numbers the beats that count; ``origin`` is as late as the window."""
        stored, first = Signal(), Signal()
        row, origin = Signal(range(self.rows)), Signal(range(self.rows), reset_less=True)
        m.d.sync += [stored.eq(self.coming & ~self.place[-1]), first.eq(self.coming & self.place[0])]
        with m.If(stored):
            m.d.sync += row.eq(row + 1)
        with m.If(first):
            m.d.sync += origin.eq(row)
        m.d.comb += [self.stored.eq(stored), self.row.eq(row), self.origin.eq(origin)]

    def _load(self, m: Module, name: str, part: int, target: Any, value: Any) -> None:
        """Loads the beat of number ``part``."""
        for at in range(0, len(target), GROUP):
            bits = slice(at, min(at + GROUP, len(target)))
            load = Signal(name=f"fo_load_{name}_{at}")
            m.d.sync += load.eq(self.coming & self.place[part])
            with m.If(load):
                m.d.sync += target[bits].eq(value[bits])
