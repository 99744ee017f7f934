"""The expression graph of a Plan: a hash-consed DAG over exact integers.

One idea: every value in a Plan, from "the IPv4 header starts at byte 18" to "rule web fires", is a node
of one graph, and a node's value is a mathematical integer that lies in a known interval. There is no
overflow and no reinterpretation to agree about; a back end picks the smallest type that holds the interval.
Booleans are the integers 0 and 1.

Operations (``args`` are earlier nodes, ``attrs`` are plain integers):

========  =============  ==========================  ====================================================
op        args           attrs                       value
========  =============  ==========================  ====================================================
const                    value                       the value
seen                                                 visible bytes of the event: min(captured, WINDOW)
size                                                 bytes on the wire, saturated at SIZE_MAX
load      base           disp, count, little         bytes [base+disp, +count) as an unsigned integer, big
                                                     endian unless ``little``; 0 unless all are visible
bits      x              lsb, width                  floor(x / 2**lsb) mod 2**width
signed    x              width                       two's complement reading of x, 0 <= x < 2**width
add sub   a b                                        exact
mul       a b                                        exact
div mod   a              divisor (> 0)               floor division and its remainder
band bor  a b                                        bitwise, on unbounded two's complement
bxor
eq lt     a b                                        1 if a == b (a < b), else 0
all any   bool...                                    conjunction, disjunction; at least two operands
not       bool                                       1 - x
mux       bool t f                                   t if the condition is 1, else f
member    x              lo0, hi0, lo1, hi1, ...     1 if x lies in one of the ranges (inclusive, ascending,
                                                     disjoint, not adjacent)
========  =============  ==========================  ====================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW = 256
"""Bytes at the start of an event that rules can see."""
SIZE_MAX = 0xFFFF
"""Largest size on the wire that a rule can tell from a larger one (the core's size sideband has 16 bits)."""
LOAD_MAX = 16
"""Bytes in the longest load: an IPv6 address."""
U_MAX = (1 << 128) - 1
S_MIN = -(1 << 127)
S_MAX = (1 << 127) - 1
MEMBER_RANGES_MAX = 65536
"""Ranges in one ``member`` node."""

ARITY: dict[str, int | None] = {
    "const": 0, "seen": 0, "size": 0, "load": 1, "bits": 1, "signed": 1, "add": 2, "sub": 2, "mul": 2, "div": 1,
    "mod": 1, "band": 2, "bor": 2, "bxor": 2, "eq": 2, "lt": 2, "all": None, "any": None, "not": 1, "mux": 3,
    "member": 1,
}  # fmt: skip
"""Operands of each operation; None is two or more."""


class RangeError(ValueError):
    """A value could leave the 128 bits that every back end can hold."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value. ``lo`` and ``hi`` bound it (inclusive)."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[int, ...]
    lo: int
    hi: int

    @property
    def is_bool(self) -> bool:
        return self.lo >= 0 and self.hi <= 1

    @property
    def is_signed(self) -> bool:
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits that hold every value in [lo, hi]: two's complement if ``is_signed``, else plain; at least 1."""
        if self.lo < 0:
            return max(self.hi.bit_length(), (-self.lo - 1).bit_length()) + 1
        return max(1, self.hi.bit_length())


def representable(lo: int, hi: int) -> bool:
    """Whether one 128-bit type, signed or unsigned, holds the whole interval."""
    return (lo >= 0 and hi <= U_MAX) or (lo >= S_MIN and hi <= S_MAX)


def _pow2_span(*values: int) -> int:
    """Smallest 2**n - 1 that is not below any of the magnitudes."""
    return (1 << max(v.bit_length() if v >= 0 else (-v - 1).bit_length() for v in values)) - 1


def interval(op: str, args: Sequence[Node], attrs: Sequence[int]) -> tuple[int, int]:
    """Bounds of an operation's value from those of its operands. Raises RangeError past 128 bits."""
    lo, hi = _interval(op, args, attrs)
    if not representable(lo, hi):
        raise RangeError(f"the result can be {lo} to {hi}, more than 128 bits hold")
    if op in ("eq", "lt") and not representable(min(a.lo for a in args), max(a.hi for a in args)):
        raise RangeError(f"{op} compares a signed value with one that needs all 128 bits")
    return lo, hi


def _interval(op: str, args: Sequence[Node], attrs: Sequence[int]) -> tuple[int, int]:
    match op:
        case "const":
            return attrs[0], attrs[0]
        case "seen":
            return 0, WINDOW
        case "size":
            return 0, SIZE_MAX
        case "load":
            return 0, (1 << 8 * attrs[1]) - 1
        case "bits":
            lsb, width = attrs
            if args[0].lo >= 0:
                return 0, min((1 << width) - 1, args[0].hi >> lsb)
            return 0, (1 << width) - 1
        case "signed":
            return -(1 << (attrs[0] - 1)), (1 << (attrs[0] - 1)) - 1
        case "add":
            return args[0].lo + args[1].lo, args[0].hi + args[1].hi
        case "sub":
            return args[0].lo - args[1].hi, args[0].hi - args[1].lo
        case "mul":
            corners = [x * y for x in (args[0].lo, args[0].hi) for y in (args[1].lo, args[1].hi)]
            return min(corners), max(corners)
        case "div":
            return args[0].lo // attrs[0], args[0].hi // attrs[0]
        case "mod":
            return 0, attrs[0] - 1 if args[0].lo < 0 else min(args[0].hi, attrs[0] - 1)
        case "band":
            a, b = args
            if a.lo >= 0 and b.lo >= 0:
                return 0, min(a.hi, b.hi)
            if a.lo >= 0 or b.lo >= 0:
                return 0, a.hi if a.lo >= 0 else b.hi
            span = _pow2_span(a.lo, a.hi, b.lo, b.hi)
            return -span - 1, span
        case "bor" | "bxor":
            a, b = args
            span = _pow2_span(a.lo, a.hi, b.lo, b.hi)
            return (0, span) if a.lo >= 0 and b.lo >= 0 else (-span - 1, span)
        case "mux":
            return min(args[1].lo, args[2].lo), max(args[1].hi, args[2].hi)
        case _:
            return 0, 1


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
        lo, hi = interval(op, [self.nodes[a] for a in args], attrs)
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

    # leaves

    def const(self, value: int) -> int:
        return self._make("const", (), (value,))

    def seen(self) -> int:
        return self._make("seen")

    def size(self) -> int:
        return self._make("size")

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
        if self.nodes[base].lo + disp + count > WINDOW:
            return self.false
        return self._make("load", (base,), (disp, count, int(little and count > 1)))

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


def live(nodes: Sequence[Node], roots: Iterable[int]) -> list[int]:
    """Node numbers that the roots depend on, ascending."""
    needed = set(roots)
    for ref in range(len(nodes) - 1, -1, -1):
        if ref in needed:
            needed.update(nodes[ref].args)
    return sorted(needed)
