"""The expression graph of a Plan: a hash-consed DAG over exact integers.

One idea: every value in a Plan, from "the IPv4 header starts at byte 18" to "rule web fires", is a node of one graph,
and a node's value is a mathematical integer that lies in a known interval. There is no overflow and no
reinterpretation to agree about; a back end picks the smallest type that holds the interval. The operations are those
of ``sevenm.compiler.plan.ops``; here they are built, each equal one once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from sevenm.boundary import CAPTURE_MAX

from .ops import LEAVES, LOAD_MAX, MEMBER_RANGES_MAX, OPS, Node, RangeError, complete, interval


class Graph:
    """Builds nodes: equal ones are made once, constants are folded, trivial logic is simplified.

    Every method takes and returns node numbers. A node's operands always have smaller numbers.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._index: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = {}
        self.false = self.const(0)
        self.true = self.const(1)

    def __getitem__(self, ref: int) -> Node:
        return self.nodes[ref]

    def _make(self, op: str, args: tuple[int, ...] = (), attrs: tuple[int, ...] = ()) -> int:
        key = (op, args, attrs)
        found = self._index.get(key)
        if found is not None:
            return found
        operands = [self.nodes[a] for a in args]
        if not OPS[op].fits(operands, attrs):
            raise ValueError(f"{op} does not take the operands {operands} with {attrs}")
        lo, hi = interval(op, operands, attrs)
        if op != "const" and lo == hi:
            ref = self.const(lo)
        else:
            ref = len(self.nodes)
            self.nodes.append(Node(op, args, attrs, lo, hi))
        self._index[key] = ref
        return ref

    def value(self, ref: int) -> int | None:
        """The value of a constant node, else None."""
        node = self.nodes[ref]
        return node.attrs[0] if node.op == "const" else None

    def assume(self, leaf: int, lo: int, hi: int) -> None:
        """Narrows what is known of a leaf, before anything is built from it: all that follows holds only of events for
        which that is so. Raises ValueError for an interval that is not inside of what the leaf can be."""
        node = self.nodes[leaf]
        if node.op not in LEAVES or not node.lo <= lo <= hi <= node.hi:
            raise ValueError(f"{node.op} of {node.lo} to {node.hi} cannot be assumed to be {lo} to {hi}")
        self.nodes[leaf] = replace(node, lo=lo, hi=hi)

    # leaves

    def const(self, value: int) -> int:
        return self._make("const", (), (value,))

    def captured(self, most: int = CAPTURE_MAX) -> int:
        """Captured bytes of the event, saturated at ``most``."""
        return self._make("captured", (), (most,))

    def size(self) -> int:
        return self._make("size")

    def time(self) -> int:
        return self._make("time")

    def port(self) -> int:
        return self._make("port")

    def load(self, base: int, disp: int, count: int, little: bool = False) -> int:
        """Unsigned integer of ``count`` bytes at ``base + disp``; a constant part of base moves into disp."""
        node = self.nodes[base]
        if node.op == "const" and node.attrs[0]:
            base, disp = self.const(0), disp + node.attrs[0]
        elif node.op == "add" and self.nodes[node.args[1]].op == "const":
            base, disp = node.args[0], disp + self.nodes[node.args[1]].attrs[0]
        if not 1 <= count <= LOAD_MAX:
            raise ValueError(f"a load takes 1 to {LOAD_MAX} bytes, not {count}")
        if self.nodes[base].lo + disp < 0 or disp < 0:
            raise ValueError(f"a load starts {-disp} bytes before its base")
        if self.nodes[base].lo + disp + count > CAPTURE_MAX:
            return self.false
        return self._make("load", (base,), (disp, count, int(little and count > 1)))

    # tables and state

    def hit(self, table: int, keys: Sequence[int]) -> int:
        """Whether a row of the table matches; the content is never looked at."""
        return self._make("hit", tuple(keys), (table,))

    def value_of(self, table: int, column: int, keys: Sequence[int], lo: int, hi: int) -> int:
        """A value column of the first row that matches, 0 where none does; [lo, hi] is declared and holds 0."""
        return self._make("value", tuple(keys), (table, column, lo, hi))

    def old(self, state: int, cell: int, lo: int, hi: int) -> int:
        return self._make("old", (), (state, cell, lo, hi))

    def known(self, state: int) -> int:
        return self._make("known", (), (state,))

    # arithmetic

    def _binary(self, op: str, a: int, b: int, fold: int | None) -> int:
        return self._make(op, (a, b)) if fold is None else self.const(fold)

    def add(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        if x is not None and y is None:
            a, b, x, y = b, a, y, x
        if y == 0:
            return a
        node = self.nodes[a]
        if y is not None and node.op == "add" and (inner := self.value(node.args[1])) is not None:
            return self.add(node.args[0], self.const(inner + y))
        if y is None and a > b:
            a, b = b, a
        return self._binary("add", a, b, None if x is None or y is None else x + y)

    def sub(self, a: int, b: int) -> int:
        if a == b:
            return self.false
        x, y = self.value(a), self.value(b)
        if y is not None:
            return self.add(a, self.const(-y))
        return self._binary("sub", a, b, None if x is None or y is None else x - y)

    def mul(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        if x is not None and y is None:
            a, b, x, y = b, a, y, x
        if y == 1:
            return a
        if y is None and a > b:
            a, b = b, a
        return self._binary("mul", a, b, None if x is None or y is None else x * y)

    def div(self, a: int, divisor: int) -> int:
        if divisor <= 0:
            raise ValueError(f"a divisor must be a positive constant, not {divisor}")
        x = self.value(a)
        if divisor == 1:
            return a
        return self._make("div", (a,), (divisor,)) if x is None else self.const(x // divisor)

    def mod(self, a: int, divisor: int) -> int:
        if divisor <= 0:
            raise ValueError(f"a divisor must be a positive constant, not {divisor}")
        x = self.value(a)
        return self._make("mod", (a,), (divisor,)) if x is None else self.const(x % divisor)

    def quo(self, a: int, b: int) -> int:
        return self._by_value("quo", a, b)

    def rem(self, a: int, b: int) -> int:
        return self._by_value("rem", a, b)

    def shl(self, a: int, b: int) -> int:
        return self._by_value("shl", a, b)

    def shr(self, a: int, b: int) -> int:
        return self._by_value("shr", a, b)

    def _by_value(self, op: str, a: int, b: int) -> int:
        """By a constant these are the operations that every back end has had from the start."""
        x, y = self.value(a), self.value(b)
        exact = OPS[op].exact
        assert exact is not None
        if x is not None and y is not None:
            return self.const(exact((x, y), ()))
        if y is None:
            return self._make(op, (a, b))
        if op in ("shl", "shr"):
            return self.mul(a, self.const(1 << y)) if op == "shl" else self.div(a, 1 << y)
        if y == 0:
            return self.false
        return self.div(a, y) if op == "quo" else self.mod(a, y)

    def bits(self, a: int, lsb: int, width: int) -> int:
        x, node = self.value(a), self.nodes[a]
        if x is not None:
            return self.const((x >> lsb) & ((1 << width) - 1))
        if lsb == 0 and node.lo >= 0 and node.width <= width:
            return a
        if node.op == "bits" and lsb + width <= node.attrs[1]:
            return self.bits(node.args[0], node.attrs[0] + lsb, width)
        return self._make("bits", (a,), (lsb, width))

    def signed(self, a: int, width: int) -> int:
        x = self.value(a)
        if x is not None:
            return self.const(x - (1 << width) if x >> (width - 1) else x)
        if self.nodes[a].hi < 1 << (width - 1):
            return a
        return self._make("signed", (a,), (width,))

    def band(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        if x is not None and y is None:
            a, b, x, y = b, a, y, x
        if y is not None and x is None:
            node = self.nodes[a]
            if y == 0:
                return self.false
            low = (y & -y).bit_length() - 1
            if y > 0 and (y >> low) & ((y >> low) + 1) == 0 and low == 0 and node.lo >= 0:
                return self.bits(a, 0, y.bit_length())
        elif y is None and a > b:
            a, b = b, a
        return self._binary("band", a, b, None if x is None or y is None else x & y)

    def bor(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        return self._binary("bor", min(a, b), max(a, b), None if x is None or y is None else x | y)

    def bxor(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        return self._binary("bxor", min(a, b), max(a, b), None if x is None or y is None else x ^ y)

    # comparison

    def eq(self, a: int, b: int) -> int:
        x, y = self.value(a), self.value(b)
        if x is not None and y is None:
            a, b, x, y = b, a, y, x
        na, nb = self.nodes[a], self.nodes[b]
        if a == b:
            return self.true
        if na.hi < nb.lo or nb.hi < na.lo:
            return self.false
        if y is not None and na.is_bool:
            return a if y else self.invert(a)
        if y is None and a > b:
            a, b = b, a
        return self._make("eq", (a, b))

    def ne(self, a: int, b: int) -> int:
        return self.invert(self.eq(a, b))

    def lt(self, a: int, b: int) -> int:
        na, nb = self.nodes[a], self.nodes[b]
        if na.hi < nb.lo:
            return self.true
        if na.lo >= nb.hi or a == b:
            return self.false
        return self._make("lt", (a, b))

    def le(self, a: int, b: int) -> int:
        return self.invert(self.lt(b, a))

    def member(self, a: int, ranges: Iterable[tuple[int, int]]) -> int:
        """Membership in the union of inclusive ranges, which may come in any order and overlap."""
        node = self.nodes[a]
        merged: list[list[int]] = []
        for lo, hi in sorted(ranges):
            lo, hi = max(lo, node.lo), min(hi, node.hi)
            if lo > hi:
                continue
            if merged and lo <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], hi)
            else:
                merged.append([lo, hi])
        if len(merged) > MEMBER_RANGES_MAX:
            raise RangeError(f"a set holds at most {MEMBER_RANGES_MAX} ranges, not {len(merged)}")
        if not merged:
            return self.false
        if merged == [[node.lo, node.hi]]:
            return self.true
        if len(merged) == 1 and merged[0][0] == merged[0][1]:
            return self.eq(a, self.const(merged[0][0]))
        return self._make("member", (a,), tuple(v for pair in merged for v in pair))

    # logic

    def _junction(self, op: str, operands: Iterable[int], unit: int, zero: int) -> int:
        flat: list[int] = []
        for ref in operands:
            node = self.nodes[ref]
            if not node.is_bool:
                raise ValueError(f"{op} takes booleans, not {node.op}")
            flat += node.args if node.op == op else (ref,)
        keep = sorted(set(flat) - {unit})
        present = set(keep)
        if zero in present or any(self.nodes[r].op == "not" and self.nodes[r].args[0] in present for r in keep):
            return zero
        if not keep:
            return unit
        return keep[0] if len(keep) == 1 else self._make(op, tuple(keep))

    def all(self, *operands: int) -> int:
        return self._junction("all", operands, self.true, self.false)

    def any(self, *operands: int) -> int:
        return self._junction("any", operands, self.false, self.true)

    def invert(self, a: int) -> int:
        node = self.nodes[a]
        if node.op == "not":
            return node.args[0]
        x = self.value(a)
        return self._make("not", (a,)) if x is None else self.const(1 - x)

    def mux(self, cond: int, then: int, other: int) -> int:
        c = self.value(cond)
        if c is not None:
            return then if c else other
        if then == other:
            return then
        if self.nodes[then].is_bool and self.nodes[other].is_bool:
            return self.any(self.all(cond, then), self.all(self.invert(cond), other))
        return self._make("mux", (cond, then, other))


Rebuild = Callable[[Graph, Sequence[int], Sequence[int]], int]
REBUILD: dict[str, Rebuild] = {
    "const": lambda g, _, k: g.const(k[0]),
    "captured": lambda g, _, k: g.captured(k[0]),
    "size": lambda g, _, __: g.size(),
    "time": lambda g, _, __: g.time(),
    "port": lambda g, _, __: g.port(),
    "load": lambda g, a, k: g.load(a[0], k[0], k[1], bool(k[2])),
    "hit": lambda g, a, k: g.hit(k[0], a),
    "value": lambda g, a, k: g.value_of(k[0], k[1], a, k[2], k[3]),
    "old": lambda g, _, k: g.old(*k),
    "known": lambda g, _, k: g.known(k[0]),
    "bits": lambda g, a, k: g.bits(a[0], k[0], k[1]),
    "signed": lambda g, a, k: g.signed(a[0], k[0]),
    "add": lambda g, a, _: g.add(*a),
    "sub": lambda g, a, _: g.sub(*a),
    "mul": lambda g, a, _: g.mul(*a),
    "div": lambda g, a, k: g.div(a[0], k[0]),
    "mod": lambda g, a, k: g.mod(a[0], k[0]),
    "quo": lambda g, a, _: g.quo(*a),
    "rem": lambda g, a, _: g.rem(*a),
    "shl": lambda g, a, _: g.shl(*a),
    "shr": lambda g, a, _: g.shr(*a),
    "band": lambda g, a, _: g.band(*a),
    "bor": lambda g, a, _: g.bor(*a),
    "bxor": lambda g, a, _: g.bxor(*a),
    "eq": lambda g, a, _: g.eq(*a),
    "lt": lambda g, a, _: g.lt(*a),
    "all": lambda g, a, _: g.all(*a),
    "any": lambda g, a, _: g.any(*a),
    "not": lambda g, a, _: g.invert(a[0]),
    "mux": lambda g, a, _: g.mux(*a),
    "member": lambda g, a, k: g.member(a[0], zip(k[0::2], k[1::2], strict=True)),
}
"""How a pass builds a node anew, folded and shared once more: (graph, operands, attributes) to node."""
complete(REBUILD, "the graph's builder")


def rebuild(graph: Graph, nodes: Sequence[Node], skip: Callable[[int], int | None] = lambda _: None) -> list[int]:
    """The nodes in another graph, in order; where ``skip`` gives a node of that graph, it stands instead."""
    new: list[int] = []
    for ref, node in enumerate(nodes):
        instead = skip(ref)
        new.append(REBUILD[node.op](graph, [new[a] for a in node.args], node.attrs) if instead is None else instead)
    return new


def live(nodes: Sequence[Node], roots: Iterable[int]) -> list[int]:
    """Node numbers that the roots depend on, ascending."""
    needed = set(roots)
    for ref in range(len(nodes) - 1, -1, -1):
        if ref in needed:
            needed.update(nodes[ref].args)
    return sorted(needed)
