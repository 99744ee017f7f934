"""Pass: what a rule may want, for a target that cannot compute all of it.

One idea: each condition has two: one that holds whenever it does (``may``), and one that does not hold unless it does
(``must``); they are the same where the target can tell. ``not`` exchanges the two. So the new Plan's rules hold at
least on the events of the old ones, and a packet that none of them wants, no rule wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sevenm.compiler.backends.xdp.target import RANGE_ROWS_MAX, RANGES_MAX, ROWS_MAX, computes
from sevenm.compiler.plan import Block, Plan, Rule, Table, prune
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.names import NO_NAMES
from sevenm.compiler.plan.ops import Node


@dataclass(frozen=True, slots=True)
class _View:
    """``may`` and ``must``: nodes of the new graph. Of a value that is no condition, or of a condition that the target
    computes, both are the value; ``why`` says what is missing, None if nothing is."""

    may: int
    must: int
    why: str | None = None


def relax(plan: Plan) -> tuple[Plan, list[str | None]]:
    """The Plan whose rules do nothing but hold where the old ones may, followed by a rule for each state (where it is
    written) and one for punts; and for each rule what the target lacks, None where it holds exactly where it did."""
    g, views = Graph(), list[_View]()
    for node in plan.nodes:
        views.append(_view(g, plan, node, [views[a] for a in node.args]))
    rules = [(rule.name, rule.when) for rule in plan.rules]
    rules += [(f"state {state.name}", state.when) for state in plan.states] + [("punt", plan.punt)]
    nodes, new = prune(g.nodes, [g.false, *(views[when].may for _, when in rules)])
    out = replace(
        plan, nodes=nodes, malformed=new[g.false], truncated=new[g.false], punt=new[g.false], channels=(), counters=(),
        states=(), names=NO_NAMES, blocks=(Block("wanted", "all", 0, len(rules)),),
        rules=tuple(Rule(name, 0, new[views[when].may]) for name, when in rules),
    )  # fmt: skip
    out.check()
    return out, [views[when].why for _, when in rules]


def _view(g: Graph, plan: Plan, node: Node, args: Sequence[_View]) -> _View:
    why = next((a.why for a in args if a.why is not None), None)
    if why is not None:
        return _partly(g, node, args, why)
    missing = _missing(plan, node)
    if missing is not None:
        return _View(g.true, g.false, missing)
    if node.op == "member" and len(node.attrs) > 2 * RANGES_MAX:
        ranges = _closed(list(zip(node.attrs[0::2], node.attrs[1::2], strict=True)))
        return _View(g.member(args[0].may, ranges), g.false, f"a set of {len(node.attrs) // 2:,} ranges")
    new = REBUILD[node.op](g, [a.may for a in args], node.attrs)
    if not computes(g[new], [g[a] for a in g[new].args]):
        return _View(g.true, g.false, f"an operation ({node.op}) on more than 64 bits, or on negative numbers")
    return _View(new, new)


def _partly(g: Graph, node: Node, args: Sequence[_View], why: str) -> _View:
    """An operation on what is not, or not quite, known."""
    if node.op == "not":
        view = _View(g.invert(args[0].must), g.invert(args[0].may), why)
    elif node.op in ("all", "any"):
        join = g.all if node.op == "all" else g.any
        view = _View(join(*(a.may for a in args)), join(*(a.must for a in args)), why)
    else:
        view = _View(g.true, g.false, why)
    return _View(view.may, view.must) if view.may == view.must else view


def _missing(plan: Plan, node: Node) -> str | None:
    """What the target lacks for the node, whatever its operands are."""
    if node.op == "time":
        return "the time of arrival"
    if node.op == "port":
        return "the ingress port"
    if node.op in ("old", "known"):
        return f"state {plan.states[node.attrs[0]].name}"
    if node.op in ("hit", "value"):
        table = plan.tables[node.attrs[0]]
        most = _rows_max(table)
        if len(table.rows) > most:
            return f"table {table.name} of {len(table.rows):,} rows, of which at most {most:,} are compared"
    return None


def _rows_max(table: Table) -> int:
    return RANGE_ROWS_MAX if len(table.keys) == 1 and table.keys[0].kind != "ternary" else ROWS_MAX


def _closed(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most RANGES_MAX ranges that hold all of these: those remain apart that are farthest from each other."""
    gaps = sorted(range(1, len(ranges)), key=lambda at: ranges[at][0] - ranges[at - 1][1], reverse=True)
    cuts = [0, *sorted(gaps[: RANGES_MAX - 1]), len(ranges)]
    return [(ranges[a][0], ranges[b - 1][1]) for a, b in pairwise(cuts)]
