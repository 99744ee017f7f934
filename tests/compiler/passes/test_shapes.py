"""What a shape's graph says of events that pass its test is what the original says; and the test is needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.backends.c.emit import explained_shape
from sevenm.compiler.passes.comparisons import ComparingGraph
from sevenm.compiler.passes.shapes import FRAME_MIN, Shape, needed, record_shape, shape_of, shape_text
from sevenm.compiler.passes.visibility import explicit_visibility
from sevenm.compiler.plan import Block, Plan, Rule, prune
from sevenm.compiler.plan.graph import Graph, rebuild
from sevenm.compiler.plan.ops import Node
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from tests.compiler.generated_c import boundary_events, random_graph

FILTERS = {
    "udp": (12, 0),
    "tcp.port == 443": (14, 2),
    "ip.addr == 10.0.0.0/8 and udp.port in {1000..2000}": (16, 2),
    "ipv6.dst in {2000::/3, fe80::/10}": (2, 0),
}
"""Loads at variable places, before and after."""
RULES = """
rules r on packet all {
  rule bad: parse.malformed => count n
  rule cut: parse.truncated => count n
  rule web: tcp.dstport in {80, 443} and ip.ttl < 64 => deliver a
  rule name: udp.port == 53 and udp.length > 12 => deliver a
  rule tag: vlan.id in 1..100 => deliver a
  rule six: ipv6.hlim == 255 or ipv6.dst in {2001:db8::/32} => deliver a
  rule frag: ip.frag_offset > 0 or icmp or arp => deliver a
  rule text: tcp.payload[0:2] == 0x1603 => deliver a
}
"""


@pytest.fixture(scope="module")
def frames() -> EventBatch:
    return generated(3, 4000)


def shape(plan: Plan, inserted: int = 0) -> Shape:
    explicit = explicit_visibility(plan)
    found = shape_of(explicit, [explicit.node[root] for root in plan.roots], inserted)
    assert found is not None
    return found


def values(nodes: Sequence[Node], conditions: Sequence[int], events: EventBatch) -> NDArray[np.bool_]:
    """(conditions, n), by the reference."""
    asked = [*conditions, 0]
    kept, new = prune(nodes, asked)
    rules = tuple(Rule(f"r{at}", 0, new[c]) for at, c in enumerate(conditions))
    blocks = (Block("b", "all", 0, len(rules)),)
    plan = Plan("t", "packet", kept, rules, blocks, new[0], new[0], new[0])
    table = events.events
    return evaluate(plan, events.buffer, table["offset"], table["cap_len"], table["wire_len"]).fired


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_finds_its_fields_at_fixed_places(text: str) -> None:
    found = shape(compile_filter(text).plan)
    assert (found.moving, found.moved) == FILTERS[text]
    assert found.least <= FRAME_MIN


def test_where_all_places_are_fixed_there_is_no_shape() -> None:
    for text in ("frame.len > 100", "eth.type == 0x806", "frame[0:4] == 7"):
        plan = compile_filter(text).plan
        explicit = explicit_visibility(plan)
        assert shape_of(explicit, [explicit.node[root] for root in plan.roots]) is None


def compare(found: Shape, plan: Plan, events: EventBatch, has: NDArray[np.bool_]) -> int:
    """Differences between the two graphs over the events that are said to have the shape."""
    before = values(plan.nodes, plan.conditions, events)
    after = values(found.explicit.graph.nodes, [found.explicit.node[c] for c in plan.conditions], events)
    return int((before != after)[:, has].sum())


def having(found: Shape, events: EventBatch) -> NDArray[np.bool_]:
    test = values(found.explicit.graph.nodes, [found.test], events)[0]
    return np.asarray(test & (events.events["cap_len"] >= found.least))


@pytest.mark.parametrize("inserted", [0, 1])
@pytest.mark.parametrize("text", [*FILTERS, RULES])
def test_both_graphs_say_the_same_where_the_test_holds(text: str, inserted: int, frames: EventBatch) -> None:
    plan = (compile_text(text, "t") if "rules" in text else compile_filter(text)).plan
    found = shape(plan, inserted)
    has = having(found, frames)
    assert has.sum() > 500 and (~has).sum() > 500
    assert compare(found, plan, frames, has) == 0


@pytest.mark.parametrize("text", FILTERS)
def test_with_a_tag_the_fields_are_at_fixed_places_too(text: str, frames: EventBatch) -> None:
    plan = compile_filter(text).plan
    found, without = shape(plan, 1), shape(plan)
    assert (found.moving, found.moved) == FILTERS[text]
    assert without.least <= found.least <= without.least + 4
    assert not (having(found, frames) & having(without, frames)).any()
    assert shape_text(found).splitlines()[1:3] == [
        "  bytes 12 to 13 in {0x8100, 0x88a8, 0x9100}",
        "  not: bytes 16 to 17 in {0x8100, 0x88a8, 0x9100}",
    ]


@pytest.mark.parametrize("inserted", [0, 1])
def test_each_part_of_the_test_is_needed(inserted: int, frames: EventBatch) -> None:
    plan = compile_text(RULES, "t").plan
    found = shape(plan, inserted)
    long_enough = np.asarray(frames.events["cap_len"] >= found.least)
    parts = values(found.explicit.graph.nodes, found.assumptions, frames)
    assert len(parts) >= 2
    for part in range(len(parts)):
        others = long_enough & np.delete(parts, part, axis=0).all(axis=0)
        assert compare(found, plan, frames, others) > 0
    assert compare(found, plan, frames, np.asarray(parts.all(axis=0))) > 0, "so is the length"


def test_what_is_assumed_of_a_leaf_lies_inside_of_it() -> None:
    g = Graph()
    with pytest.raises(ValueError, match=r"^captured of 0 to 262144 cannot be assumed to be 10 to 300000$"):
        g.assume(g.captured(), 10, 300000)
    with pytest.raises(ValueError, match="cannot be assumed"):
        g.assume(g.add(g.captured(), g.size()), 1, 2)


@pytest.mark.parametrize("text", [*FILTERS, RULES])
def test_comparing_before_choosing_changes_no_value(text: str, frames: EventBatch) -> None:
    plan = (compile_text(text, "t") if "rules" in text else compile_filter(text)).plan
    graph = ComparingGraph()
    new = rebuild(graph, plan.nodes)
    before = values(plan.nodes, plan.conditions, frames)
    assert (values(graph.nodes, [new[c] for c in plan.conditions], frames) == before).all()
    assert before.any()


def test_a_least_value_is_compared_part_by_part() -> None:
    g = ComparingGraph()
    a, b, c, k = g.load(g.false, 0, 2), g.load(g.false, 2, 4), g.load(g.false, 6, 2), g.const(7)
    least = g.bits(g.mux(g.lt(a, b), a, b), 0, 16)
    assert g.lt(least, k) == g.any(g.lt(a, k), g.lt(b, k))
    assert g.lt(k, least) == g.all(g.lt(k, a), g.lt(k, b))
    assert g.lt(g.add(a, k), g.add(c, k)) == g.lt(a, c)
    assert g.eq(g.bits(g.load(g.false, 9, 1), 4, 4), g.const(6)) == g.member(g.load(g.false, 9, 1), [(0x60, 0x6F)])


def test_random_graphs_compare_to_the_same_values() -> None:
    for seed in range(12):
        g, conditions = random_graph(seed, 250)
        buffer, events = boundary_events(seed, 300)
        comparing = ComparingGraph()
        new = rebuild(comparing, g.nodes)
        batch = EventBatch(buffer, events)
        before = values(g.nodes, conditions, batch)
        assert (values(comparing.nodes, [new[c] for c in conditions], batch) == before).all(), seed


RECORDS = """
schema Order v1 size 128 @endian(little) {
  id: u64  price: u32  side: u8 @null(255)  text: char[8] @offset(120)
}
rules r on Order all {
  rule dear: price > 1000 and side == 1 => count n
  rule named: text[0:2] == "ab" => count n
  rule odd: id & 1 == 1 => count n
}
"""


def records(n: int) -> EventBatch:
    """Records of 128 bytes, every fourth of them cut, or longer on the wire than it should be."""
    random = np.random.default_rng(n)
    data = random.integers(0, 256, (n, 128), np.uint8)
    data[:, 8:12] = (random.integers(0, 2000, n).astype("<u4")[:, None] >> np.arange(0, 32, 8)) & 255
    data[:, 12] = random.integers(0, 3, n)
    data[:, 120:] = random.integers(ord("a"), ord("c"), (n, 8))
    lengths = np.where(random.random(n) < 0.75, 128, random.integers(0, 129, n))
    batch = EventBatch.from_bytes([one[:length].tobytes() for one, length in zip(data, lengths, strict=True)])
    events = batch.events.copy()
    events["wire_len"] += random.random(n) < 0.1
    events["wire_len"][random.random(n) < 0.1] = 128
    return EventBatch(batch.buffer, events)


def test_whole_records_have_a_shape() -> None:
    plan = compile_text(RECORDS, "t").plan
    explicit, events = explicit_visibility(plan), records(4000)
    found = record_shape(explicit, [explicit.node[root] for root in plan.roots], 128)
    assert found is not None
    has = having(found, events)
    roots = [*plan.conditions, plan.malformed]
    assert 1000 < has.sum() < 3000
    assert compare(found, plan, events, has) == 0
    kept = set(needed(found.explicit, [found.explicit.node[root] for root in roots]))
    assert not [ref for ref in kept if found.explicit.graph[ref].op == "captured"]
    assert shape_text(found).splitlines() == [
        "shape: at least 128 bytes captured",
        "  128 bytes on the wire",
        "  no field asks whether it was captured; other events take the general way",
    ]
    malformed = values(plan.nodes, [plan.malformed], events)[0]
    assert malformed[~has].all() and not malformed[has].any()
    tested = values(found.explicit.graph.nodes, [found.test], events)[0]
    assert compare(found, plan, events, tested) > 0, "that many bytes are needed, too"


def test_records_of_which_no_field_is_read_have_no_shape() -> None:
    schema, _, _ = RECORDS.partition("rules")
    plan = compile_text(f"{schema}rules r on Order all {{ rule any: id >= 0 => count n }}", "t").plan
    explicit = explicit_visibility(plan)
    assert record_shape(explicit, [explicit.node[root] for root in plan.roots], 128) is None
    assert explained_shape(plan) == "no shape: no field is read"
