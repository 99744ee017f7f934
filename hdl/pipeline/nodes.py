"""Nodes of a description: exact integers with known bounds, from which hardware gets its widths.

One idea: a value has no width of its own. It lies in [lo, hi], and a signal is made as wide as that needs; so nothing
overflows, and a description reads like arithmetic.

===========  =============  ==========================  ============================================================
op           args           attrs                       value
===========  =============  ==========================  ============================================================
const                       value                       the value
captured                                                bytes of the packet that came in, saturated at the
                                                        description's ``captured_max``
size                                                    bytes on the wire, saturated at 65535
time                                                    arrival in nanoseconds
port                                                    number of the lowest source port that is set, 0 if none is
load         base           at, bytes, little           these bytes from base + at on as an unsigned integer, big
                                                        endian unless ``little``; 0 unless all of them came in
bits         x              lsb, width                  floor(x / 2**lsb) mod 2**width
signed       x              width                       two's complement reading of x, 0 <= x < 2**width
add sub mul  a b                                        exact
div mod      a              divisor (> 0)               floor division and its remainder
band bor     a b                                        bitwise, on unbounded two's complement
bxor
shl shr      a b                                        a * 2**b, floor(a / 2**b); a and b are not negative
eq lt        a b                                        1 if a == b (a < b), else 0
all any      bool...                                    conjunction, disjunction; at least two operands
not          bool                                       1 - x
mux          bool t f                                   t if the condition is 1, else f
member       x              lo0, hi0, lo1, hi1, ...     1 if x lies in one of the ranges (inclusive, ascending,
                                                        disjoint, not adjacent)
hit          key...         table                       1 if a row of the table matches the keys
value        key...         table, column, lo, hi       that column of the row that counts, 0 without a match
===========  =============  ==========================  ============================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.boundary import PORTS, SIZE_MAX

TIME_MAX = (1 << 64) - 1
PORT_MAX = PORTS - 1

OPERATIONS = frozenset({
    "const", "captured", "size", "time", "port", "load", "bits", "signed", "add", "sub", "mul", "div", "mod", "band",
    "bor", "bxor", "shl", "shr", "eq", "lt", "all", "any", "not", "mux", "member",
    "hit", "value",
})  # fmt: skip
"""What a description can say."""


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


def _span(*values: int) -> int:
    """Smallest 2**n - 1 that is not below any of the magnitudes."""
    return (1 << max(v.bit_length() if v >= 0 else (-v - 1).bit_length() for v in values)) - 1


def bounds(op: str, args: Sequence[Node], attrs: Sequence[int], captured_max: int) -> tuple[int, int]:
    """Bounds of an operation's value from those of its operands."""
    match op:
        case "const":
            return attrs[0], attrs[0]
        case "captured":
            return 0, captured_max
        case "size":
            return 0, SIZE_MAX
        case "time":
            return 0, TIME_MAX
        case "port":
            return 0, PORT_MAX
        case "load":
            return 0, (1 << 8 * attrs[1]) - 1
        case "bits":
            top = (1 << attrs[1]) - 1
            return 0, min(top, args[0].hi >> attrs[0]) if args[0].lo >= 0 else top
        case "signed":
            return -(1 << (attrs[0] - 1)), (1 << (attrs[0] - 1)) - 1
        case "add":
            return args[0].lo + args[1].lo, args[0].hi + args[1].hi
        case "sub":
            return args[0].lo - args[1].hi, args[0].hi - args[1].lo
        case "mul":
            corners = [x * y for x in (args[0].lo, args[0].hi) for y in (args[1].lo, args[1].hi)]
            return min(corners), max(corners)
        case "shl":
            return args[0].lo << args[1].lo, args[0].hi << args[1].hi
        case "shr":
            return args[0].lo >> args[1].hi, args[0].hi >> args[1].lo
        case "div":
            return args[0].lo // attrs[0], args[0].hi // attrs[0]
        case "mod":
            return 0, attrs[0] - 1 if args[0].lo < 0 else min(args[0].hi, attrs[0] - 1)
        case "band" | "bor" | "bxor":
            return _bitwise(op, *args)
        case "value":
            return attrs[2], attrs[3]
        case "mux":
            return min(args[1].lo, args[2].lo), max(args[1].hi, args[2].hi)
        case _:
            return 0, 1


def _bitwise(op: str, a: Node, b: Node) -> tuple[int, int]:
    signed = [x for x in (a, b) if x.lo < 0]
    if op == "band" and len(signed) < 2:
        return 0, min(x.hi for x in (a, b) if x.lo >= 0)
    span = _span(a.lo, a.hi, b.lo, b.hi)
    return (-span - 1 if signed else 0), span


def value(node: Node, args: Sequence[int]) -> int:
    """The value of a node that is no leaf, from those of its operands."""
    attrs = node.attrs
    match node.op:
        case "const":
            return attrs[0]
        case "bits":
            return (args[0] >> attrs[0]) & ((1 << attrs[1]) - 1)
        case "signed":
            return args[0] - (1 << attrs[0] if args[0] >> (attrs[0] - 1) else 0)
        case "add":
            return args[0] + args[1]
        case "sub":
            return args[0] - args[1]
        case "mul":
            return args[0] * args[1]
        case "div":
            return args[0] // attrs[0]
        case "mod":
            return args[0] % attrs[0]
        case "band":
            return args[0] & args[1]
        case "bor":
            return args[0] | args[1]
        case "bxor":
            return args[0] ^ args[1]
        case "shl":
            return args[0] << args[1]
        case "shr":
            return args[0] >> args[1]
        case "eq":
            return int(args[0] == args[1])
        case "lt":
            return int(args[0] < args[1])
        case "all":
            return int(all(args))
        case "any":
            return int(any(args))
        case "not":
            return 1 - args[0]
        case "mux":
            return args[1] if args[0] else args[2]
        case "member":
            return int(any(lo <= args[0] <= hi for lo, hi in zip(attrs[0::2], attrs[1::2], strict=True)))
        case _:
            raise ValueError(f"{node.op} is no operation on values; it is one of {', '.join(sorted(OPERATIONS))}")
