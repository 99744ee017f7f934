"""Events on the edge of a rule, found by z3: the Plan's graph as bit vectors.

One idea: a node becomes a two's complement bit vector wide enough for its interval, so that no operation can wrap;
the event is an array of bytes, and its two lengths are variables. Needs the ``z3-solver`` package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import z3

from sevenm.boundary import PORTS, SIZE_MAX
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import TIME_MAX, Node, complete

TIMEOUT_MS = 2000
"""Time for one question; one that takes longer counts as unanswered."""
SET_RANGES = 4
"""Ranges of a set whose edges are tried."""
ADDRESS_BITS = 32
"""Width of byte offsets: more than any base of a load can reach."""
CAPTURED_MAX = 384
"""Captured bytes of the longest event that is looked for."""


@dataclass(frozen=True, slots=True)
class Event:
    """A frame or record: the captured bytes and the size on the wire."""

    data: bytes
    wire_len: int
    ts_ns: int = 0
    port: int = 0


def _width(lo: int, hi: int) -> int:
    """Bits of a two's complement number that holds [lo, hi]."""
    return max(hi.bit_length() if hi >= 0 else (-hi - 1).bit_length(), (-lo - 1).bit_length() if lo < 0 else 0) + 1


def _resize(value: Any, width: int) -> Any:
    have = value.size()
    if have < width:
        return z3.SignExt(width - have, value)
    return value if have == width else z3.Extract(width - 1, 0, value)


