"""Pass: conditions without what the conditions beside them say already.

One idea: an operand of ``all`` is asked for only where the other operands hold, one of ``any`` only where they do not.
What they say, their *literals* (2 * node, plus 1 where the node is 0), decides parts of it: in ``ip and not (short or
(not ip and long))`` nothing is left of the last ``and``. A parser's conditions come together from several headers, each
of which has to say under what it counts, so that much of a filter repeats what stands around it.

A value that is no condition is computed for all events, so contexts end at it. Each operand is simplified under the
literals of those before it only, simple ones first: two that say the same do not leave each other out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.ops import Node

DEPTH_MAX = 8
"""Conditions inside of one another that one context is taken into."""
SUBJECTS_MAX = 256
"""Values that a condition tests; one with more is left as it is under any context."""
Known = frozenset[int]
"""Literals that hold."""
NOTHING: Known = frozenset()
Bound = tuple[int, int, int]
"""x, y and k of x < y + k; a constant y + k has y = -1."""


def literals_of(nodes: Sequence[Node], literal: int) -> set[int]:
    """Literals that say together that this one holds."""
    ref, holds = literal // 2, not literal & 1
    node = nodes[ref]
    if node.op == "not":
        return literals_of(nodes, 2 * node.args[0] + holds)
    if node.op == ("all" if holds else "any"):
        return {lit for a in node.args for lit in literals_of(nodes, 2 * a + (not holds))}
    return {literal}


def tested(nodes: Sequence[Node], ref: int) -> tuple[int, list[tuple[int, int]]] | None:
    """A test of a value against constants: the value, and the ranges for which it holds."""
    node = nodes[ref]
    if node.op == "member":
        return node.args[0], list(zip(node.attrs[0::2], node.attrs[1::2], strict=True))
    if node.op == "eq" and nodes[node.args[1]].op == "const":
        return node.args[0], [(nodes[node.args[1]].lo, nodes[node.args[1]].lo)]
    return None


def narrower(some: Iterable[tuple[int, int]], other: Sequence[tuple[int, int]]) -> bool:
    """Whether each of some ranges lies inside of another one."""
    return all(any(lo <= first and last <= hi for lo, hi in other) for first, last in some)


def apart(some: Iterable[tuple[int, int]], other: Sequence[tuple[int, int]]) -> bool:
    """Whether none of some ranges has a value of another one."""
    return all(last < lo or hi < first for first, last in some for lo, hi in other)


def in_context(nodes: Sequence[Node], graph: Graph) -> list[int]:
    """The nodes in another graph, each with the value that it had."""
    return _Contexts(nodes, graph).run()


class _Contexts:
    def __init__(self, nodes: Sequence[Node], graph: Graph) -> None:
        self.nodes, self.graph = nodes, graph
        self.of: list[int] = []
        self._subjects: list[frozenset[int]] = []
        """For each condition what it is about: its values, and itself where it is simple."""
        self._made: dict[tuple[int, Known], int] = {}

    def run(self) -> list[int]:
        for ref, node in enumerate(self.nodes):
            self._subjects.append(self._about(ref))
            if node.op in ("all", "any"):
                self.of.append(self._joined(ref, NOTHING, 0))
            else:
                self.of.append(REBUILD[node.op](self.graph, [self.of[a] for a in node.args], node.attrs))
        return self.of

    def _about(self, ref: int) -> frozenset[int]:
        node = self.nodes[ref]
        if not node.is_bool or node.op == "const":
            return frozenset()
        if node.op in ("all", "any", "not"):
            return frozenset().union(*(self._subjects[a] for a in node.args))
        return frozenset([ref, *node.args])

    def _under(self, ref: int, known: Known, depth: int) -> int:
        """A condition where these literals hold."""
        subjects, node = self._subjects[ref], self.nodes[ref]
        if not known or depth == DEPTH_MAX or len(subjects) > SUBJECTS_MAX:
            return self.of[ref]
        known = frozenset(lit for lit in known if not subjects.isdisjoint(self._subjects[lit // 2]))
        if not known:
            return self.of[ref]
        found = self._made.get((ref, known))
        if found is None:
            if node.op == "not":
                found = self.graph.invert(self._under(node.args[0], known, depth))
            elif node.op in ("all", "any"):
                found = self._joined(ref, known, depth)
            else:
                value = self._decided(ref, known)
                found = self.of[ref] if value is None else self.graph.const(value)
            self._made[ref, known] = found
        return found

    def _joined(self, ref: int, known: Known, depth: int) -> int:
        node = self.nodes[ref]
        holds = node.op == "all"
        simple = [a for a in node.args if self._is_simple(a)]
        others = sorted(set(node.args) - set(simple), key=lambda a: (len(self._subjects[a]), a))
        made = [self._under(a, known, depth) for a in simple]
        if others:
            known = known.union(*(self._said(a, holds) for a in simple))
        for other in others:
            made.append(self._under(other, known, depth + 1))
            known |= self._said(other, holds)
        return self.graph.all(*made) if holds else self.graph.any(*made)

    def _is_simple(self, ref: int) -> bool:
        node = self.nodes[ref]
        return (self.nodes[node.args[0]] if node.op == "not" else node).op not in ("all", "any")

    def _said(self, ref: int, holds: bool) -> set[int]:
        """Simple literals that follow from it."""
        if len(self._subjects[ref]) > SUBJECTS_MAX:
            return set()
        return {lit for lit in literals_of(self.nodes, 2 * ref + (not holds)) if self._is_simple(lit // 2)}

    def _decided(self, ref: int, known: Known) -> int | None:
        """The value of a simple condition, if what is known says it."""
        if 2 * ref in known or 2 * ref + 1 in known:
            return int(2 * ref in known)
        test, bound = tested(self.nodes, ref), self._bound(ref)
        for literal in known:
            other, holds = literal // 2, not literal & 1
            if test is not None and (told := tested(self.nodes, other)) is not None and told[0] == test[0]:
                if holds and narrower(told[1], test[1]):
                    return 1
                if holds and apart(told[1], test[1]):
                    return 0
                if not holds and narrower(test[1], told[1]):
                    return 0
            if bound is not None and (said := self._bound(other)) is not None and said[:2] == bound[:2]:
                if holds and said[2] <= bound[2]:
                    return 1
                if not holds and said[2] >= bound[2]:
                    return 0
        return None

    def _bound(self, ref: int) -> Bound | None:
        node = self.nodes[ref]
        if node.op != "lt":
            return None
        x, y = node.args
        right = self.nodes[y]
        if right.op == "const":
            return x, -1, right.lo
        plus = self.nodes[right.args[1]] if right.op == "add" else None
        return (x, right.args[0], plus.lo) if plus is not None and plus.op == "const" else (x, y, 0)
