"""Pass: state what every load needs, so that a back end can read bytes without a question.

One idea: a load's value is its bytes if all of them were captured and 0 otherwise. The pass separates the two: where
to read (``at``, which no event can lead past CAPTURE_MAX) and whether the value counts (``inside``, an ordinary
condition, which often is one that the rules compute anyway). Everything else is rebuilt through ``Graph``, so it is
folded and shared once more, with captured bytes counted no further than the rules can tell
(``sevenm.compiler.passes.saturation``).
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler.passes.saturation import captured_most
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.graph import REBUILD, Graph


@dataclass(frozen=True, slots=True)
class Access:
    """How to evaluate one load: read ``read`` bytes (1, 2, 4, 8 or 16, at least ``count``) at ``at + disp``, keep
    ``count`` of them, big endian unless ``little``; the value is 0 unless ``inside``. ``at`` is a node in
    [0, CAPTURE_MAX], ``inside`` a boolean node; both have smaller numbers than the load."""

    at: int
    disp: int
    count: int
    read: int
    little: bool
    inside: int


@dataclass(frozen=True, slots=True)
class Explicit:
    """A Plan's graph with its loads explained. ``node`` has the new number of each of the Plan's nodes, ``captured``
    is where the count of captured bytes may stop: a larger one decides nothing, and no access lies past it."""

    graph: Graph
    node: tuple[int, ...]
    accesses: dict[int, Access]
    captured: int


def explicit_visibility(plan: Plan) -> Explicit:
    """Runs the pass."""
    graph, most = Graph(), captured_most(plan)
    accesses: dict[int, Access] = {}
    new: list[int] = []
    for node in plan.nodes:
        args = [new[a] for a in node.args]
        if node.op == "captured":
            new.append(graph.captured(min(node.attrs[0], most)))
            continue
        ref = _narrow(graph, REBUILD[node.op](graph, args, node.attrs))
        if graph[ref].op == "load" and ref not in accesses:
            accesses[ref] = access(graph, ref, most)
        new.append(ref)
    return Explicit(graph, tuple(new), accesses, most)


def _narrow(graph: Graph, ref: int) -> int:
    """The smaller one of two values is not above either one's bound, which its own interval does not say."""
    node = graph[ref]
    if node.op != "mux" or graph[node.args[0]].op != "lt" or graph[node.args[0]].args != node.args[1:] or node.lo < 0:
        return ref
    width = min(graph[arm].width for arm in node.args[1:])
    return graph.bits(ref, 0, width) if width < node.width else ref


def access(graph: Graph, ref: int, most: int) -> Access:
    """How a load of the graph is evaluated, where captured bytes are counted up to ``most``."""
    (at,), (disp, count, little) = graph[ref].args, graph[ref].attrs
    if graph[at].hi > CAPTURE_MAX:
        last = graph.const(CAPTURE_MAX)
        at = graph.bits(graph.mux(graph.lt(at, last), at, last), 0, CAPTURE_MAX.bit_length())
    inside = graph.le(graph.add(at, graph.const(disp + count)), graph.captured(most))
    return Access(at, disp, count, 1 << (count - 1).bit_length(), bool(little), inside)
