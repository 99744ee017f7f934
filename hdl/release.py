"""When each beat may leave: the same number of cycles after it came, whatever the packet's length.

One idea: the decision's delay is a shift register of one bit. A packet's beats inside of the window are let into it one
after the other when the window is complete, as far back as they would be had they come without gaps, and each later
beat when it comes. Two beats never meet in a cycle, because they came in different ones.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Release(wiring.Component):
    """``release`` is 1 for one cycle a beat, in order: for the first beat of a packet that came without gaps
    ``beats + delay`` cycles after it was ``coming``. ``delay`` is at least 1 if there are several beats.

    Members
    -------
    coming, place, completes     of the beat that is taken now (see Intake)
    release : Out(1)             the oldest beat that waits may leave
    """

    def __init__(self, beats: int, delay: int) -> None:
        if delay < min(beats - 1, 1):
            raise ValueError(f"delay must be at least {min(beats - 1, 1)} for {beats} beats, not {delay}")
        self.beats = beats
        self.delay = delay
        super().__init__({"coming": In(1), "place": In(beats + 1), "completes": In(1), "release": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        beats = self.beats
        later = self.coming & self.place[beats]
        release = Signal(name="release0")
        if beats == 1:
            m.d.sync += release.eq(self.completes | later)
        else:
            # Of a packet of k beats the first comes out `beats - k` cycles later than that of a longer one, for which
            # the window took so much longer to be complete.
            bits = [self.completes & self.place[beats - 1 - i : beats].any() for i in range(beats)]
            bits[-1] = self.completes | later
            train = Signal(beats)
            waiting = Signal(beats)
            m.d.sync += [train.eq(Cat(bits)), waiting.eq((waiting >> 1) | train)]
            m.d.comb += release.eq(waiting[0])
        for cycle in range(self.delay if beats == 1 else self.delay - 1):
            after = Signal(name=f"release{cycle + 1}")
            m.d.sync += after.eq(release)
            release = after
        m.d.comb += self.release.eq(release)
        return m
