"""Arithmetic in rules: exact, scale-aware, widened to 128 bits.

One idea: a number is raw * scale with an exact scale; adding aligns the scales, multiplying multiplies them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import gcd, lcm
from typing import Protocol

from sevenm.compiler.check.literals import Finding, Literal, describe
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import VALUES_MAX, Operand, Type, Value
from sevenm.compiler.syntax import ast


class Context(Protocol):
    """What arithmetic needs of the lowering around it."""

    g: Graph

    def operand(self, expr: ast.Expr) -> Operand | Literal: ...


def constant(graph: Graph, literal: ast.Number) -> Operand:
    """A number as a typed operand of its own scale."""
    scale = Fraction(1, literal.value.denominator)
    node = graph.const(literal.value.numerator)
    return Operand(
        literal.text, Type("int", graph[node].width, literal.value < 0, scale), (Value(graph.true, (node,)),)
    )


def align(graph: Graph, one: Operand, two: Operand, span: Span) -> tuple[Operand, Operand]:
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
    return _rescaled(graph, one, common), _rescaled(graph, two, common)


def _meet(one: Operand, other: Operand) -> Operand:
    """A short byte string counts as an unsigned integer beside one."""
    if one.type.kind in ("bytes", "char") and len(one.values[0].parts) == 1 and other.type.kind == "int":
        return replace(one, type=Type("int", one.type.bits))
    return one


def _rescaled(graph: Graph, one: Operand, scale: Fraction) -> Operand:
    factor = graph.const(int(one.type.scale / scale))
    values = tuple(Value(v.valid, (graph.mul(v.node, factor),)) for v in one.values)
    return replace(one, type=replace(one.type, scale=scale), values=values, direct=False)


def lower(context: Context, expr: ast.Unary | ast.Binary | ast.Call) -> Operand | Literal:
    """An arithmetic expression; of numbers alone it is a number."""
    if isinstance(expr, ast.Call):
        return _call(context, expr)
    if isinstance(expr, ast.Unary):
        return _unary(context, expr)
    left, right = context.operand(expr.left), context.operand(expr.right)
    if isinstance(left, ast.Number) and isinstance(right, ast.Number):
        return _fold(expr, left, right)
    one, two = _number(left, context.g, expr.left.span), _number(right, context.g, expr.right.span)
    if expr.op in ("/", "%"):
        return _divide(context, expr, one, right)
    if expr.op in ("<<", ">>"):
        return _shift(context, expr, one, right)
    return _combine(context, expr, one, two)


def _number(side: Operand | Literal, graph: Graph, span: Span) -> Operand:
    """The side as a number to calculate with."""
    if isinstance(side, ast.Number):
        return constant(graph, side)
    if isinstance(side, ast.Duration):
        return constant(graph, ast.Number(side.span, Fraction(side.ns), side.text))
    if isinstance(side, ast.Text | ast.Address):
        raise Finding("type-mismatch", f"{describe(side)} is no number to calculate with", side.span)
    if side.type.kind in ("bytes", "char") and len(side.values[0].parts) == 1:
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


def _amount(literal: Operand | Literal, span: Span) -> int:
    if not isinstance(literal, ast.Number) or not 0 <= literal.value < 128:
        raise Finding("type-mismatch", "a shift is by a constant from 0 to 127", span)
    return _int(literal)


def _result(context: Context, expr: ast.Expr, scale: Fraction, values: list[Value]) -> Operand:
    if len(values) > VALUES_MAX:
        raise Finding("too-many-values", f"more than {VALUES_MAX} combinations of values", expr.span)
    nodes = [context.g[v.node] for v in values]
    signed = any(n.is_signed for n in nodes)
    return Operand("the expression", Type("int", max(n.width for n in nodes), signed, scale), tuple(values))


def _combine(context: Context, expr: ast.Binary, one: Operand, two: Operand) -> Operand:
    g = context.g
    operations = {"+": g.add, "-": g.sub, "*": g.mul, "&": g.band, "|": g.bor, "^": g.bxor}
    scale = one.type.scale * two.type.scale
    if expr.op != "*":
        if expr.op in "&|^":
            _unscaled(one, two, expr)
        one, two = align(g, one, two, expr.span)
        scale = one.type.scale
    values = [
        Value(g.all(a.valid, b.valid), (operations[expr.op](a.node, b.node),))
        for a, b in product(one.values, two.values)
    ]
    return _result(context, expr, scale, values)


def _unscaled(one: Operand, two: Operand | None, expr: ast.Expr) -> None:
    for side in (one, two):
        if side is not None and side.type.scale != 1:
            raise Finding("type-mismatch", f"{side.name} is {side.type.text}: it has no bits to combine", expr.span)


def _divide(context: Context, expr: ast.Binary, one: Operand, right: Operand | Literal) -> Operand:
    """Floor division and remainder by a constant; of a scaled value, the exact quotient. By zero it is absent."""
    g = context.g
    if not isinstance(right, ast.Number):
        raise Finding("type-mismatch", f"{expr.op} takes a constant on its right", expr.right.span)
    if right.value < 0:
        raise Finding("out-of-range", f"a divisor is positive, not {right.text}", right.span)
    if right.value == 0:
        return _result(context, expr, one.type.scale, [Value(g.false, v.parts) for v in one.values])
    if expr.op == "/" and one.type.scale != 1:
        return _result(context, expr, one.type.scale / right.value, list(one.values))
    divisor = right.value / one.type.scale
    if divisor.denominator != 1:
        raise Finding("not-representable", f"{right.text} is no multiple of the steps of {one.name}", right.span)
    operation = g.div if expr.op == "/" else g.mod
    values = [Value(v.valid, (operation(v.node, divisor.numerator),)) for v in one.values]
    return _result(context, expr, one.type.scale, values)


def _shift(context: Context, expr: ast.Binary, one: Operand, right: Operand | Literal) -> Operand:
    _unscaled(one, None, expr)
    g, amount = context.g, _amount(right, expr.right.span)
    if expr.op == "<<":
        values = [Value(v.valid, (g.mul(v.node, g.const(1 << amount)),)) for v in one.values]
    else:
        values = [Value(v.valid, (g.div(v.node, 1 << amount),)) for v in one.values]
    return _result(context, expr, Fraction(1), values)


def _unary(context: Context, expr: ast.Unary) -> Operand | Literal:
    """-x, and ~x: all bits of an unsigned x of its own width."""
    side = context.operand(expr.operand)
    if isinstance(side, ast.Number):
        value = -side.value if expr.op == "-" else Fraction(~_int(side))
        return ast.Number(expr.span, value, f"{expr.op}{side.text}")
    g = context.g
    one = _number(side, g, expr.operand.span)
    if expr.op == "~":
        _unscaled(one, None, expr)
        ones = -1 if one.type.signed else (1 << one.type.bits) - 1
        values = [Value(v.valid, (g.sub(g.const(ones), v.node),)) for v in one.values]
    else:
        values = [Value(v.valid, (g.sub(g.const(0), v.node),)) for v in one.values]
    return _result(context, expr, one.type.scale, values)


def _call(context: Context, expr: ast.Call) -> Operand:
    """wrap(x, bits): the low bits of x. sat(x, bits): x, or the nearest value that the bits hold (unsigned)."""
    g = context.g
    if expr.function not in ("wrap", "sat"):
        raise Finding("unknown-function", f"there is no function {expr.function}", expr.span, "use wrap or sat")
    if len(expr.args) != 2:
        raise Finding("arguments", f"{expr.function} takes a value and a number of bits", expr.span)
    one, bits = _number(context.operand(expr.args[0]), g, expr.args[0].span), context.operand(expr.args[1])
    if not isinstance(bits, ast.Number) or bits.value.denominator != 1 or not 1 <= bits.value <= 128:
        raise Finding("out-of-range", "the number of bits is a constant from 1 to 128", expr.args[1].span)
    width = int(bits.value)
    top = g.const((1 << width) - 1)
    values = []
    for v in one.values:
        if expr.function == "wrap":
            node = g.bits(v.node, 0, width)
        else:
            low = g.mux(g.lt(v.node, g.const(0)), g.const(0), v.node)
            node = g.mux(g.lt(top, low), top, low)
        values.append(Value(v.valid, (node,)))
    return _result(context, expr, one.type.scale, values)