class EventSolver:
    """Asks for events by what nodes of one Plan are worth on them."""

    def __init__(self, plan: Plan) -> None:
        if plan.states:
            raise ValueError(f"the solver looks for one event; state {plan.states[0].name} depends on earlier ones")
        self.plan = plan
        self._bytes = z3.Array("bytes", z3.BitVecSort(ADDRESS_BITS), z3.BitVecSort(8))
        self._captured = z3.BitVec("captured", _width(0, CAPTURED_MAX))
        self._size = z3.BitVec("size", _width(0, SIZE_MAX))
        self._time, self._port = z3.BitVec("time", _width(0, TIME_MAX)), z3.BitVec("port", _width(0, PORTS - 1))
        self._solver = z3.Solver()
        self._solver.set("timeout", TIMEOUT_MS)
        size = _resize(self._size, 32)
        captured = _resize(self._captured, 32)
        self._solver.add(captured >= 0, captured <= CAPTURED_MAX, size >= 0, size <= SIZE_MAX, captured <= size)
        self._solver.add(self._time >= 0, self._port >= 0, self._port <= PORTS - 1)
        self._values: list[Any] = []
        for node in plan.nodes:
            self._values.append(self._translate(node))

    def find(self, *wanted: tuple[int, int], differ: tuple[int, int, int] | None = None) -> Event | None:
        """An event on which every (node, value) of ``wanted`` holds, and a - b == d for ``differ`` (a, b, d);
        None if there is none or it was not found in time."""
        self._solver.push()
        try:
            for ref, value in wanted:
                self._solver.add(self._values[ref] == value)
            if differ is not None:
                a, b, d = differ
                nodes = self.plan.nodes
                width = max(_width(nodes[a].lo, nodes[a].hi), _width(nodes[b].lo, nodes[b].hi)) + 2
                self._solver.add(_resize(self._values[a], width) - _resize(self._values[b], width) == d)
            if self._solver.check() != z3.sat:
                return None
            return self._event(self._solver.model())
        finally:
            self._solver.pop()

    def boundaries(self, root: int) -> Iterator[Event]:
        """Events on which the root is true, is false, and on which the sides of each comparison that it is made of
        are one below, equal and one above each other, with the root true where it can be."""
        for value in (1, 0):
            yield from self._found(self.find((root, value)))
        for ref in self._comparisons(root):
            node = self.plan.nodes[ref]
            if node.op == "member":
                x = node.args[0]
                for edge in self._set_edges(node):
                    yield from self._found(self.find((root, 1), (x, edge)) or self.find((x, edge)))
            else:
                a, b = node.args
                for d in (-1, 0, 1):
                    yield from self._found(self.find((root, 1), differ=(a, b, d)) or self.find(differ=(a, b, d)))

    @staticmethod
    def _found(event: Event | None) -> Iterator[Event]:
        if event is not None:
            yield event

    def _comparisons(self, root: int) -> list[int]:
        found, stack, seen = [], [root], set()
        while stack:
            ref = stack.pop()
            if ref in seen:
                continue
            seen.add(ref)
            node = self.plan.nodes[ref]
            if node.op in ("eq", "lt", "member"):
                found.append(ref)
            stack += node.args
        return sorted(found)

    def _set_edges(self, node: Node) -> list[int]:
        """The values just inside and just outside of the first ranges of a member node."""
        x = self.plan.nodes[node.args[0]]
        edges = {v for lo, hi in list(_pairs(node.attrs))[:SET_RANGES] for v in (lo - 1, lo, hi, hi + 1)}
        return sorted(v for v in edges if x.lo <= v <= x.hi)

    def _event(self, model: Any) -> Event:
        def number(value: Any) -> int:
            found: int = model.eval(value, model_completion=True).as_long()
            return found

        data = bytes(
            number(z3.Select(self._bytes, z3.BitVecVal(at, ADDRESS_BITS))) for at in range(number(self._captured))
        )
        return Event(data, number(self._size), number(self._time), number(self._port))

    def _translate(self, node: Node) -> Any:
        width = _width(node.lo, node.hi)
        args = [self._values[a] for a in node.args]
        match node.op:
            case "const":
                return z3.BitVecVal(node.attrs[0], width)
            case "captured":
                most = z3.BitVecVal(min(node.attrs[0], CAPTURED_MAX), self._captured.size())
                return _resize(z3.If(self._captured > most, most, self._captured), width)
            case "size":
                return self._size
            case "time":
                return self._time
            case "port":
                return self._port
            case "hit" | "value":
                return self._look_up(node, args, width)
            case "load":
                return self._load(node, args[0], width)
            case "bits":
                lsb, count = node.attrs
                wide = _resize(args[0], max(args[0].size(), lsb + count))
                return _resize(z3.ZeroExt(1, z3.Extract(lsb + count - 1, lsb, wide)), width)
            case "signed":
                return _resize(z3.Extract(node.attrs[0] - 1, 0, _resize(args[0], node.attrs[0] + 1)), width)
            case "all" | "any" | "not" | "mux":
                return self._logic(node, args, width)
            case "member":
                return self._flag(z3.Or([self._between(args[0], lo, hi) for lo, hi in _pairs(node.attrs)]))
        return self._arithmetic(node, args, width)

    def _logic(self, node: Node, args: list[Any], width: int) -> Any:
        if node.op == "mux":
            return z3.If(args[0] == 1, _resize(args[1], width), _resize(args[2], width))
        if node.op == "not":
            return self._flag(args[0] == 0)
        terms = [a == 1 for a in args]
        return self._flag(z3.And(terms) if node.op == "all" else z3.Or(terms))

    def _arithmetic(self, node: Node, args: list[Any], width: int) -> Any:
        wide = max(width, *(a.size() for a in args)) + 1
        if node.op in ("quo", "rem", "shl", "shr"):
            return self._by_value(node, args, width, wide)
        if node.op in ("div", "mod"):
            divisor = z3.BitVecVal(node.attrs[0], max(wide, _width(0, node.attrs[0])))
            x = _resize(args[0], divisor.size())
            remainder = z3.SRem(x, divisor)
            floor_remainder = z3.If(remainder < 0, remainder + divisor, remainder)
            return _resize(floor_remainder if node.op == "mod" else (x - floor_remainder) / divisor, width)
        a, b = (_resize(x, wide) for x in args)
        match node.op:
            case "eq":
                return self._flag(a == b)
            case "lt":
                return self._flag(a < b)
            case "add":
                return _resize(a + b, width)
            case "sub":
                return _resize(a - b, width)
            case "mul":
                return _resize(a * b, width)
            case "band":
                return _resize(a & b, width)
            case "bor":
                return _resize(a | b, width)
            case _:
                return _resize(a ^ b, width)

    @staticmethod
    def _by_value(node: Node, args: list[Any], width: int, wide: int) -> Any:
        """Operands are not negative, so unsigned and signed division are one."""
        a, b = (_resize(x, wide) for x in args)
        if node.op in ("shl", "shr"):
            return _resize(a << b if node.op == "shl" else z3.LShR(a, b), width)
        result = z3.UDiv(a, b) if node.op == "quo" else z3.URem(a, b)
        return _resize(z3.If(b == 0, z3.BitVecVal(0, wide), result), width)

    def _look_up(self, node: Node, args: list[Any], width: int) -> Any:
        """The rows as they are, the last one innermost: the first that matches counts."""
        table = self.plan.tables[node.attrs[0]]
        found = z3.BitVecVal(0, width)
        for row in reversed(table.rows):
            holds = []
            for key, (a, b), x in zip(table.keys, row.keys, args, strict=True):
                span = key.span((a, b))
                if span is None:
                    x = _resize(x, max(x.size(), key.width + 1))
                    holds.append(x & z3.BitVecVal(b, x.size()) == z3.BitVecVal(a, x.size()))
                else:
                    holds.append(self._between(x, *span))
            value = 1 if node.op == "hit" else row.values[node.attrs[1]]
            found = z3.If(z3.And(holds), z3.BitVecVal(value, width), found)
        return found

    @staticmethod
    def _flag(condition: Any) -> Any:
        """A boolean node: 0 or 1 in two's complement of two bits."""
        return z3.If(condition, z3.BitVecVal(1, 2), z3.BitVecVal(0, 2))

    @staticmethod
    def _between(x: Any, lo: int, hi: int) -> Any:
        width = max(x.size(), _width(lo, hi))
        x = _resize(x, width)
        return z3.And(x >= lo, x <= hi)

    def _load(self, node: Node, base: Any, width: int) -> Any:
        disp, count, little = node.attrs
        start = _resize(base, ADDRESS_BITS) + disp
        order = range(count - 1, -1, -1) if little else range(count)
        data = [z3.Select(self._bytes, start + at) for at in order]
        value = z3.ZeroExt(1, z3.Concat(*data) if count > 1 else data[0])
        inside = _resize(base, 32) + (disp + count) <= _resize(self._captured, 32)
        return z3.If(inside, _resize(value, width), z3.BitVecVal(0, width))


complete(
    {
        "const", "captured", "size", "time", "port", "load", "hit", "value", "bits", "signed", "add", "sub", "mul",
        "div", "mod", "quo", "rem", "shl", "shr", "band", "bor", "bxor", "eq", "lt", "all", "any", "not", "mux",
        "member",
    },
    "the solver",
    refuses={"old", "known"},
)  # fmt: skip


def _pairs(flat: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return zip(flat[0::2], flat[1::2], strict=True)
