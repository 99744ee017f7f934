# amaranth: UnusedElaboratable=no
"""Counts in memories: nothing is lost where additions follow each other without a gap."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from sevenm.hdl.actions.counters import COUNT_BITS, CountMemory, RuleCounters, TooManyCounted
from sevenm.hdl.verdict import BlockShape


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_additions_to_the_same_place_in_any_distance(depth: int) -> None:
    random = Random(depth)
    memory = CountMemory(depth, 3)
    expected = [0] * depth
    found: list[int] = []

    async def testbench(ctx: Any) -> None:
        for _ in range(400):
            add, address, amount = random.random() < 0.7, random.randrange(depth), random.randrange(8)
            for name, value in (("add", add), ("address", address), ("amount", amount)):
                ctx.set(getattr(memory, name), value)
            expected[address] += amount * add
            await ctx.tick()
        ctx.set(memory.add, 0)
        await ctx.tick().repeat(4)
        for address in range(depth):
            ctx.set(memory.read_address, address)
            await ctx.tick()
            found.append(ctx.get(memory.count))

    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert found == expected


def test_a_count_goes_on_from_0() -> None:
    memory = CountMemory(2, COUNT_BITS)
    found: list[int] = []

    async def testbench(ctx: Any) -> None:
        ctx.set(memory.add, 1)
        ctx.set(memory.amount, (1 << COUNT_BITS) - 1)
        await ctx.tick()
        ctx.set(memory.amount, 3)
        await ctx.tick()
        ctx.set(memory.add, 0)
        await ctx.tick().repeat(5)
        found.append(ctx.get(memory.count))

    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert found == [2]


def test_a_block_with_too_many_rules_is_named() -> None:
    with pytest.raises(TooManyCounted, match="block big has 257 rules that all count, and 256 of such a block"):
        RuleCounters([BlockShape("big", "all", 257)])
