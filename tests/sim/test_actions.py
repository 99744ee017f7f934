# amaranth: UnusedElaboratable=no
"""Cores of random rule sets with the stage behind them: what leaves is what the reference and the model say."""

from __future__ import annotations

from random import Random

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.actions import actions_verilog
from sevenm.compiler.backends.gateware.emit import emit_source, load_source
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.backends.gateware.refuse import NotInGateware
from sevenm.compiler.plan import Plan
from sevenm.hdl.actions.core import ActionCore
from sevenm.hdl.actions.destination import Destinations
from sevenm.hdl.actions.model import ActionModel, Frame
from sevenm.hdl.actions.stage import STAGE_CYCLES
from sevenm.hdl.verdict import BlockShape
from sevenm.manifest import Actions
from sevenm.sim.packets import frames
from sevenm.sim.rule_sets import RuleSets
from sevenm.sim.testbench.action_bench import act
from sevenm.sim.testbench.expected import expected_verdicts
from sevenm.sim.testbench.packets import Packet

QUEUES = Destinations("queues", tuple(256 + port for port in range(16)))


def packets_of(random: Random, count: int) -> list[Packet]:
    return [
        Packet(frame, src=1 << random.randrange(16), dst=random.getrandbits(16), ts=random.getrandbits(64))
        for frame in frames(random.getrandbits(31), count)
    ]


def check(
    plan: Plan, packets: list[Packet], beat_bytes: int, destinations: Destinations, in_band: bool, seed: int
) -> int:
    """How many packets were dropped."""
    shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
    model = ActionModel(shapes, destinations, in_band)
    verdicts = expected_verdicts(plan, packets)
    acted = [model.act(Frame(p.data, p.size, p.src, p.dst, p.ts), v) for p, v in zip(packets, verdicts, strict=True)]
    expected = [frame for frame in acted if frame is not None]
    core = load_source(emit_source(plan, beat_bytes=beat_bytes)).Core()
    stage = ActionCore(core, destinations, in_band)
    random = Random(seed)
    offered, taken = ([random.random() < part for _ in range(20_000)] for part in (0.9, 0.6))
    done = act(stage, packets, len(expected), len(plan.rules), None, lambda c: offered[c], lambda c: taken[c])
    given = [Frame(p.data, p.size, p.src, p.dst, p.ts) for p in (marked.packet for marked in done.given)]
    assert given == expected
    assert done.counts == model.counts
    return len(packets) - len(expected)


@pytest.mark.parametrize(
    ("seed", "beat_bytes", "in_band"), [(1, 64, True), (2, 64, False), (4, 32, True), (5, 8, True)]
)
def test_random_rule_sets(seed: int, beat_bytes: int, in_band: bool, soak: bool) -> None:
    random = Random(seed)
    text = "\n".join(RuleSets(random).block(f"b{n}").text for n in range(3))
    plan = compile_text(f"{text}\nrules last on packet first {{ rule some: frame.len < 70 => drop }}", "random").plan
    destinations = QUEUES if seed % 2 else Destinations()
    assert check(plan, packets_of(random, 400 if soak else 24), beat_bytes, destinations, in_band, seed) > 0


def test_the_first_beat_leaves_three_cycles_after_the_cores() -> None:
    plan = compile_text("rules r on packet first { rule dns: udp.dstport == 53 => forward 3 }", "one").plan
    source = emit_source(plan)
    packets = [Packet(bytes(60), ts=i) for i in range(20)]
    done = act(ActionCore(load_source(source).Core(), Destinations()), packets, 20, 1)
    assert done.accepted == list(range(20))
    assert [m.first_cycle for m in done.given] == [c + source.latency_cycles + STAGE_CYCLES for c in range(20)]


def test_too_many_rules_that_all_count_are_refused_by_name() -> None:
    rules = "\n".join(f"rule p{n}: udp.dstport == {n} => deliver x" for n in range(257))
    plan = compile_text(f"rules many on packet all {{ {rules} }}", "many").plan
    options = CoreOptions(actions=Actions("ports", tuple(range(16)), False))
    with pytest.raises(NotInGateware, match="block many has 257 rules that all count, and 256 of such a block are"):
        actions_verilog(plan, options)
