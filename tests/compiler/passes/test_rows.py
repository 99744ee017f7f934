"""Rows say exactly what the conditions of their rules say, and the choice of a classifier reads as agreed.

Each ``tests/golden/rows/NAME.7m`` stands beside its rows and the host's choices. Write them anew with
``python -m pytest tests/compiler/passes/test_rows.py --update-golden`` and read the difference.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.compiler import compile_text
from sevenm.compiler.backends.c.classifiers import lookup
from sevenm.compiler.passes.cost import AUTO, ChoiceError, Way, choose, describe
from sevenm.compiler.passes.interval_sets import complement, intersection, union
from sevenm.compiler.passes.rows import FEATURES_MAX, ROWS_PER_RULE_MAX, Rows, plan_rows, rows_of, rows_text
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.ops import Node

FOLDER = Path(__file__).parents[2] / "golden" / "rows"
INPUTS = sorted(FOLDER.glob("*.7m"))
intervals = st.lists(st.tuples(st.integers(-3, 20), st.integers(-3, 20)), max_size=5).map(union)


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_rows_and_choices_read_as_agreed(path: Path, request: pytest.FixtureRequest) -> None:
    plan = compile_text(path.read_text(), path.stem).plan
    found = ""
    for block, rows in zip(plan.blocks, plan_rows(plan), strict=True):
        whens = [rule.when for rule in plan.rules[block.start : block.stop]]
        choice = lookup(block.name, block.mode, plan.nodes, whens).choice
        found += f"{describe(choice)}\n{rows_text(plan.nodes, rows, plan.names)}\n"
    golden = path.with_suffix(".txt")
    if request.config.getoption("--update-golden"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_every_answer_has_its_input() -> None:
    assert INPUTS != []
    assert {path.stem for path in FOLDER.glob("*.txt")} == {path.stem for path in INPUTS}


@given(intervals, intervals)
def test_interval_sets_are_sets(a: tuple[tuple[int, int], ...], b: tuple[tuple[int, int], ...]) -> None:
    def members(part: tuple[tuple[int, int], ...]) -> set[int]:
        return {v for lo, hi in part for v in range(lo, hi + 1)}

    assert members(union((*a, *b))) == members(a) | members(b)
    assert members(intersection(a, b)) == members(a) & members(b)
    assert members(complement(a, -5, 25)) == set(range(-5, 26)) - members(a)
    assert union(intersection(a, b)) == intersection(a, b)


def holds(nodes: Sequence[Node], ref: int, given_values: Mapping[int, int]) -> int:
    """The value of a node, where the values of some others are given; shares nothing with the pass."""
    if ref in given_values:
        return given_values[ref]
    node = nodes[ref]
    args = [holds(nodes, a, given_values) for a in node.args]
    match node.op:
        case "const":
            return node.attrs[0]
        case "not":
            return 1 - args[0]
        case "all":
            return int(all(args))
        case "any":
            return int(any(args))
        case "eq":
            return int(args[0] == args[1])
        case "lt":
            return int(args[0] < args[1])
        case "member":
            pairs = zip(node.attrs[0::2], node.attrs[1::2], strict=True)
            return int(any(lo <= args[0] <= hi for lo, hi in pairs))
        case "bits":
            return args[0] >> node.attrs[0] & (1 << node.attrs[1]) - 1
        case "band":
            return args[0] & args[1]
        case "add":
            return args[0] + args[1]
        case op:
            raise AssertionError(f"{op} is neither given nor logic")


def by_rows(rows: Rows, values: Mapping[int, int]) -> dict[int, bool]:
    """Of every rule with rows, whether one of them holds."""
    out: dict[int, bool] = {}
    for row in rows.rows:
        keys = all(
            any(lo <= values[key] <= hi for lo, hi in part) for key, part in zip(rows.keys, row.sets, strict=True)
        )
        features = all(any(values[lit // 2] != lit & 1 for lit in clause) for clause in row.features)
        out[row.rule] = out.get(row.rule, False) or (keys and features)
    return out


def random_block(rng: random.Random, rules: int) -> tuple[Graph, list[int]]:
    """Conditions over four values, parts of them, and five conditions that are no tests of a key."""
    g = Graph()
    values = [g.load(g.const(0), 4 * i, size) for i, size in enumerate((1, 2, 4, 16))]
    values.append(g.signed(g.load(g.const(0), 20, 2), 16))
    free = [g.lt(g.load(g.const(0), 30 + 2 * i, 2), g.load(g.const(0), 60 + 2 * i, 2)) for i in range(5)]
    free.append(g.any(free[0], free[1]))

    def test() -> int:
        value = rng.choice(values)
        kind = rng.randrange(9)
        lo, hi = g[value].lo, g[value].hi
        pick = [rng.choice([lo, hi, lo + 1, rng.randint(lo, hi), rng.randint(lo, min(hi, lo + 40))]) for _ in range(4)]
        if kind == 0:
            return g.eq(value, g.const(pick[0]))
        if kind == 1:
            return g.lt(value, g.const(pick[0]))
        if kind == 2:
            return g.le(g.const(pick[0]), value)
        if kind == 3:
            return g.member(value, [tuple(sorted(pick[:2])), (pick[2], pick[2])])
        if kind == 4:
            return g.eq(g.bits(values[0], rng.randrange(8), rng.randint(1, 4)), g.const(rng.randrange(4)))
        if kind == 5:
            return g.eq(g.bits(values[2], 16, 16), g.const(rng.choice([0, 0xFFFF, 7])))
        if kind == 6:
            return g.eq(
                g.band(values[0], g.const(rng.choice([0x81, 0x12, 0x0F]))), g.const(rng.choice([0, 1, 2, 0x10]))
            )
        if kind == 7:
            return g.lt(g.add(values[1], g.const(rng.choice([-5, 9]))), g.const(rng.choice([0, 4, 40])))
        return rng.choice(free)

    def condition(depth: int) -> int:
        if depth == 0 or rng.random() < 0.2:
            ref = test()
        else:
            parts = [condition(depth - 1) for _ in range(rng.randint(1, 3))]
            ref = g.all(*parts) if rng.random() < 0.6 else g.any(*parts)
        return g.invert(ref) if rng.random() < 0.2 else ref

    return g, [condition(rng.randint(0, 3)) for _ in range(rules)]


def points(rng: random.Random, graph: Graph, rows: Rows, count: int) -> list[dict[int, int]]:
    """Values of the keys, at the ends of the rows' intervals and beside them, and of the conditions, at random."""
    literals = {lit // 2 for row in rows.rows for clause in row.features for lit in clause}
    loads = [ref for ref, node in enumerate(graph.nodes) if node.op == "load"]
    edges = {
        key: [v for row in rows.rows for part in row.sets[at] for v in (part[0], part[0] - 1, part[1], part[1] + 1)]
        for at, key in enumerate(rows.keys)
    }
    out = []
    for _ in range(count):
        values = {ref: rng.randint(graph[ref].lo, graph[ref].hi) for ref in loads}
        for key in rows.keys:
            at = (
                rng.choice(edges[key])
                if edges[key] and rng.random() < 0.7
                else rng.randint(graph[key].lo, graph[key].hi)
            )
            values[key] = min(max(at, graph[key].lo), graph[key].hi)
            if graph[key].op == "signed":
                values[graph[key].args[0]] = values[key] % (1 << graph[key].attrs[0])
        fixed = {
            ref: rng.randrange(2)
            for ref in literals
            if graph[ref].op == "lt" and graph.value(graph[ref].args[1]) is None
        }
        values.update(fixed)
        for ref in sorted(literals - set(fixed)):
            values[ref] = holds(graph.nodes, ref, {**values, **out_of(graph, values)})
        out.append(values)
    return out


def out_of(graph: Graph, values: Mapping[int, int]) -> dict[int, int]:
    """Signed readings of the given loads."""
    return {
        ref: (values[node.args[0]] ^ 1 << node.attrs[0] - 1) - (1 << node.attrs[0] - 1)
        for ref, node in enumerate(graph.nodes)
        if node.op == "signed" and node.args[0] in values
    }


def wrong_rules(rng: random.Random, graph: Graph, whens: Sequence[int], rows: Rows, count: int) -> set[int]:
    """Rules whose rows say something else than their condition at one of ``count`` points."""
    wrong = set()
    for values in points(rng, graph, rows, count):
        found, known = by_rows(rows, values), {**values, **out_of(graph, values)}
        for rule, when in enumerate(whens):
            if rule not in rows.residue and found.get(rule, False) != bool(holds(graph.nodes, when, known)):
                wrong.add(rule)
    return wrong


@pytest.mark.parametrize("seed", range(40))
def test_rows_hold_exactly_where_the_conditions_hold(seed: int) -> None:
    rng = random.Random(seed)
    graph, whens = random_block(rng, rng.choice([1, 3, 12, 40]))
    rows = rows_of(graph.nodes, whens)
    assert [row.rule for row in rows.rows] == sorted(row.rule for row in rows.rows)
    assert not set(rows.residue) & {row.rule for row in rows.rows}
    assert wrong_rules(rng, graph, whens, rows, 60) == set()


def test_the_check_of_rows_sees_an_interval_that_is_off_by_one() -> None:
    g = Graph()
    key = g.load(g.const(0), 0, 2)
    whens = [g.member(key, [(10 * i, 10 * i + 4)]) for i in range(1, 6)]
    rows = rows_of(g.nodes, whens)
    assert wrong_rules(random.Random(1), g, whens, rows, 500) == set()
    longer = replace(rows.rows[3], sets=(((40, 45),),))
    assert wrong_rules(random.Random(1), g, whens, replace(rows, rows=(*rows.rows[:3], longer)), 500) == {3}
    shorter = replace(rows.rows[4], sets=(((51, 54),),))
    assert wrong_rules(random.Random(1), g, whens, replace(rows, rows=(*rows.rows[:4], shorter)), 500) == {4}


def test_a_rule_without_the_form_is_left_as_it_stands() -> None:
    g = Graph()
    keys = [g.load(g.const(0), 2 * i, 2) for i in range(8)]
    plain = [g.eq(key, g.const(v)) for key in keys for v in range(4)]
    wide = g.all(*(g.any(g.eq(keys[2 * i], g.const(9)), g.eq(keys[2 * i + 1], g.const(9))) for i in range(4)))
    wider = g.all(wide, g.any(*(g.eq(key, g.const(77)) for key in keys)))
    rows = rows_of(g.nodes, [*plain, wide, wider])
    assert (rows.residue, rows.reasons) == ((33,), (f"more than {ROWS_PER_RULE_MAX} rows",))
    assert sum(row.rule == 32 for row in rows.rows) == 16


def test_rare_conditions_past_the_bound_are_left_as_they_stand() -> None:
    g = Graph()
    key = g.load(g.const(0), 0, 2)
    free = [g.lt(g.load(g.const(0), 2 + 2 * i, 2), g.load(g.const(0), 102 + 2 * i, 2)) for i in range(FEATURES_MAX + 2)]
    whens = [g.all(g.eq(key, g.const(v)), feature) for v, feature in enumerate(free)]
    rows = rows_of(g.nodes, whens)
    assert rows.residue == (FEATURES_MAX, FEATURES_MAX + 1)
    assert rows.reasons[0] == f"more than {FEATURES_MAX} different feature conditions in the block"


def test_a_wish_overrides_the_cost_and_a_closed_way_is_refused_by_name() -> None:
    rows = Rows((), (), (), ())
    ways = (Way("slow", 9.0, 0, "a"), Way("fast", 1.0, 2048, "b"), Way("huge", 0.5, 0, "", "tables of 99 MB"))
    assert choose("b", "first", 3, rows, "ns", ways).chosen.name == "fast"
    slow = choose("b", "first", 3, rows, "ns", ways, "slow")
    assert describe(slow).splitlines() == [
        "block b (first): 3 rules, 0 rows over 0 keys and 0 conditions",
        "  * slow: 9.0 ns: a",
        "    fast: 1.0 ns, 2 KB of tables: b",
        "    huge: closed: tables of 99 MB",
        "  as asked for: slow",
    ]
    with pytest.raises(ChoiceError) as refused:
        choose("b", "first", 3, rows, "ns", ways, "huge")
    assert str(refused.value) == "block b: huge cannot be used: tables of 99 MB; open: slow, fast"
    with pytest.raises(ChoiceError) as unknown:
        choose("b", "first", 3, rows, "ns", ways, "tcam")
    assert str(unknown.value) == f"a classifier is one of {AUTO}, slow, fast, huge, not 'tcam'"
