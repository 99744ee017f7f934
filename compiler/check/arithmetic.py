"""Arithmetic in rules: exact, scale-aware, with bounds for every result.

One idea: a number is raw * scale with an exact scale; adding aligns the scales, multiplying multiplies them, and the
bounds of the raw values follow from those of the operands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm

from sevenm.compiler.check import typed
from sevenm.compiler.check.literals import Finding, Literal, describe
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.plan.ops import Node, interval
from sevenm.compiler.protocols.fields import VALUES_MAX, Type
from sevenm.compiler.syntax import ast

Side = typed.Value | Literal
OPERATIONS = {"+": "add", "-": "sub", "*": "mul", "&": "band", "|": "bor", "^": "bxor", "/": "div", "%": "mod"}
"""The operation of the graph behind each operator."""


def bounds(operation: str, sides: tuple[typed.Value, ...], *attrs: int) -> tuple[int, int]:
    """Of an operation's raw result. Raises RangeError past 128 bits."""
    return interval(operation, [Node("", (), (), side.lo, side.hi) for side in sides], attrs)


def integer(lo: int, hi: int, scale: Fraction = Fraction(1)) -> Type:
    """The narrowest type of a number whose raw values lie between these bounds."""
    return Type("int", Node("", (), (), lo, hi).width, lo < 0, scale)


def constant(literal: ast.Number) -> typed.Constant:
    """A number in the coarsest scale that holds it."""
    raw = literal.value.numerator
    of = integer(raw, raw, Fraction(1, literal.value.denominator))
    return typed.Constant(span=literal.span, name=literal.text, type=of, lo=raw, hi=raw)


# Two sides meet


def align(one: typed.Value, two: typed.Value, span: Span) -> tuple[typed.Value, typed.Value]:
    """Both sides in one scale, so that their raw values compare and add. Raises Finding where types do not meet."""
    one, two = _meet(one, two), _meet(two, one)
    a, b = one.type, two.type
    if a.kind != b.kind or (a.kind in ("bytes", "char") and a.bits != b.bits):
        raise Finding("type-mismatch", f"{one.name} is {a.text}, {two.name} is {b.text}", span)
    if a.kind == "float":
        raise Finding("type-mismatch", f"{one.name} is {a.text}: floats compare with constants only", span)
    if a.kind != "int" or a.scale == b.scale:
        return one, two
    common = Fraction(gcd(a.scale.numerator, b.scale.numerator), lcm(a.scale.denominator, b.scale.denominator))
    return _rescaled(one, common), _rescaled(two, common)


def _meet(one: typed.Value, other: typed.Value) -> typed.Value:
    """A short byte string counts as an unsigned integer beside one."""
    if one.is_text and one.type.bits <= 128 and other.type.kind == "int":
        return replace(one, type=Type("int", one.type.bits))
    return one


def _rescaled(one: typed.Value, scale: Fraction) -> typed.Value:
    factor, of = int(one.type.scale / scale), replace(one.type, scale=scale)
    lo, hi = bounds("mul", (one, replace(one, lo=factor, hi=factor)))
    if factor == 1 or isinstance(one, typed.Constant):
        return replace(one, type=of, lo=lo, hi=hi)
    return typed.Scaled(
        span=one.span, name=one.name, type=of, lo=lo, hi=hi, count=one.count, needs=one.needs, of=one, factor=factor
    )


# Operators


def binary(expr: ast.Binary, left: Side, right: Side) -> Side:
    """Of numbers alone it is a number."""
    if isinstance(left, ast.Number) and isinstance(right, ast.Number):
        return _fold(expr, left, right)
    one, two = _number(left, expr.left.span), _number(right, expr.right.span)
    if expr.op in ("/", "%"):
        return _divide(expr, one, right)
    if expr.op in ("<<", ">>"):
        return _shift(expr, one, right)
    scale = one.type.scale * two.type.scale
    if expr.op != "*":
        if expr.op in "&|^":
            _unscaled(one, two, expr)
        one, two = align(one, two, expr.span)
        scale = one.type.scale
    return _arithmetic(expr.span, expr.op, one, two, scale)


def unary(expr: ast.Unary, side: Side) -> Side:
    """-x, and ~x: all bits of an unsigned x of its own width."""
    if isinstance(side, ast.Number):
        value = -side.value if expr.op == "-" else Fraction(~_int(side))
        return ast.Number(expr.span, value, f"{expr.op}{side.text}")
    one = _number(side, expr.operand.span)
    start = 0
    if expr.op == "~":
        _unscaled(one, None, expr)
        start = -1 if one.type.signed else (1 << one.type.bits) - 1
    zero = typed.Constant(span=expr.span, name=str(start), type=one.type, lo=start, hi=start)
    return _arithmetic(expr.span, "-", zero, one, one.type.scale)


def call(expr: ast.Call, args: tuple[Side, ...]) -> typed.Value:
    """wrap(x, bits): the low bits of x. sat(x, bits): x, or the nearest value that the bits hold (unsigned)."""
    one, bits = _number(args[0], expr.args[0].span), args[1]
    if not isinstance(bits, ast.Number) or bits.value.denominator != 1 or not 1 <= bits.value <= 128:
        raise Finding("out-of-range", "the number of bits is a constant from 1 to 128", expr.args[1].span)
    width = int(bits.value)
    top = (1 << width) - 1
    lo, hi = bounds("bits", (one,), 0, width) if expr.function == "wrap" else _clamped(one, top)
    return typed.Limited(
        span=expr.span, name="the expression", type=integer(lo, hi, one.type.scale), lo=lo, hi=hi, count=one.count,
        needs=one.needs, function=expr.function, of=one, bits=width,
    )  # fmt: skip


