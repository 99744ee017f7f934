"""Names of the packet parser's own nodes: where headers start and end, what announces them.

One idea: the parser is built once more in a graph that holds the Plan's nodes, where equal nodes are one; so what it
calls its values are names of the Plan's. Nothing of the Plan changes but its names.
"""

from __future__ import annotations

from dataclasses import replace

from sevenm.compiler.plan import Names, Plan
from sevenm.compiler.plan.graph import Graph, rebuild
from sevenm.compiler.protocols.packet_names import parser_names


def with_parser_names(plan: Plan) -> Plan:
    """The Plan, with names also for what the parser computes on the way. Plans of bare records have no parser."""
    if plan.source != "packet":
        return plan
    graph = Graph()
    plans = {ref: number for number, ref in enumerate(rebuild(graph, plan.nodes))}
    found = ((plans[ref], one) for ref, one in parser_names(graph) if ref in plans)
    return replace(plan, names=Names.collect([*plan.names.pairs(), *found]))
