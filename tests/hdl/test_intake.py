# amaranth: UnusedElaboratable=no
"""The input of a core: what it takes, when, and what a reset in the middle of a packet does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from sevenm.hdl.intake import Intake
from sevenm.sim.testbench.packets import Beat, Packet, all_beats


@dataclass
class Seen:
    """``taken``: (cycle, number of the beat) at ``s_axis``; ``given``: (cycle, data, first, last) of the registers;
    ``places``: the one-hot place of each beat that was coming; ``ready``: tready in each cycle."""

    taken: list[tuple[int, int]] = field(default_factory=list)
    given: list[tuple[int, int, int, int]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)


def play(beats: list[Beat], room: list[int], resets: set[int], window_beats: int = 2) -> Seen:
    """Offers the beats one after the other; ``room`` is what the store says in each cycle, then 1."""
    dut = Intake(window_beats)
    rst = Signal()
    seen = Seen()

    async def testbench(ctx: Any) -> None:
        at = 0
        for cycle in range(len(beats) + len(room) + 12):
            ctx.set(rst, cycle in resets)
            ctx.set(dut.room, room[cycle] if cycle < len(room) else 1)
            ctx.set(dut.s_axis.tvalid, at < len(beats))
            if at < len(beats):
                ctx.set(dut.s_axis.tdata, beats[at].data)
                ctx.set(dut.s_axis.tlast, beats[at].last)
            seen.ready.append(ctx.get(dut.s_axis.tready))
            if ctx.get(dut.beat):
                seen.given.append((cycle, ctx.get(dut.data), ctx.get(dut.first), ctx.get(dut.last)))
            if ctx.get(dut.coming):
                seen.places.append(ctx.get(dut.place))
            if at < len(beats) and seen.ready[-1]:
                seen.taken.append((cycle, at))
                at += 1
            await ctx.tick()

    simulator = Simulator(ResetInserter(rst)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def beats_of(lengths: list[int]) -> list[Beat]:
    return [beat for _, _, beat in all_beats([Packet(bytes([i + 1]) * n) for i, n in enumerate(lengths)])]


def test_beats_come_out_one_cycle_later_with_their_places() -> None:
    beats = beats_of([60, 300, 64, 65])
    seen = play(beats, [], set())
    assert [n for _, n in seen.taken] == list(range(len(beats)))
    assert [g[0] for g in seen.given] == [cycle + 1 for cycle, _ in seen.taken]
    assert [g[1] for g in seen.given] == [b.data for b in beats]
    assert [g[2] for g in seen.given] == [1, 1, 0, 0, 0, 0, 1, 1, 0]
    assert [g[3] for g in seen.given] == [b.last for b in beats]
    assert seen.places == [1, 1, 2, 4, 4, 4, 1, 1, 2]


def test_tready_is_what_room_was_a_cycle_before() -> None:
    choose = random.Random(1)
    room = [choose.randrange(2) for _ in range(60)]
    seen = play(beats_of([200] * 20), room, set())
    assert seen.ready[0] == 0
    assert seen.ready[1:61] == room


def test_nothing_is_taken_in_reset_and_none_of_it_is_lost_after_it() -> None:
    beats = beats_of([64] * 6)
    seen = play(beats, [], {0, 1, 2, 3, 4})
    assert seen.ready[:7] == [0] * 6 + [1]
    assert [g[1] for g in seen.given] == [b.data for b in beats]


@pytest.mark.parametrize("taken", [1, 2, 3, 4, 5])
def test_the_rest_of_a_packet_that_a_reset_cut_is_forgotten(taken: int) -> None:
    """The reset comes when ``taken`` beats of a packet of 5 were taken; from the next packet on all is given."""
    beats = beats_of([320, 64, 130])
    seen = play(beats, [], {taken, taken + 1, taken + 2})
    assert [n for _, n in seen.taken] == list(range(len(beats)))
    after = [g for g in seen.given if g[0] > taken + 2]
    assert [(g[1], g[2]) for g in after] == [(b.data, first) for b, first in zip(beats[5:], (1, 1, 0, 0), strict=True)]
    assert seen.places[-4:] == [1, 1, 2, 4]


def test_a_reset_between_two_packets_loses_no_beat_of_the_second() -> None:
    beats = beats_of([64, 192])
    room = [1, 0, 0, 0, 0, 0]  # one beat is taken
    seen = play(beats, room, {3, 4})
    assert [g[1] for g in seen.given] == [b.data for b in beats]
