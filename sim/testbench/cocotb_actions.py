"""The cocotb test of a core with the stage behind it. It runs inside a simulator, started by ``simulators.run_bench``.

The environment says what to run: SEVENM_PLAN, SEVENM_PACKETS and SEVENM_SEED as in ``cocotb_core``, SEVENM_ACTIONS
what the stage was asked to do, as JSON of ``sevenm.manifest.Actions``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from sevenm.compiler.plan import Plan
from sevenm.hdl.actions.counters import READ_CYCLES
from sevenm.hdl.actions.destination import Destinations
from sevenm.hdl.actions.model import ActionModel, Frame
from sevenm.hdl.verdict import BlockShape

from .cocotb_axis import PacketSink, PacketSource, run
from .cocotb_core import percent, random_packets
from .expected import expected_verdicts

QUIET_CYCLES = 400
"""Cycles after which everything that was taken is counted: more than a core's latency and the rules of a block."""

SO_FAR: Counter[int] = Counter()
"""Packets by rule in all tests of this run."""


async def read(dut: Any, rules: int) -> list[int]:
    """The count of each rule, which goes on through resets."""
    counts = []
    for rule in range(rules):
        dut.counter_rule.value = rule
        for _ in range(READ_CYCLES):
            await FallingEdge(dut.clk)
        counts.append(int(dut.counter_packets.value))
    return counts


@cocotb.test()
@cocotb.parametrize(offered=[100, 50], taken=[100, 30])
async def packets_leave_and_are_counted_as_the_plan_says(dut: Any, offered: int, taken: int) -> None:
    plan = Plan.load(Path(os.environ["SEVENM_PLAN"]))
    asked = json.loads(os.environ["SEVENM_ACTIONS"])
    shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
    model = ActionModel(shapes, Destinations(asked["destinations"], asked["numbers"]), asked["in_band"])
    random = Random(int(os.environ["SEVENM_SEED"]) + offered + taken)
    packets = random_packets(random, int(os.environ["SEVENM_PACKETS"]) // 4)
    expected = [
        frame
        for p, verdict in zip(packets, expected_verdicts(plan, packets), strict=True)
        if (frame := model.act(Frame(p.data, p.size, p.src, p.dst, p.ts), verdict)) is not None
    ]
    source = PacketSource(dut, packets, percent(random, offered))
    sink = PacketSink(dut, percent(random, taken), marked=False)
    dut.counter_rule.value = 0
    cycles_max = 40 * sum(1 + len(p.data) // source.port.beat_bytes for p in packets) + 1000
    cycle = await run(dut, source, sink, len(expected), cycles_max)
    # Packets that are dropped may come after the last one that leaves.
    for later in range(cycle, cycle + cycles_max):
        source.drive(later)
        sink.drive(later)
        await ReadOnly()
        source.sample(later)
        sink.sample(later)
        await FallingEdge(dut.clk)
        if source.is_done:
            break
    for _ in range(QUIET_CYCLES):
        await FallingEdge(dut.clk)
    assert source.is_done, "not every packet was taken"
    given = [Frame(p.data, p.size, p.src, p.dst, p.ts) for p in (marked.packet for marked in sink.marked)]
    assert given == expected, "a packet was changed, lost, kept or moved"
    SO_FAR.update(dict(enumerate(model.counts)))
    assert await read(dut, len(model.counts)) == [SO_FAR[rule] for rule in range(len(model.counts))]
