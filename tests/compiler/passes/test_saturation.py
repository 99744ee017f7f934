"""Captured bytes in 16 bits: where the analysis says that a saturated count is enough, it is, event by event."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.passes import saturation
from sevenm.compiler.passes.saturation import NARROW, captured_most
from sevenm.compiler.plan import Plan, prune
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.program import Block, Rule
from sevenm.compiler.reference import evaluate
from sevenm.sim.rule_sets import RuleSets


def plan_of(g: Graph, *conditions: int) -> Plan:
    nodes, new = prune(g.nodes, [*conditions, g.false])
    rules = tuple(Rule(f"r{at}", 0, new[c]) for at, c in enumerate(conditions))
    never = new[g.false]
    return Plan("t", "packet", nodes, rules, (Block("b", "all", 0, len(rules)),), never, never, never)


def counted_to(plan: Plan, most: int) -> Plan:
    """The same Plan over a count that stops at ``most``."""
    g, new = Graph(), list[int]()
    for node in plan.nodes:
        args = [new[a] for a in node.args]
        new.append(
            g.captured(min(node.attrs[0], most)) if node.op == "captured" else REBUILD[node.op](g, args, node.attrs)
        )
    nodes, at = prune(g.nodes, [new[r] for r in plan.roots])
    rules = tuple(replace(rule, when=at[new[rule.when]]) for rule in plan.rules)
    flags = {name: at[new[getattr(plan, name)]] for name in ("malformed", "truncated", "punt")}
    return replace(plan, nodes=nodes, rules=rules, **flags)


def differences(plan: Plan, most: int) -> int:
    """Events around the bound on which the count's end shows."""
    rng = np.random.default_rng(3)
    lengths = np.concatenate([np.arange(most - 40, most + 400), rng.integers(0, 2 * most, 100), [CAPTURE_MAX]])
    buffer = rng.choice(np.array([0, 0, 6, 8, 17, 69, 96, 221, 255], np.uint8), CAPTURE_MAX + 1)
    buffer[12:16] = [8, 0, 0x45, 0]
    sizes = np.maximum(lengths, 60).astype(np.uint32)
    zeros = np.zeros(len(lengths), np.uint64)
    one, other = (evaluate(p, buffer, zeros, lengths.astype(np.uint32), sizes) for p in (plan, counted_to(plan, most)))
    return int(
        (one.fired != other.fired).any(axis=0).sum()
        + (one.malformed != other.malformed).sum()
        + (one.truncated != other.truncated).sum()
    )


def test_everything_that_a_packet_rule_usually_asks_fits_in_16_bits() -> None:
    for text in ("udp", "tcp.port == 443", "ip.addr == 10.0.0.0/8", "tcp.payload[0:2] == 0x1603", "frame[300:4] == 1"):
        assert captured_most(compile_filter(text).plan) == NARROW, text


@pytest.mark.parametrize("text", ["frame[65532:4] == 1", "frame[70000:4] == 1", "udp.payload[65500:2] == 1"])
def test_what_lies_past_16_bits_is_counted_in_32(text: str) -> None:
    assert captured_most(compile_filter(text).plan) == CAPTURE_MAX


def test_where_16_bits_are_said_to_be_enough_they_are() -> None:
    narrow = 0
    for seed in range(8):
        text = "\n".join(RuleSets(random.Random(seed)).block(f"b{n}").text for n in range(3))
        plan = compile_text(text, f"seed{seed}").plan
        if captured_most(plan) == NARROW:
            narrow += 1
            assert differences(plan, NARROW) == 0
    assert narrow >= 4


def cases() -> dict[str, tuple[bool, Plan]]:
    """Name: whether 16 bits are enough, and the Plan."""
    g = Graph()
    captured, far = g.captured(), g.load(g.false, 0, 3)
    near = g.load(g.false, 0, 2)
    smaller = g.mux(g.lt(captured, far), captured, far)
    larger = g.mux(g.lt(captured, far), far, captured)
    conditions = {
        "compared below": (True, g.lt(captured, g.const(NARROW))),
        "compared at the bound": (True, g.lt(captured, near)),
        "compared above": (False, g.lt(captured, g.const(NARROW + 1))),
        "equal to the bound": (False, g.eq(captured, g.const(NARROW))),
        "equal below": (True, g.eq(captured, g.const(NARROW - 1))),
        "member below": (True, g.member(captured, [(3, 9), (60000, NARROW - 1)])),
        "member at the bound": (False, g.member(captured, [(3, 9), (60000, NARROW)])),
        "the smaller of two": (True, g.lt(smaller, g.const(60000))),
        "the smaller of two, told apart": (False, g.lt(smaller, g.const(NARROW + 9))),
        "the larger of two": (True, g.lt(larger, g.const(60000))),
        "whichever": (False, g.lt(g.mux(g.lt(captured, far), g.const(3), g.const(5)), g.const(4))),
        "a difference": (True, g.lt(g.sub(captured, g.bits(near, 0, 8)), g.const(60000))),
        "a difference the other way": (False, g.lt(g.sub(near, captured), g.const(-1000))),
        "low bits": (False, g.eq(g.bits(captured, 0, 1), g.true)),
        "a sum": (True, g.lt(g.add(captured, near), g.const(NARROW))),
        "a quotient": (True, g.lt(g.div(captured, 8), g.const(8000))),
        "a base": (False, g.eq(g.load(g.bits(captured, 0, 10), 0, 1), g.const(8))),
        "a load far behind a base": (False, g.eq(g.load(near, 1, 1), g.const(8))),
    }
    return {name: (enough, plan_of(g, condition)) for name, (enough, condition) in conditions.items()}


@pytest.mark.parametrize("name", cases())
def test_each_operation_knows_when_the_end_of_the_count_shows(name: str) -> None:
    enough, plan = cases()[name]
    assert (captured_most(plan) == NARROW) == enough
    if enough:
        assert differences(plan, NARROW) == 0


def test_a_wrong_floor_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of both counts is able to fail."""
    _, plan = cases()["compared above"]
    assert differences(plan, NARROW) > 0
    monkeypatch.setitem(saturation._CASES, "lt", lambda nodes, floors, ref: saturation.RIGHT)
    assert captured_most(plan) == NARROW
