"""Pass: what is left of a graph where the headers have the shape that most events have.

One idea: partial evaluation (Jones, Gomard and Sestoft, 1993). An optional header is a choice between a place and one
further behind it: a ``mux`` on the way to an address, one arm of which lies beyond the other. Each such choice that is
settled by a few tests of bytes at fixed places becomes an assumption, *nothing was inserted here*, and the graph is
rebuilt under all of them; ``Graph`` folds what they decide. Places become constants, and with them most loads come to
stand where the fetch can read them. Nothing here knows a protocol.

Soundness. An assumption is a set of literals of the original graph that do not all hold, and a shape's ``test`` is the
conjunction of the assumptions, each evaluated under those before it, for events of at least ``least`` captured bytes.
Where the test holds, every node of the rebuilt graph has the value of the original one: by induction over the
assumptions, the literals of the next one have their original values, so that they do not all hold there either; and by
induction over the nodes a rebuilt one differs from the original only where it was replaced by 0, because it implies
that all literals of some assumption hold, or folded by the bound on captured bytes, which is tested as well. Of an
event for which the test does not hold the rebuilt graph says nothing, but each of its values still lies in its
interval if captured bytes are taken to be ``least`` at least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sevenm.compiler.passes.comparisons import ComparingGraph
from sevenm.compiler.passes.contexts import apart, in_context, literals_of, narrower, tested
from sevenm.compiler.passes.visibility import Explicit, access
from sevenm.compiler.plan.graph import REBUILD, Graph, live
from sevenm.compiler.plan.ops import Node

FRAME_MIN = 60
"""Bytes of the shortest Ethernet frame without its check sequence: a shape asks for no more."""
WHOLE_MIN = 54
"""Bytes that a shape asks for at least: what the fixed headers of IP and TCP take, or IPv6. Frames are shorter only
where a host captures what it sends itself, before they are filled up; and conditions on the room for headers go."""
LOAD_COST, CONDITION_COST = 24, 0.1
"""A load at a variable place, and a condition of conditions, where an operation on a column costs 1 a byte."""
ASSUMPTIONS_MAX = 8
"""Choices that one shape settles."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """Literals (2 * node, plus 1 where the node is 0) of a graph made under the assumptions before; not all hold."""

    graph: Graph
    literals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """``explicit`` is the specialised graph, with ``node`` still by the Plan's numbers and ``of`` by those of the graph
    it was made from. ``test`` is a condition of that graph over bytes before ``least``: an event has the shape if that
    many bytes were captured and the test holds; nearly every event has ``usual`` bytes, of which a back end may as well
    ask. ``moving`` and ``moved`` count the loads at variable places that the roots need, before and after."""

    explicit: Explicit
    of: tuple[int, ...]
    test: int
    least: int
    usual: int
    assumptions: tuple[int, ...]
    moving: int
    moved: int


def shape_of(explicit: Explicit, roots: Iterable[int], inserted: int = 0) -> Shape | None:
    """The shape of events in which nothing optional was inserted but the first ``inserted`` of what there is to insert,
    for a graph of which ``roots`` are asked for. None where that brings no load to a fixed place."""
    roots = sorted(set(roots))
    before = _moving(explicit, roots)
    assumptions = _assumed(explicit, before, inserted) if before else []
    if not assumptions:
        return None
    least = max(WHOLE_MIN, _reach(_Rebuilt.of_graph(explicit, assumptions, FRAME_MIN), roots))
    ways = [_Rebuilt.of_graph(explicit, assumptions, least, kind) for kind in (Graph, ComparingGraph)]
    ways += [way.in_context(least) for way in ways]
    made = min(ways, key=lambda way: _cost(way.explicit, [way.of[root] for root in roots]))
    after = _moving(made.explicit, [made.of[root] for root in roots])
    if len(after) >= len(before):
        return None
    return _shape(made, least, FRAME_MIN, len(before), len(after))


def record_shape(explicit: Explicit, roots: Iterable[int], size: int) -> Shape | None:
    """The shape of records that are whole, as their schema says: no field asks whether it was captured. None where no
    field at a fixed place is asked for."""
    nodes = explicit.graph.nodes
    sized = [
        ref for ref, node in enumerate(nodes)
        if node.op == "eq" and nodes[node.args[0]].op == "size" and explicit.graph.value(node.args[1]) == size
    ]  # fmt: skip
    assumptions = [Assumption(explicit.graph, (2 * ref + 1,)) for ref in sized]
    made = _Rebuilt.of_graph(explicit, assumptions, size)
    graph, accesses = made.explicit.graph, made.explicit.accesses
    asked = (ref for ref in needed(made.explicit, [made.of[root] for root in roots]) if ref in accesses)
    if not any(graph[accesses[ref].at].op == "const" for ref in asked):
        return None
    return _shape(made, size, size, 0, 0)


def _shape(made: _Rebuilt, least: int, usual: int, moving: int, moved: int) -> Shape:
    graph = made.explicit.graph
    test = graph.all(*made.tests, graph.true)
    return Shape(made.explicit, tuple(made.of), test, least, usual, tuple(made.tests), moving, moved)


def shape_text(shape: Shape) -> str:
    """The shape for people: what it takes, and what it brings."""
    nodes = shape.explicit.graph.nodes
    lines = [f"shape: at least {shape.least} bytes captured"]
    for test in shape.assumptions:
        literals = sorted(literals_of(nodes, 2 * test + 1))
        if len(literals) == 1 and literals[0] & 1:
            lines.append(f"  {_literal_text(nodes, literals[0] ^ 1)}")
        else:
            lines.append(f"  not: {' and '.join(_literal_text(nodes, literal) for literal in literals)}")
    moved = f"{shape.moving} fields at variable places become {shape.moved}"
    brings = moved if shape.moving else "no field asks whether it was captured"
    return "\n".join([*lines, f"  {brings}; other events take the general way"])


def _literal_text(nodes: Sequence[Node], literal: int) -> str:
    """A test of bytes, as far as it has a simple form."""
    ref, negated = literal // 2, "not " * (literal & 1)
    found = tested(nodes, ref)
    if found is None or nodes[found[0]].op not in ("load", "size"):
        return f"{negated}{nodes[ref].op}"
    if nodes[found[0]].op == "size":
        return f"{negated}{found[1][0][0]} bytes on the wire"
    first, count, _ = nodes[found[0]].attrs
    place = f"byte {first}" if count == 1 else f"bytes {first} to {first + count - 1}"
    ranges = ", ".join(f"{lo:#x}" if lo == hi else f"{lo:#x} to {hi:#x}" for lo, hi in found[1])
    return f"{negated}{place} in {{{ranges}}}"


def _assumed(explicit: Explicit, loads: Sequence[int], inserted: int) -> list[Assumption]:
    """Settles one choice after the other on the way to the loads: what one settles makes the next ones simpler. Of the
    first ``inserted`` the far place is taken, of the others the near one."""
    assumptions: list[Assumption] = []
    places = live(explicit.graph.nodes, loads)
    while len(assumptions) < ASSUMPTIONS_MAX:
        takes_far = len(assumptions) < inserted
        made = _Rebuilt.of_graph(explicit, assumptions, FRAME_MIN, only=places)
        graph = made.explicit.graph
        for mux in _choices(graph.nodes, _moving(made.explicit, [made.of[load] for load in loads])):
            condition, far, near = graph[mux].args
            swapped = not _beyond(graph.nodes, far, near)
            excluded = literals_of(graph.nodes, 2 * condition + (swapped ^ takes_far))
            simple = {lit for lit in excluded if _is_simple(graph.nodes, lit // 2)}
            kept = tuple(sorted(simple)) if simple == excluded or not takes_far else ()
            if kept:
                assumptions.append(Assumption(graph, kept))
                break
        else:
            break
    return assumptions


# Choices between places


def _choices(nodes: Sequence[Node], loads: Iterable[int]) -> list[int]:
    """Every mux on the way to an address of which one arm lies beyond the other, operands first. Of a sum the operand
    with the larger lower bound is the place, the other one a length."""
    found: set[int] = set()
    seen: set[int] = set()
    stack = [nodes[load].args[0] for load in loads]
    while stack:
        ref = stack.pop()
        node = nodes[ref]
        if ref in seen or node.is_bool or node.op == "load":
            continue
        seen.add(ref)
        if node.op == "mux":
            far, near = node.args[1:]
            if _beyond(nodes, far, near) or _beyond(nodes, near, far):
                found.add(ref)
            stack += node.args[1:]
        elif node.args:
            stack.append(max(node.args, key=lambda a: nodes[a].lo))
    return sorted(found)


def _beyond(nodes: Sequence[Node], far: int, near: int) -> bool:
    """Whether one place never lies before the other."""
    if nodes[far].lo >= nodes[near].hi:
        return True
    return nodes[far].op == "add" and near in nodes[far].args and all(nodes[a].lo >= 0 for a in nodes[far].args)


def _is_simple(nodes: Sequence[Node], ref: int) -> bool:
    """Whether a condition tests bytes at one fixed place of the shortest frame against constants."""
    loads = 0
    stack = [ref]
    while stack:
        node = nodes[stack.pop()]
        if node.op == "load":
            loads += 1
            if nodes[node.args[0]].op != "const" or node.attrs[0] + node.attrs[1] > FRAME_MIN:
                return False
        elif node.op in ("eq", "lt", "member", "bits", "band", "not"):
            stack += node.args
        elif node.op != "const":
            return False
    return loads == 1


# Rebuilding


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """A graph under assumptions. ``of``: the new number of each node; ``tests``: what each assumption says."""

    explicit: Explicit
    of: list[int]
    tests: list[int]

    @classmethod
    def of_graph(
        cls, explicit: Explicit, assumptions: Sequence[Assumption], least: int, kind: type[Graph] = Graph,
        only: Iterable[int] | None = None,
    ) -> _Rebuilt:  # fmt: skip
        """Where the assumptions hold and ``least`` bytes were captured; ``only`` these nodes, which need no others."""
        graph, nodes = kind(), explicit.graph.nodes
        graph.assume(graph.captured(explicit.captured), least, explicit.captured)
        excluded = [_copied(graph, assumption) for assumption in assumptions]
        of = [graph.false] * len(nodes)
        for ref in range(len(nodes)) if only is None else only:
            new = REBUILD[nodes[ref].op](graph, [of[a] for a in nodes[ref].args], nodes[ref].attrs)
            if graph[new].is_bool and any(_implies(graph.nodes, 2 * new, literals) for literals in excluded):
                new = graph.false
            elif graph[new].is_bool and any(_implies(graph.nodes, 2 * new + 1, literals) for literals in excluded):
                new = graph.true
            of[ref] = new
        tests = [
            graph.invert(graph.all(*(graph.invert(lit // 2) if lit & 1 else lit // 2 for lit in literals), graph.true))
            for literals in excluded
        ]
        return cls(_explained(graph, explicit, of), of, tests)

    def in_context(self, least: int) -> _Rebuilt:
        """The same values, by simpler conditions."""
        explicit, graph = self.explicit, Graph()
        graph.assume(graph.captured(explicit.captured), least, explicit.captured)
        new = in_context(explicit.graph.nodes, graph)
        return _Rebuilt(_explained(graph, explicit, new), [new[ref] for ref in self.of], [new[t] for t in self.tests])


def _explained(graph: Graph, explicit: Explicit, of: Sequence[int]) -> Explicit:
    """A graph that was rebuilt from another one, with its loads. ``of``: the new number of each node."""
    accesses = {
        ref: access(graph, ref, explicit.captured)
        for ref in range(len(graph.nodes)) if graph[ref].op == "load"
    }  # fmt: skip
    return Explicit(graph, tuple(of[ref] for ref in explicit.node), accesses, explicit.captured)


def _copied(target: Graph, assumption: Assumption) -> list[int]:
    """The literals of an assumption in another graph, as they stand in their own."""
    nodes, new = assumption.graph.nodes, dict[int, int]()
    for ref in live(nodes, [lit // 2 for lit in assumption.literals]):
        new[ref] = REBUILD[nodes[ref].op](target, [new[a] for a in nodes[ref].args], nodes[ref].attrs)
    return [2 * new[lit // 2] + (lit & 1) for lit in assumption.literals]


def _implies(nodes: Sequence[Node], literal: int, literals: Iterable[int]) -> bool:
    """Whether a condition that is not constant, or its contrary, holds only where all the literals do."""
    if nodes[literal // 2].op == "const":
        return False
    stated = literals_of(nodes, literal)
    return all(lit in stated or any(_narrower(nodes, a, lit) for a in stated) for lit in literals)


def _narrower(nodes: Sequence[Node], a: int, b: int) -> bool:
    """Whether the first of two literals holds only where the second does, as tests of the same value."""
    if a & 1 or nodes[a // 2].args[:1] != nodes[b // 2].args[:1]:
        return False
    one, other = tested(nodes, a // 2), tested(nodes, b // 2)
    if one is None or other is None or one[0] != other[0]:
        return False
    return apart(one[1], other[1]) if b & 1 else narrower(one[1], other[1])


# Loads and costs


def needed(explicit: Explicit, roots: Iterable[int]) -> list[int]:
    """All that the roots need, with what says of each load whether it counts; ascending."""
    nodes, accesses = explicit.graph.nodes, explicit.accesses
    seen: set[int] = set()
    stack = list(roots)
    while stack:
        ref = stack.pop()
        if ref not in seen:
            seen.add(ref)
            stack += (accesses[ref].at, accesses[ref].inside) if ref in accesses else nodes[ref].args
    return sorted(seen)


def _moving(explicit: Explicit, roots: Iterable[int]) -> list[int]:
    """The loads at variable places that the roots need."""
    nodes = explicit.graph.nodes
    return [
        ref for ref in needed(explicit, roots) if ref in explicit.accesses and nodes[nodes[ref].args[0]].op != "const"
    ]


def _cost(explicit: Explicit, roots: Iterable[int]) -> float:
    """About what the roots cost a back end that works on columns: bytes read and written, a little for a condition."""
    nodes, cost = explicit.graph.nodes, 0.0
    for ref in needed(explicit, roots):
        node = nodes[ref]
        columns = [nodes[arg] for arg in node.args if not nodes[arg].is_bool and nodes[arg].op != "const"]
        if node.op == "load" and nodes[node.args[0]].op != "const":
            cost += LOAD_COST
        elif node.op == "load" or (columns and not node.is_bool):
            cost += _bytes(node) + sum(_bytes(column) for column in columns)
        elif columns:
            wide = max(map(_bytes, columns))
            cost += wide * max(1, len(node.attrs) // 2)
            cost += sum(wide if _bytes(column) == wide else 2 * wide for column in columns[1:])
        else:
            cost += CONDITION_COST * len(node.args)
    return cost


def _bytes(node: Node) -> int:
    """Of the smallest type that holds the value: a power of two."""
    return 1 << max(0, (node.width - 1).bit_length() - 3)


def _reach(made: _Rebuilt, roots: Iterable[int]) -> int:
    """Where the last load at a fixed place ends that the shortest frame has."""
    nodes, accesses = made.explicit.graph.nodes, made.explicit.accesses
    refs = needed(made.explicit, [*(made.of[root] for root in roots), *made.tests])
    ends = (accesses[r].disp + accesses[r].read for r in refs if r in accesses and nodes[accesses[r].at].op == "const")
    return max((end for end in ends if end <= FRAME_MIN), default=1)
