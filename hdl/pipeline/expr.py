"""The words of a description: fields of a packet, arithmetic and conditions, as Python operators.

One idea: an expression is only written down here; ``program`` finds equal ones and bounds, and ``place`` decides what
lies between which registers. A class attribute gives its name to the expression it is bound to, so that the signal of
``tcp_dstport = field(l4, at=2, bytes=2)`` is called tcp_dstport.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NoReturn, SupportsIndex

LEAVES = frozenset({"const", "captured", "size", "time", "port"})
"""Expressions that are nobody's to name."""


class Expr:
    """An integer of each packet. ``op``, ``args`` and ``attrs`` as in ``nodes``, and before conditions are told from
    numbers: ``and`` and ``or``."""

    __slots__ = ("args", "attrs", "name", "op")

    def __init__(self, op: str, args: tuple[Expr, ...] = (), attrs: tuple[int, ...] = (), name: str = "") -> None:
        self.op = op
        self.args = args
        self.attrs = attrs
        self.name = name

    def __set_name__(self, owner: type, name: str) -> None:
        if not self.name and self.op not in LEAVES:
            self.name = name

    def __repr__(self) -> str:
        return self.name or f"{self.op}({', '.join([*map(repr, self.args), *map(str, self.attrs)])})"

    def __bool__(self) -> NoReturn:
        raise TypeError(f"{self!r} is known only when a packet comes; write & | ~ and mux for and, or, not and if")

    __hash__ = object.__hash__

    def __add__(self, other: Value) -> Expr:
        return Expr("add", (self, expr(other)))

    def __radd__(self, other: int) -> Expr:
        return Expr("add", (expr(other), self))

    def __sub__(self, other: Value) -> Expr:
        return Expr("sub", (self, expr(other)))

    def __rsub__(self, other: int) -> Expr:
        return Expr("sub", (expr(other), self))

    def __mul__(self, other: Value) -> Expr:
        return Expr("mul", (self, expr(other)))

    def __rmul__(self, other: int) -> Expr:
        return Expr("mul", (expr(other), self))

    def __floordiv__(self, divisor: int) -> Expr:
        return Expr("div", (self,), (_divisor(divisor),))

    def __mod__(self, divisor: int) -> Expr:
        return Expr("mod", (self,), (_divisor(divisor),))

    def __lshift__(self, other: Value) -> Expr:
        return Expr("shl", (self, expr(other)))

    def __rlshift__(self, other: int) -> Expr:
        return Expr("shl", (expr(other), self))

    def __rshift__(self, other: Value) -> Expr:
        return Expr("shr", (self, expr(other)))

    def __rrshift__(self, other: int) -> Expr:
        return Expr("shr", (expr(other), self))

    def __and__(self, other: Value) -> Expr:
        return Expr("and", (self, expr(other)))

    def __rand__(self, other: int) -> Expr:
        return Expr("and", (expr(other), self))

    def __or__(self, other: Value) -> Expr:
        return Expr("or", (self, expr(other)))

    def __ror__(self, other: int) -> Expr:
        return Expr("or", (expr(other), self))

    def __xor__(self, other: Value) -> Expr:
        return Expr("bxor", (self, expr(other)))

    def __rxor__(self, other: int) -> Expr:
        return Expr("bxor", (expr(other), self))

    def __invert__(self) -> Expr:
        return Expr("not", (self,))

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]  # like Amaranth's, a comparison is a value
        return Expr("eq", (self, expr(other)))

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]  # like Amaranth's, a comparison is a value
        return ~(self == other)

    def __lt__(self, other: Value) -> Expr:
        return Expr("lt", (self, expr(other)))

    def __gt__(self, other: Value) -> Expr:
        return Expr("lt", (expr(other), self))

    def __le__(self, other: Value) -> Expr:
        return ~(self > other)

    def __ge__(self, other: Value) -> Expr:
        return ~(self < other)

    def __getitem__(self, bits: slice) -> Expr:
        """Bits [start, stop), bit 0 being the least significant one."""
        if not isinstance(bits, slice) or bits.start is None or bits.stop is None or bits.step is not None:
            raise TypeError("bits of a value are taken as x[start:stop]")
        if not 0 <= bits.start < bits.stop:
            raise ValueError(f"bits [{bits.start}:{bits.stop}] are none")
        return Expr("bits", (self,), (bits.start, bits.stop - bits.start))

    def as_signed(self, width: int) -> Expr:
        """The value read as two's complement of ``width`` bits."""
        return Expr("signed", (self,), (width,))


Value = Expr | int


def expr(value: object) -> Expr:
    """The value as an expression. Raises TypeError for what is neither an expression nor an integer."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, SupportsIndex):
        return Expr("const", (), (value.__index__(),))
    raise TypeError(f"an expression is made of fields and integers, not of {type(value).__name__}")


def _divisor(divisor: int) -> int:
    if not isinstance(divisor, int) or divisor < 1:
        raise ValueError(f"a divisor must be a positive integer, not {divisor!r}")
    return divisor


captured = Expr("captured")
"""Bytes of the packet that came in."""
size = Expr("size")
"""Bytes that it had on the wire."""
time = Expr("time")
"""Its arrival in nanoseconds."""
port = Expr("port")
"""The port it came in by."""


def field(base: Value = 0, *, at: int = 0, bytes: int, little: bool = False) -> Expr:  # noqa: A002 - it reads as it means
    """Bytes [base + at, base + at + bytes) of the packet as an integer; 0 unless all of them came in."""
    if bytes < 1 or at < 0:
        raise ValueError(f"a field has at least 1 byte and starts at its base or after it, not {bytes} at {at}")
    return Expr("load", (expr(base),), (at, bytes, int(little and bytes > 1)))


def mux(condition: Value, then: Value, other: Value) -> Expr:
    """``then`` where the condition holds, else ``other``."""
    return Expr("mux", (expr(condition), expr(then), expr(other)))


def one_of(x: Value, *values: int | range) -> Expr:
    """Whether x is one of these integers or lies in one of these ranges."""
    pairs = sorted((v.start, v.stop - 1) if isinstance(v, range) else (v, v) for v in values)
    if not pairs or any(hi < lo for lo, hi in pairs) or any(a[1] + 1 >= b[0] for a, b in pairwise(pairs)):
        raise ValueError("one_of takes values and ranges that neither touch nor overlap, and at least one")
    return Expr("member", (expr(x),), tuple(v for pair in pairs for v in pair))


def all_of(*conditions: Value) -> Expr:
    """a & b & c & ..., for long rows of conditions."""
    return Expr("and", tuple(expr(c) for c in conditions))


def any_of(*conditions: Value) -> Expr:
    """a | b | c | ..., for long rows of conditions."""
    return Expr("or", tuple(expr(c) for c in conditions))
