# amaranth: UnusedElaboratable=no
"""The delay line against a list."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from sevenm.hdl.delay import DelayLine


@pytest.mark.parametrize("width", [1, 100, 512, 1300])
@pytest.mark.parametrize("cycles", [2, 3, 8])
def test_every_value_comes_out_after_so_many_cycles(cycles: int, width: int) -> None:
    choose = random.Random(cycles)
    dut = DelayLine(width, cycles)
    sent = [choose.getrandbits(width) for _ in range(50)]
    seen: list[int] = []

    async def testbench(ctx: Any) -> None:
        for value in sent:
            ctx.set(dut.i, value)
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == [0] * cycles + sent[:-cycles]


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^cycles must be at least 2, not 1$"):
        DelayLine(8, 1)
    with pytest.raises(ValueError, match=r"^width must be positive, not 0$"):
        DelayLine(0, 4)
