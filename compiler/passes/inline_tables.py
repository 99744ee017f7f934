"""Pass: tables become part of the graph, for a target that has no memory to keep rows in.

One idea: a look-up is a choice among rows. Rows of one key are cut into ranges that do not overlap, and each value is
then asked for at once: is the key in one of its ranges? Rows of several keys are compared one by one, and the first one
that matches wins. The new Plan has none of these tables; another content is another Plan.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sevenm.compiler.plan import Plan, Table, prune
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.ops import Node
from sevenm.tables import Row, cut

Choice = tuple[int, int]
"""A condition, and the value where it holds."""


def inline_tables(plan: Plan, some: Collection[int] | None = None) -> Plan:
    """The same decisions without tables, or without ``some`` of them, by number. Names stay with their nodes."""
    if not (plan.tables if some is None else some):
        return plan
    kept = [number for number in range(len(plan.tables)) if some is not None and number not in some]
    g = Graph()
    at: list[int] = []
    for node in plan.nodes:
        args = [at[a] for a in node.args]
        if node.op in ("hit", "value") and node.attrs[0] in kept:
            at.append(REBUILD[node.op](g, args, (kept.index(node.attrs[0]), *node.attrs[1:])))
        elif node.op == "hit":
            at.append(_hit(g, plan.tables[node.attrs[0]], args))
        elif node.op == "value":
            at.append(_value(g, plan.tables[node.attrs[0]], node, args))
        else:
            at.append(REBUILD[node.op](g, args, node.attrs))
    nodes, new = prune(g.nodes, [at[root] for root in plan.roots])
    place = [new.get(ref, 0) for ref in at]
    rules = tuple(
        replace(
            rule,
            when=place[rule.when],
            actions=tuple(a if a.operand is None else replace(a, operand=place[a.operand]) for a in rule.actions),
        )
        for rule in plan.rules
    )
    out = replace(
        plan, nodes=nodes, rules=rules, malformed=place[plan.malformed], truncated=place[plan.truncated],
        punt=place[plan.punt], tables=tuple(plan.tables[number] for number in kept),
        states=tuple(state.renumbered(place) for state in plan.states),
        names=plan.names.renumbered({ref: new[node] for ref, node in enumerate(at) if node in new}),
    )  # fmt: skip
    out.check()
    return out


def _hit(g: Graph, table: Table, keys: Sequence[int]) -> int:
    segments = _segments(table)
    if segments is not None:
        return g.member(keys[0], [(lo, hi) for lo, hi, _ in segments])
    return g.any(*(_matches(g, table, row, keys) for row in table.rows))


def _value(g: Graph, table: Table, node: Node, keys: Sequence[int]) -> int:
    column = node.attrs[1]
    segments = _segments(table)
    choices: list[Choice] = []
    if segments is not None:
        ranges: dict[int, list[tuple[int, int]]] = {}
        for lo, hi, row in segments:
            ranges.setdefault(row.values[column], []).append((lo, hi))
        choices = [(g.member(keys[0], ranges[value]), g.const(value)) for value in sorted(ranges) if value]
    else:
        choices = [(_matches(g, table, row, keys), g.const(row.values[column])) for row in table.rows]
    return _first(g, choices)


def _first(g: Graph, choices: Sequence[Choice]) -> int:
    """The value of the first condition that holds, 0 where none does; halves are chosen between, so that the depth is
    the logarithm of their number."""
    row = list(choices) or [(g.false, g.const(0))]
    while len(row) > 1:
        pairs = [
            (g.any(one, two), g.mux(one, value, other))
            for (one, value), (two, other) in zip(row[0::2], row[1::2], strict=False)
        ]
        row = pairs + row[2 * len(pairs) :]
    ((holds, value),) = row
    return g.mux(holds, value, g.const(0))


def _matches(g: Graph, table: Table, row: Row, keys: Sequence[int]) -> int:
    """Whether each key matches."""
    terms = []
    for key, match, node in zip(table.keys, row.keys, keys, strict=True):
        span = key.span(match)
        if span is None:
            value, mask = match
            terms.append(g.eq(g.band(node, g.const(mask)), g.const(value)))
        else:
            terms.append(g.member(node, [span]))
    return g.all(*terms)


def _segments(table: Table) -> list[tuple[int, int, Row]] | None:
    """Ascending ranges that do not overlap, each with the row that counts in it; None where a table has several keys or
    one that is no range."""
    if len(table.keys) != 1 or table.keys[0].kind == "ternary":
        return None
    (key,) = table.keys
    spans = [span for row in table.rows if (span := key.span(row.keys[0])) is not None]
    assert len(spans) == len(table.rows), "a ternary match in a table of ranges"
    cuts = cut(spans)
    ends = [first for first, _ in cuts[1:]]  # behind the last row there is none
    return [(first, end - 1, table.rows[row - 1]) for (first, row), end in zip(cuts, ends, strict=False) if row]
