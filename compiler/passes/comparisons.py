"""A graph that compares before it chooses: what is compared are the arms of a choice, not what was chosen.

One idea: a back end that works on columns pays for a value by its width, and next to nothing for a condition. So
``min(captured, end) < start + 8``, where end and start depend on the version of IP, becomes conditions over captured
bytes and length fields as they stand in the packet, put together by and and or; the wide columns in between are gone,
unless something else needs them. Each rewriting is an identity of exact integers:

    min(p, q) < b           p < b or q < b                    a < min(p, q)      a < p and a < q
    (c ? t : f) < (c ? u : g)    c ? t < u : f < g            (c ? t : f) < b    c ? t < b : f < b
    x + j < y + k           x < y + (k - j)                   floor(x / 2**n) = k    k * 2**n <= x < (k + 1) * 2**n
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sevenm.compiler.plan.graph import Graph

DEPTH_MAX = 5
"""Choices inside of one another that one comparison is taken through."""
Choice = tuple[int, int, int]


class ComparingGraph(Graph):
    """Builds the same values as ``Graph``."""

    def __init__(self) -> None:
        self._depth = 0
        self._smaller: set[tuple[int, int, int]] = set()
        """Conditions with the two values of which they say that the first is smaller."""
        self._least: set[int] = set()
        """Values that are the smaller one of two."""
        super().__init__()

    def lt(self, a: int, b: int) -> int:
        condition = self._lt(a, b)
        self._smaller.add((condition, a, b))
        return condition

    def mux(self, cond: int, then: int, other: int) -> int:
        ref = super().mux(cond, then, other)
        if self.nodes[ref].op == "mux" and (cond, then, other) in self._smaller:
            self._least.add(ref)
        return ref

    def _lt(self, a: int, b: int) -> int:
        a, b = self._without_common(self._plain(a), self._plain(b))
        simple = partial(Graph.lt, self)
        if self.value(simple(a, b)) is not None or self._depth == DEPTH_MAX:
            return simple(a, b)
        left, right = self._choice(a), self._choice(b)
        if left is not None and a in self._least:
            return self._deeper(lambda: self.any(self.lt(left[1], b), self.lt(left[2], b)))
        if right is not None and b in self._least:
            return self._deeper(lambda: self.all(self.lt(a, right[1]), self.lt(a, right[2])))
        if left is not None and right is not None and left[0] == right[0]:
            return self._chosen(left[0], lambda: self.lt(left[1], right[1]), lambda: self.lt(left[2], right[2]))
        if left is not None:
            return self._chosen(left[0], lambda: self.lt(left[1], b), lambda: self.lt(left[2], b))
        if right is not None:
            return self._chosen(right[0], lambda: self.lt(a, right[1]), lambda: self.lt(a, right[2]))
        return simple(a, b)

    def eq(self, a: int, b: int) -> int:
        if self.value(a) is not None:
            a, b = b, a
        constant, node = self.value(b), self.nodes[a]
        if constant is None or self._depth == DEPTH_MAX:
            return super().eq(a, b)
        if node.op == "bits" and node.attrs[0] and self.nodes[node.args[0]].op == "load":
            lsb, width = node.attrs
            if lsb + width >= self.nodes[node.args[0]].width and 0 <= constant < 1 << width:
                return self.member(node.args[0], [(constant << lsb, (constant + 1 << lsb) - 1)])
        choice = self._choice(a)
        if choice is None:
            return super().eq(a, b)
        return self._chosen(choice[0], lambda: self.eq(choice[1], b), lambda: self.eq(choice[2], b))

    def _plain(self, ref: int) -> int:
        """Without a field of bits that takes all of a least value, of which only one operand is that narrow."""
        node = self.nodes[ref]
        if node.op == "bits" and node.attrs[0] == 0 and node.args[0] in self._least:
            arms = self.nodes[node.args[0]].args[1:]
            if min(self.nodes[arm].width for arm in arms) <= node.attrs[1] and self.nodes[node.args[0]].lo >= 0:
                return node.args[0]
        return ref

    def _choice(self, ref: int) -> Choice | None:
        """Condition and arms, also of a choice to which a constant is added."""
        node = self.nodes[ref]
        if node.op == "mux":
            return node.args[0], node.args[1], node.args[2]
        if node.op == "add" and self.value(node.args[1]) is not None and self.nodes[node.args[0]].op == "mux":
            condition, then, other = self.nodes[node.args[0]].args
            return condition, self.add(then, node.args[1]), self.add(other, node.args[1])
        return None

    def _without_common(self, a: int, b: int) -> tuple[int, int]:
        """The two sides of a comparison less a constant that is added to both."""
        (x, j), (y, k) = self._parts(a), self._parts(b)
        common = min(j, k)
        if common <= 0 or (x is None and y is None):
            return a, b
        return self._sum(x, j - common), self._sum(y, k - common)

    def _parts(self, ref: int) -> tuple[int | None, int]:
        value, node = self.value(ref), self.nodes[ref]
        if value is not None:
            return None, value
        plus = self.value(node.args[1]) if node.op == "add" else None
        return (node.args[0], plus) if plus is not None else (ref, 0)

    def _sum(self, ref: int | None, plus: int) -> int:
        return self.const(plus) if ref is None else self.add(ref, self.const(plus))

    def _chosen(self, condition: int, then: Callable[[], int], other: Callable[[], int]) -> int:
        return self._deeper(lambda: self.mux(condition, then(), other()))

    def _deeper(self, made: Callable[[], int]) -> int:
        self._depth += 1
        try:
            return made()
        finally:
            self._depth -= 1
