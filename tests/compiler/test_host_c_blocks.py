"""What fires: blocks of the generated C, its ports, cuts and room, against the reference on whole rule sets."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_filter, compile_text, reference
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.backends.c.resolve import SEGMENT, fired_max
from sevenm.compiler.passes.cost import AUTO
from sevenm.compiler.plan import Action, Plan, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.program import Block, Rule
from sevenm.host.batch import EventBatch
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.decisions import Decisions
from sevenm.sim.packets import batch as generated
from sevenm.sim.plan_contents import contents_of
from sevenm.sim.rule_sets import RuleSets

pytestmark = pytest.mark.needs("compiler")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def decided(plan: Plan, batch: EventBatch, classifier: str = AUTO) -> tuple[Decisions, reference.Decisions]:
    """The engine's answer and the reference's, which are the same."""
    engine = load_engine(emit(plan, classifier).encode(), plan.structure, len(plan.rules))
    try:
        got = engine.run(batch, plan.rules, contents_of(plan, engine).context)
    finally:
        engine.close()
    e = batch.events
    want = reference.evaluate(
        plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"], port=batch.source
    )
    assert (got.punt == want.punt).all()
    for part in ("malformed", "truncated", "drop", "forward", "channels"):
        assert (getattr(got, part) == getattr(want, part))[~want.punt].all(), part
    assert (got.fired == want.fired)[:, ~want.punt].all()
    assert not got.fired[:, want.punt].any(), "nothing is said of an event that is punted"
    return got, want


@pytest.fixture(scope="module")
def frames() -> EventBatch:
    return generated(11, 700)


def test_generated_rule_sets_match_the_reference(frames: EventBatch) -> None:
    text = "\n".join(RuleSets(random.Random(seed)).block(f"b{seed}").text for seed in range(12))
    got, _ = decided(compile_text(text, "several").plan, frames)
    assert got.fired.any(axis=1).sum() > 10


def test_the_example_matches_the_reference(frames: EventBatch) -> None:
    decided(compile_text((EXAMPLES / "edge.7m").read_text(), "edge").plan, frames)


def bytes_plan(whens: dict[str, list[int]], default: bool = False) -> Plan:
    """Blocks whose rules ask for values of byte 0; then, in each, a default rule."""
    g, rules, blocks = Graph(), list[Rule](), list[Block]()
    byte = g.load(g.false, 0, 1)
    for number, (name, values) in enumerate(whens.items()):
        start = len(rules)
        rules += [Rule(f"{name}{v}", number, g.le(g.const(v), byte)) for v in values]
        rules += [Rule("rest", number, g.true, default=True)] * default
        blocks.append(Block(name, "first" if name.startswith("first") else "all", start, len(rules)))
    nodes, new = prune(g.nodes, [*(r.when for r in rules), g.false])
    kept = tuple(Rule(r.name, r.block, new[r.when], r.actions, r.default) for r in rules)
    never = new[g.false]
    return Plan("bytes", "packet", nodes, kept, tuple(blocks), never, never, never)


@pytest.mark.parametrize("default", [False, True])
def test_first_all_and_default_resolve_as_the_reference_says(default: bool) -> None:
    plan = bytes_plan({"first": [200, 100, 100, 50], "all": [10, 250, 128, 128], "first2": [255]}, default)
    events = EventBatch.from_bytes([bytes([i % 256]) for i in range(300)] + [b""])
    got, want = decided(plan, events)
    assert got.fired.sum(axis=1).tolist() == want.fired.sum(axis=1).tolist()
    assert (got.fired[:4].sum(axis=0) <= 1).all()


def test_a_long_first_block_stops_where_every_event_was_taken() -> None:
    """Chunks that the first rule, a rule in the middle, the last rule and none of them take whole."""
    values = [254 - i for i in range(5 * SEGMENT // 2)]
    plan = bytes_plan({"first": [255, *values]})
    text = emit(plan, "comparators")
    assert text.count("u64 taken_") == 2 and text.count("if (~taken_0)") == 1
    events = []
    for value in (255, 254, 254 - SEGMENT, values[-1], values[-1] - 1, 0):
        events += [bytes([value])] * 64 + [bytes([value]), bytes([value - 1 & 255])] * 32
    decided(plan, EventBatch.from_bytes(events), "comparators")


def test_what_an_engine_writes_does_not_grow_with_its_rules() -> None:
    events = EventBatch.from_bytes([bytes([i % 64]) for i in range(64)])
    for count in (1, 64, 180):
        plan = bytes_plan({"first": [255 - i for i in range(count)]})
        assert fired_max(plan) == min(count, 64)
        got, _ = decided(plan, events)
        assert int(got.chunks["fired"].sum()) == 0


def test_ports_that_the_event_names_are_added_up() -> None:
    g = Graph()
    byte = g.load(g.false, 0, 1)
    low, high = g.bits(byte, 0, 4), g.bits(byte, 4, 4)
    whens = [g.lt(byte, g.const(200)), g.eq(g.bits(byte, 1, 1), g.true), g.lt(byte, g.const(50))]
    actions = [
        (Action("forward", operand=low), Action("forward", operand=g.const(7))),
        (Action("forward", 3), Action("forward", operand=g.port())),
        (Action("forward", operand=high), Action("drop")),
    ]
    roots = [*whens, low, high, g.const(7), g.port(), g.false]
    nodes, new = prune(g.nodes, roots)
    rules = tuple(
        Rule(
            f"r{at}", 0, new[when],
            tuple(Action(a.kind, a.target, None if a.operand is None else new[a.operand]) for a in actions[at]),
        )
        for at, when in enumerate(whens)
    )  # fmt: skip
    never = new[g.false]
    plan = Plan("ports", "packet", nodes, rules, (Block("b", "all", 0, 3),), never, never, never)
    batch = EventBatch.from_bytes([bytes([i % 256]) for i in range(500)])
    got, want = decided(plan, batch)
    assert len(set(want.forward.tolist())) > 16
    assert got.ports is not None and got.ports.any()


def test_a_punted_event_is_nobodys() -> None:
    plan = bytes_plan({"first": [100], "all": [100, 5]}, True)
    g_byte = next(ref for ref, node in enumerate(plan.nodes) if node.op == "lt")
    punting = Plan(**{**{f: getattr(plan, f) for f in plan.__dataclass_fields__}, "punt": g_byte})
    got, _ = decided(punting, EventBatch.from_bytes([bytes([i]) for i in range(256)]))
    assert got.punt.any() and not got.punt.all()


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("frame[300:4] == 1", [0]),
        ("frame[70000:4] == 0x46464646", [1]),
        ("udp.payload[300:2] == 0x4444", [2]),
        ("frame.len == 65535", [1]),
        ("tcp.dstport == 443", [3]),
    ],
)
def test_what_lies_far_inside_of_an_event_is_seen(text: str, hits: list[int]) -> None:
    """Jumbo frames, and a port behind IPv6 extension headers of more than 256 bytes."""
    deep = bytearray(400)
    deep[303] = 1
    payload = b"\x44" * 400
    udp = bytes(4) + (8 + len(payload)).to_bytes(2, "big") + bytes(2) + payload
    ip4 = bytes([0x45, 0]) + (20 + len(udp)).to_bytes(2, "big") + bytes(5) + b"\x11" + bytes(10)
    walked = b"\x00\x20" + bytes(262) + b"\x06\x20" + bytes(262)
    tcp = b"\x00\x01\x01\xbb" + bytes(8) + b"\x50\x10" + bytes(6)
    ip6 = b"\x60\x00\x00\x00" + (len(walked) + len(tcp)).to_bytes(2, "big") + b"\x00\x40" + bytes(32)
    frames = [
        bytes(deep),
        bytes(14) + b"\x46" * 80000,
        bytes(12) + b"\x08\x00" + ip4 + udp,
        bytes(12) + b"\x86\xdd" + ip6 + walked + tcp,
        bytes(301),
        b"",
    ]
    got, want = decided(compile_filter(text).plan, EventBatch.from_bytes(frames * 11))
    assert np.flatnonzero(want.fired[0][:6]).tolist() == hits
    assert (got.fired == want.fired).all()
