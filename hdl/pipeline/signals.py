"""One net as an Amaranth value, from the values of its operands.

One idea: both sides of every operation are made equally wide, as Verilog's lint tools want to see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Shape, Value

from ..extract import aligned, big_endian, little_endian
from .netlist import Net


def fit(value: Any, width: int, is_signed: bool) -> Any:
    """The value in ``width`` bits; what is more is cut, what is less is extended by its own sign."""
    given = len(value)
    if given > width:
        value = value[:width]
    elif given < width:
        sign = value[given - 1] if value.shape().signed else Const(0, 1)
        value = Cat(value, sign.replicate(width - given))
    return value.as_signed() if is_signed else value.as_unsigned()


def net_value(net: Net, args: Sequence[Any], first: int) -> Any:
    """What a net is. ``first``: the first unit of an input vector that its operand still has."""
    attrs = net.attrs
    match net.op:
        case "const":
            return Const(attrs[0], Shape(net.width, net.is_signed))
        case "slice":
            return args[0][attrs[0] : attrs[0] + attrs[1]]
        case "signed":
            return args[0].as_signed()
        case "not":
            return ~args[0]
        case "pair" | "concat" | "join":
            return Cat(args)
        case "bytes":
            start, count, little = attrs
            return (little_endian if little else big_endian)(args[0], start - first, count)
        case "flag":
            return args[0][attrs[0] - first]
        case "align":
            unit, length, *offsets = attrs
            return aligned(args[0], args[1], [o - first for o in offsets], length, unit)
        case "mask":
            return Mux(args[0], args[1], Const(0, args[1].shape()))
        case "mux":
            then, other = (fit(a, net.width, net.is_signed) for a in args[1:])
            return Mux(args[0], then, other)
        case "select":
            bits, a, b, c, d = args
            return Mux(bits[1], Mux(bits[0], d, c), Mux(bits[0], b, a))
        case "table":
            return _table(args[0], attrs[0])
        case "all" | "any":
            out: Value = args[0]
            for arg in args[1:]:
                out = out & arg if net.op == "all" else out | arg
            return out
        case "extend":
            return fit(args[0], net.width, net.is_signed)
        case "shl":
            return Cat(Const(0, attrs[0]), args[0])
        case "shr":
            return args[0][attrs[0] :].as_signed()
        case _:
            return _arithmetic(net, *args)


def _arithmetic(net: Net, a: Any, b: Any) -> Any:
    if net.op in ("eq", "lt"):
        is_signed = a.shape().signed or b.shape().signed
        width = max(len(x) + (is_signed and not x.shape().signed) for x in (a, b))
        a, b = fit(a, width, is_signed), fit(b, width, is_signed)
        return a == b if net.op == "eq" else a < b
    if net.op == "mul":
        return a * b
    a, b = (fit(x, net.width, net.is_signed) for x in (a, b))
    match net.op:
        case "add":
            return a + b
        case "sub":
            return a - b
        case "band":
            return a & b
        case "bor":
            return a | b
        case "bxor":
            return a ^ b
        case op:
            raise ValueError(f"no such operation on nets: {op}")


def _table(x: Any, bits: int) -> Any:
    """Bit x of ``bits`` as a comparison if it is one, else looked up."""
    size = 1 << len(x)
    ones = [i for i in range(size) if bits >> i & 1]
    zeros = [i for i in range(size) if not bits >> i & 1]
    if len(ones) == 1:
        return x == Const(ones[0], len(x))
    if len(zeros) == 1:
        return x != Const(zeros[0], len(x))
    return (Const(bits, size) >> x)[0]
