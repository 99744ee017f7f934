"""Names of the packet parser's own nodes: where headers start and end, what announces them.

One idea: the parser is built once more in a graph that holds the Plan's nodes, where equal nodes are one; so what it
calls its values are names of the Plan's. Nothing of the Plan changes but its names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from sevenm.compiler.plan import Name, Names, Plan
from sevenm.compiler.plan.graph import Graph, rebuild
from sevenm.compiler.plan.names import name
from sevenm.compiler.protocols.packet import Extension, Packet


def with_parser_names(plan: Plan) -> Plan:
    """The Plan, with names also for what the parser computes on the way. Plans of bare records have no parser."""
    if plan.source != "packet":
        return plan
    graph = Graph()
    plans = {ref: number for number, ref in enumerate(rebuild(graph, plan.nodes))}
    found = ((plans[ref], one) for ref, one in _names(Packet(graph)) if ref in plans)
    return replace(plan, names=Names.collect([*plan.names.pairs(), *found]))


def _names(packet: Packet) -> Iterator[tuple[int, Name]]:
    for attribute, value in vars(Packet).items():
        if isinstance(value, cached_property):
            yield from _named(attribute.strip("_"), getattr(packet, attribute))
    for number, step in enumerate(packet.extensions, 1):
        yield from _extension(f"ip6.ext{number}", step)


def _extension(prefix: str, step: Extension) -> Iterator[tuple[int, Name]]:
    for attribute, value in vars(step).items():
        yield from _named(f"{prefix}.{attribute}", value)


def _named(text: str, value: object) -> Iterator[tuple[int, Name]]:
    """A node has a name, several have it with numbers, and what is no node has none."""
    if isinstance(value, int):
        yield value, name("header", text)
    elif isinstance(value, tuple) and all(isinstance(node, int) for node in value):
        yield from ((node, name("header", f"{text}#{number}")) for number, node in enumerate(value, 1))
