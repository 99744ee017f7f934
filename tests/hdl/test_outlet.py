# amaranth: UnusedElaboratable=no
"""The store's lanes and what they share, against a list: every word once, in order, whatever the other side does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.sim import Simulator

from sevenm.hdl.lane import Lane
from sevenm.hdl.outlet import IN_FLIGHT, Outlet


class Store(Elaboratable):
    """Two lanes, one of beats and one of packets, as they stand in a core."""

    def __init__(self, depth: int) -> None:
        self.outlet = Outlet(depth)
        self.beats = Lane(16, depth)
        self.packets = Lane(16, depth)
        self.ready = Signal()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.outlet, m.submodules.beats, m.submodules.packets = self.outlet, self.beats, self.packets
        m.d.comb += [self.outlet.ready.eq(self.ready), self.beats.step.eq(1)]
        m.d.comb += self.packets.step.eq(self.outlet.ended)
        for lane in (self.beats, self.packets):
            for name in ("available", "held"):
                m.d.comb += getattr(lane, name).eq(getattr(self.outlet, name))
            m.d.comb += lane.ready.eq(self.ready)
        return m


def play(depth: int, lengths: list[int], seed: int, taken: int) -> tuple[list[tuple[int, int]], int]:
    """The (beat, packet) words that were taken at the output, of packets with so many beats, and the most that was in
    the store. A beat may leave some cycles after it was written; beats are written while there is room, and as many as
    may still come after it has fallen."""
    choose = random.Random(seed)
    dut = Store(depth)
    out: list[tuple[int, int]] = []
    most = 0
    beats = [(number, packet) for packet, n in enumerate(lengths) for number in range(n)]

    async def testbench(ctx: Any) -> None:
        nonlocal most
        written = released = cycle = 0
        room = [1] * IN_FLIGHT
        due: list[int] = []
        while len(out) < len(beats):
            assert cycle < 100 * len(beats) + 1000, f"{len(out)} of {len(beats)} beats"
            # What the intake does: tready is a cycle late, and the beat is written a cycle after it was taken.
            room.append(ctx.get(dut.outlet.room))
            write = written < len(beats) and room[-IN_FLIGHT] == 1 and choose.randrange(100) < 90
            number, packet = beats[written] if write else (0, 0)
            ctx.set(dut.outlet.written, write)
            ctx.set(dut.outlet.last, write and number == lengths[packet] - 1)
            ctx.set(dut.beats.w_en, write)
            ctx.set(dut.beats.w_data, written)
            ctx.set(dut.packets.w_en, write and number == 0)
            ctx.set(dut.packets.w_data, packet)
            release = released < len(due) and due[released] <= cycle
            ctx.set(dut.outlet.release, release)
            ctx.set(dut.ready, choose.randrange(100) < taken)
            if ctx.get(dut.outlet.valid) and ctx.get(dut.ready):
                out.append((ctx.get(dut.beats.o), ctx.get(dut.packets.o)))
            if write:
                written += 1
                due.append(cycle + choose.randrange(1, 6))
            released += release
            most = max(most, written - len(out))
            await ctx.tick()
            cycle += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return out, most


@pytest.mark.parametrize("taken", [100, 70, 30, 5])
@pytest.mark.parametrize("depth", [16, 21, 32])
def test_every_beat_leaves_once_with_its_packets_word(depth: int, taken: int) -> None:
    choose = random.Random(depth + taken)
    lengths = [choose.choice((1, 1, 1, 2, 3, 7, 2 * depth)) for _ in range(80)]
    out, most = play(depth, lengths, taken, taken)
    assert out == list(enumerate(packet for packet, n in enumerate(lengths) for _ in range(n)))
    # The store, and what a lane has called for, in ``a``, in ``spare`` and at the output.
    assert most <= depth - 1 + 4
    if taken == 5:
        assert most >= depth - IN_FLIGHT - 1
