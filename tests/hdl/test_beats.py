# amaranth: UnusedElaboratable=no
"""The memory of the last beats against plain Python."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from sevenm.hdl.beats import BeatMemory


@pytest.mark.parametrize(
    ("depth", "beat_bytes", "groups"),
    [(16, 64, [[0, 1], [2, 63], [7]]), (2, 8, [list(range(8))]), (64, 16, [[15], [3]])],
)
def test_each_group_of_lanes_reads_its_own_row(depth: int, beat_bytes: int, groups: list[list[int]]) -> None:
    dut = BeatMemory(depth, beat_bytes, groups)
    choose = random.Random(depth)
    rows: dict[int, bytes] = {}

    async def testbench(ctx: Any) -> None:
        for _ in range(400):
            at = {number: choose.choice(sorted(rows) or [0]) for number in range(len(groups))}
            for number, row in at.items():
                ctx.set(getattr(dut, f"row{number}"), row)
            row, data, written = choose.randrange(depth), choose.randbytes(beat_bytes), choose.random() < 0.7
            ctx.set(dut.w_en, written)
            ctx.set(dut.w_row, row)
            ctx.set(dut.w_data, int.from_bytes(data, "little"))
            lanes = {lane: rows.get(at[n], bytes(beat_bytes))[lane] for n, group in enumerate(groups) for lane in group}
            wanted = bytes(lanes.get(lane, 0) for lane in range(beat_bytes))
            assert ctx.get(dut.data) == int.from_bytes(wanted, "little")
            await ctx.tick()
            if written:
                rows[row] = data

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize(
    ("depth", "groups", "message"),
    [
        (12, [[0]], "depth must be a power of two, at least 2, not 12"),
        (16, [[0, 1], [1]], r"each of 8 lanes can be in one group, and no other: not \[0, 1, 1\]"),
        (16, [[8]], r"each of 8 lanes can be in one group, and no other: not \[8\]"),
    ],
)
def test_what_cannot_be_is_refused(depth: int, groups: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        BeatMemory(depth, 8, groups)
