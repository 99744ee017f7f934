"""Pass: state what every load needs, so that a back end can read bytes without a question.

One idea: a load's value is its bytes if all of them are visible and 0 otherwise. The pass separates the two: where
to read (``at``, kept in bounds whatever the packet says) and whether the value counts (``inside``, an ordinary
condition, which often is one that the rules compute anyway). Everything else is rebuilt through ``Graph``, so it is
folded and shared once more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.ops import Node

WINDOW = 8192
"""Bytes at the start of an event that a load can touch."""
CAPTURED_MAX = 0xFFFF
DIRECT_MAX = WINDOW + 64
"""A base that cannot lead a read past this many bytes is used as it is; others are clamped to the window."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to evaluate one load: read ``read`` bytes (1, 2, 4, 8 or 16, at least ``count``) at ``at + disp``, keep
    ``count`` of them, big endian unless ``little``; the value is 0 unless ``inside``. ``at`` is a node in
    [0, DIRECT_MAX), ``inside`` a boolean node; both have smaller numbers than the load."""

    at: int
    disp: int
    count: int
    read: int
    little: bool
    inside: int


@dataclass(frozen=True, slots=True)
class Explicit:
    """A Plan's graph with its loads explained. ``roots`` are in the order of ``Plan.roots``; ``span`` is the number
    of bytes at the start of an event that the accesses may touch (at least 1)."""

    graph: Graph
    roots: tuple[int, ...]
    accesses: dict[int, Access]
    span: int


def explicit_visibility(plan: Plan) -> Explicit:
    """Runs the pass."""
    least: dict[int, int] = {}
    for node in plan.nodes:
        if node.op == "load":
            end = node.attrs[0] + node.attrs[1]
            least[node.args[0]] = min(end, least.get(node.args[0], end))
    graph = Graph()
    accesses: dict[int, Access] = {}
    new: list[int] = []
    for node in plan.nodes:
        args = [new[a] for a in node.args]
        if node.op == "captured":
            new.append(graph.captured(min(node.attrs[0], CAPTURED_MAX)))
        elif node.op == "load":
            new.append(_load(graph, accesses, args[0], node, least[node.args[0]]))
        else:
            new.append(REBUILD[node.op](graph, args, node.attrs))
    span = max((graph[a.at].hi + a.disp + a.read for a in accesses.values()), default=1)
    return Explicit(graph, tuple(new[r] for r in plan.roots), accesses, span)


def _load(graph: Graph, accesses: dict[int, Access], base: int, node: Node, least: int) -> int:
    disp, count, little = node.attrs
    value = graph.value(base)
    if value is not None:
        base, disp, least = graph.const(0), disp + value, count
    elif graph[base].lo < 0:
        base, disp, least = graph.add(base, graph.const(disp)), 0, count
    read = 1 << (count - 1).bit_length()
    inside, at = _inside(graph, base, disp + count), base
    if graph[base].hi + disp + read > DIRECT_MAX:
        last = WINDOW - least
        at = graph.bits(graph.mux(graph.lt(base, graph.const(last)), base, graph.const(last)), 0, 13)
    ref = graph.load(base, disp, count, bool(little))
    if graph[ref].op == "load":
        accesses.setdefault(ref, Access(at, disp, count, read, bool(little), inside))
    return ref


def _inside(graph: Graph, base: int, end: int) -> int:
    """Whether base + end <= seen. A base that may be far out is compared in two steps, so that types stay narrow."""
    if graph[base].hi + end <= 0xFFFF:
        return graph.le(graph.add(base, graph.const(end)), graph.captured(CAPTURED_MAX))
    near = graph.bits(base, 0, 14)
    return graph.all(
        graph.lt(base, graph.const(WINDOW + 1)),
        graph.le(graph.add(near, graph.const(end)), graph.captured(CAPTURED_MAX)),
    )