def check_call(expr: ast.Call) -> None:
    """Raises Finding for a function that there is not, or that takes another number of arguments."""
    if expr.function not in ("wrap", "sat"):
        raise Finding("unknown-function", f"there is no function {expr.function}", expr.span, "use wrap or sat")
    if len(expr.args) != 2:
        raise Finding("arguments", f"{expr.function} takes a value and a number of bits", expr.span)


# Parts


def _clamped(one: typed.Value, top: int) -> tuple[int, int]:
    return max(0, min(one.lo, top)), max(0, min(one.hi, top))


def _number(side: Side, span: Span) -> typed.Value:
    """The side as a number to calculate with."""
    if isinstance(side, ast.Number):
        return constant(side)
    if isinstance(side, ast.Duration):
        return constant(ast.Number(side.span, Fraction(side.ns), side.text))
    if isinstance(side, ast.Text | ast.Address):
        raise Finding("type-mismatch", f"{describe(side)} is no number to calculate with", side.span)
    if side.is_text and side.type.bits <= 128:
        return replace(side, type=Type("int", side.type.bits))
    if side.type.kind not in ("int", "time", "ip4", "ip6", "mac"):
        raise Finding("type-mismatch", f"{side.name} is {side.type.text}, no number to calculate with", span)
    return side if side.type.kind == "int" else replace(side, type=Type("int", side.type.bits))


def _fold(expr: ast.Binary, left: ast.Number, right: ast.Number) -> ast.Number:
    a, b = left.value, right.value
    exact: dict[str, Callable[[], Fraction]] = {
        "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
        "/": lambda: Fraction(a // b) if a.denominator == b.denominator == 1 else a / b,
        "%": lambda: a % b, "&": lambda: Fraction(_int(left) & _int(right)),
        "|": lambda: Fraction(_int(left) | _int(right)), "^": lambda: Fraction(_int(left) ^ _int(right)),
        "<<": lambda: Fraction(_int(left) << _amount(right, right.span)),
        ">>": lambda: Fraction(_int(left) >> _amount(right, right.span)),
    }  # fmt: skip
    if expr.op in "/%" and b == 0:
        raise Finding("divide-by-zero", "a constant is divided by zero", expr.span)
    value = exact[expr.op]()
    return ast.Number(expr.span, value, f"{left.text} {expr.op} {right.text}")


def _int(literal: ast.Number) -> int:
    if literal.value.denominator != 1:
        raise Finding("type-mismatch", f"{literal.text} is no integer", literal.span)
    return literal.value.numerator


def _amount(literal: Side, span: Span) -> int:
    if not isinstance(literal, ast.Number) or not 0 <= literal.value < 128:
        raise Finding("type-mismatch", "a shift is by a constant from 0 to 127", span)
    return _int(literal)


def _unscaled(one: typed.Value, two: typed.Value | None, expr: ast.Expr) -> None:
    for side in (one, two):
        if side is not None and side.type.scale != 1:
            raise Finding("type-mismatch", f"{side.name} is {side.type.text}: it has no bits to combine", expr.span)


def _arithmetic(span: Span, op: str, one: typed.Value, two: typed.Value, scale: Fraction) -> typed.Value:
    count = one.count * two.count
    if count > VALUES_MAX:
        raise Finding("too-many-values", f"more than {VALUES_MAX} combinations of values", span)
    lo, hi = bounds(OPERATIONS[op], (one, two))
    return typed.Arithmetic(
        span=span, name="the expression", type=integer(lo, hi, scale), lo=lo, hi=hi, count=count,
        needs=one.needs | two.needs, op=op, left=one, right=two,
    )  # fmt: skip


def _divide(expr: ast.Binary, one: typed.Value, right: Side) -> typed.Value:
    """Floor division and remainder by a constant; of a scaled value, the exact quotient. By zero it is absent."""
    if not isinstance(right, ast.Number):
        raise Finding("type-mismatch", f"{expr.op} takes a constant on its right", expr.right.span)
    if right.value < 0:
        raise Finding("out-of-range", f"a divisor is positive, not {right.text}", right.span)
    scale, divisor = one.type.scale, Fraction(0)
    if right.value and expr.op == "/" and scale != 1:
        scale, divisor = scale / right.value, Fraction(1)
    elif right.value:
        divisor = right.value / scale
    if divisor.denominator != 1:
        raise Finding("not-representable", f"{right.text} is no multiple of the steps of {one.name}", right.span)
    lo, hi = bounds(OPERATIONS[expr.op], (one,), divisor.numerator) if divisor else (one.lo, one.hi)
    return typed.Divided(
        span=expr.span, name="the expression", type=integer(lo, hi, scale), lo=lo, hi=hi, count=one.count,
        needs=one.needs if divisor else one.needs | {f"division by {right.text}"},
        op=expr.op, of=one, divisor=divisor.numerator,
    )  # fmt: skip


def _shift(expr: ast.Binary, one: typed.Value, right: Side) -> typed.Value:
    _unscaled(one, None, expr)
    power = 1 << _amount(right, expr.right.span)
    if expr.op == "<<":
        factor = typed.Constant(span=expr.right.span, name=str(power), type=integer(power, power), lo=power, hi=power)
        return _arithmetic(expr.span, "*", one, factor, Fraction(1))
    lo, hi = bounds("div", (one,), power)
    return typed.Divided(
        span=expr.span, name="the expression", type=integer(lo, hi), lo=lo, hi=hi, count=one.count, needs=one.needs,
        op="/", of=one, divisor=power,
    )  # fmt: skip
