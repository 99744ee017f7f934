"""A Plan that says ``malformed`` and ``truncated`` of no event; rules that ask for them still know.

One idea: to say of every packet whether its headers contradict themselves takes the parser of all protocols, whatever
the rules ask. Where nobody wants it said, most of the graph is needed by nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sevenm.compiler.plan import Plan, prune
from sevenm.compiler.plan.graph import REBUILD, Graph


def unmarked(plan: Plan) -> Plan:
    """The same decisions without the two marks. Names stay with their nodes."""
    g = Graph()
    at: list[int] = []
    for node in plan.nodes:
        at.append(REBUILD[node.op](g, [at[a] for a in node.args], node.attrs))
    asked = [rule.when for rule in plan.rules] + [root for state in plan.states for root in state.roots]
    nodes, new = prune(g.nodes, [g.false, *(at[root] for root in (*asked, *plan.operands, plan.punt))])
    place = [new.get(ref, 0) for ref in at]
    out = replace(
        plan, nodes=nodes, rules=tuple(rule.renumbered(place) for rule in plan.rules), malformed=new[g.false],
        truncated=new[g.false], punt=place[plan.punt],
        states=tuple(state.renumbered(place) for state in plan.states),
        names=plan.names.renumbered({ref: new[node] for ref, node in enumerate(at) if node in new}),
    )  # fmt: skip
    out.check()
    return out
