"""Tables as part of the graph say what tables say."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.plan import Action, Block, Plan, Rule, Table, actions, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.tables import Column, Key, Row


def match(draw: random.Random, key: Key) -> tuple[int, int]:
    top = (1 << key.width) - 1
    a, b = sorted(draw.randint(0, top) for _ in range(2))
    if key.kind == "lpm":
        length = draw.randint(0, key.width)
        return a & ~(top >> length), length
    if key.kind == "ternary":
        mask = draw.randint(0, top)
        return a & mask, mask
    return (a, a) if key.kind == "exact" else (a, min(b, a + 40))


def table(draw: random.Random, kinds: tuple[str, ...], rows: int) -> Table:
    keys = tuple(Key(kind, 8 if number else 16) for number, kind in enumerate(kinds))
    empty = Table("t", keys, (Column("port", 0, 15), Column("cost", -100, 100)), 64)
    made: dict[tuple[tuple[int, int], ...], Row] = {}
    for _ in range(rows):
        row = Row(tuple(match(draw, key) for key in keys), (draw.randint(0, 15), draw.choice([-100, -1, 0, 5])))
        made[row.keys] = row
    return empty.with_rows(made.values())


def looking_up(one: Table) -> Plan:
    """Rules on a hit, on a value, and with a value as the port."""
    g = Graph()
    keys = [g.load(g.false, 0, 2), g.load(g.false, 2, 1)][: len(one.keys)]
    port, cost = g.value_of(0, 0, keys, 0, 15), g.value_of(0, 1, keys, -100, 100)
    wanted = [g.hit(0, keys), g.lt(cost, g.const(0)), g.eq(port, g.const(7)), port, g.false]
    nodes, new = prune(g.nodes, wanted)
    hit, low, seven, to, never = (new[w] for w in wanted)
    rules = (
        Rule("hit", 0, hit, actions(deliver=(0,))),
        Rule("low", 0, low),
        Rule("to", 0, seven, (Action("forward", operand=to),)),
    )
    plan = Plan("p", "packet", nodes, rules, (Block("b", "all", 0, 3),), never, never, never, ("c",), tables=(one,))
    plan.check()
    return plan


def events(draw: random.Random, one: Table, count: int) -> EventBatch:
    """Keys at the ends of rows, beside them, and anywhere."""
    out = []
    for _ in range(count):
        data = draw.randbytes(3)
        if one.rows and draw.random() < 0.8:
            row = draw.choice(one.rows)
            near = [draw.choice(key.span(m) or m) + draw.choice([0, 0, 1, -1]) for key, m in
                    zip(one.keys, row.keys, strict=True)]  # fmt: skip
            data = (near[0] & 0xFFFF).to_bytes(2, "big") + bytes([(near[1] if len(near) > 1 else 0) & 0xFF])
        out.append(data[: draw.choice([3, 3, 3, 2, 1])])
    return EventBatch.from_bytes(out)


@pytest.mark.parametrize("rows", [0, 1, 5, 40])
@pytest.mark.parametrize(
    "kinds",
    [("exact",), ("range",), ("lpm",), ("ternary",), ("exact", "range"), ("lpm", "ternary"), ("range", "exact")],
)
def test_a_plan_without_tables_decides_as_with_them(kinds: tuple[str, ...], rows: int) -> None:
    draw = random.Random(rows)
    one = table(draw, kinds, rows)
    plan, batch = looking_up(one), events(draw, one, 400)
    inlined = inline_tables(plan)
    assert not inlined.tables
    assert not {node.op for node in inlined.nodes} & {"hit", "value"}
    e = batch.events
    with_tables, without = (
        evaluate(p, batch.buffer, e["offset"], e["cap_len"], e["wire_len"]) for p in (plan, inlined)
    )
    assert np.array_equal(with_tables.fired, without.fired)
    assert np.array_equal(with_tables.forward, without.forward)
    assert rows == 0 or with_tables.fired[0].any()


def test_one_key_is_asked_for_all_its_ranges_at_once() -> None:
    """A thousand routes to four ports are a few sets, not a thousand comparisons."""
    draw = random.Random(1)
    routes = Table("routes", (Key("lpm", 32),), (Column("port", 0, 15),), 4096)
    made = {draw.getrandbits(20): draw.randrange(1, 5) for _ in range(1000)}
    routes = routes.with_rows(Row(((prefix << 12, 20),), (port,)) for prefix, port in made.items())
    g = Graph()
    port = g.value_of(0, 0, [g.load(g.false, 0, 4)], 0, 15)
    condition = g.eq(port, g.const(3))
    nodes, new = prune(g.nodes, [condition, g.false])
    never, rules = new[g.false], (Rule("r", 0, new[condition]),)
    plan = Plan("p", "packet", nodes, rules, (Block("b", "first", 0, 1),), never, never, never, tables=(routes,))
    assert sum(node.op == "member" for node in inline_tables(plan).nodes) == 4


def test_a_plan_without_tables_stays_what_it_is() -> None:
    g = Graph()
    plan = Plan("p", "packet", tuple(g.nodes), (), (), 0, 0, 0)
    assert inline_tables(plan) is plan
