"""The sides of comparisons: names, slices and arithmetic as typed values.

One idea: a side is typed if a field takes part in it; else it is a literal, which gets its type from the other side.
"""

from __future__ import annotations

from fractions import Fraction

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler.check import arithmetic, lookups, states, typed
from sevenm.compiler.check.arithmetic import Side
from sevenm.compiler.check.literals import Finding, did_you_mean
from sevenm.compiler.check.scope import Scope
from sevenm.compiler.protocols.fields import Field, Type
from sevenm.compiler.syntax import ast

SLICE_MAX = 2048
"""Bytes of one slice."""


def operand(scope: Scope, expr: ast.Expr) -> Side:
    """A side of a comparison. Raises Finding, and RangeError for a value that 128 bits do not hold."""
    match expr:
        case ast.Number() | ast.Duration() | ast.Text() | ast.Address():
            return expr
        case ast.Name():
            return _field(scope, expr)
        case ast.Slice():
            return slice_of(scope, expr)
        case ast.Unary(op="-" | "~"):
            return arithmetic.unary(expr, operand(scope, expr.operand))
        case ast.Binary():
            return arithmetic.binary(expr, operand(scope, expr.left), operand(scope, expr.right))
        case ast.Call():
            arithmetic.check_call(expr)
            return arithmetic.call(expr, tuple(operand(scope, arg) for arg in expr.args))
        case ast.Lookup():
            return lookups.lookup(scope, expr, tuple(operand(scope, key) for key in expr.keys))
        case ast.Prev():
            return states.prev(expr, operand(scope, expr.operand), tuple(operand(scope, key) for key in expr.keys))
        case ast.Tuple():
            raise Finding(
                "not-a-value", "several values at once are a key of a table", expr.span, "write (a, b) in table"
            )
        case _:
            raise Finding("not-a-value", "this is a condition, not a value", expr.span)


def member(scope: Scope, expr: ast.Expr, other: typed.Value) -> Side:
    """The side beside ``other``, whose named values it may name."""
    if isinstance(expr, ast.Name) and (other.type.enum or scope.is_word(expr)):
        members = dict(other.type.enum)
        if expr.path in members or (other.type.enum and scope.is_word(expr)):
            return named_value(scope, expr, other)
    return operand(scope, expr)


def named_value(scope: Scope, name: ast.Name, other: typed.Value) -> ast.Number:
    """The member of the other side's enum. Raises Finding where it has none of that name."""
    members = dict(other.type.enum)
    if name.path in members:
        return ast.Number(name.span, Fraction(members[name.path]) * other.type.scale, name.path)
    if not members:
        scope.resolve(name)
        raise Finding("not-a-constant", f"{name.path} is a field; a set holds constants", name.span)
    hint = did_you_mean(name.path, list(members)) or f"{other.name} is one of {', '.join(members)}"
    raise Finding("unknown-member", f"{other.name} has no member {name.path}", name.span, hint)


def _field(scope: Scope, name: ast.Name) -> typed.FieldValue:
    field = scope.resolve(name)
    if field.type is None:
        raise Finding(
            "no-value", f"{field.name} is present or absent; it has no value to compare", name.span,
            f"take a field of it, or a slice: {field.name}[0:2]" if field.region else None,
        )  # fmt: skip
    check_tag(scope, field, name)
    return scope.field_value(name.path, name.span, shown(name), name.tag)


def check_tag(scope: Scope, field: Field, name: ast.Name) -> None:
    """Raises Finding where the tag picks an occurrence that there is not."""
    if name.tag is None:
        return
    count = len(field.values()) if field.values is not None else 0
    if count < 2:
        raise Finding("no-layers", f"{field.name} occurs once; #{name.tag} picks one of several", name.span)
    if not 1 <= name.tag <= count:
        raise Finding("no-layers", f"{field.name} has #1 to #{count}, not #{name.tag}", name.span)


def shown(name: ast.Name) -> str:
    return name.path if name.tag is None else f"{name.path}#{name.tag}"


def slice_of(scope: Scope, expr: ast.Slice) -> typed.Value:
    """An element of an array, or bytes of a header, a payload, a byte string, a number or an address."""
    if not isinstance(expr.base, ast.Name):
        raise Finding("not-sliceable", "only a field or a protocol can be sliced", expr.base.span)
    base = expr.base
    field = scope.resolve(base)
    name = f"{base.path}[{expr.start}]" if expr.index else f"{base.path}[{expr.start}:{expr.length}]"
    if f"{base.path}.0" in scope.fields:
        return _element(scope, expr, base, name)
    if field.region is not None:
        return _bytes(scope, expr, base, field, name)
    if field.type is None or field.type.bits % 8 or field.type.kind == "float" or field.values is None:
        raise Finding("not-sliceable", f"{field.name} has no bytes to slice", expr.span)
    size = field.type.bits // 8
    if expr.start + expr.length > size:
        raise Finding("out-of-range", f"{field.name} has {size} bytes, [0] to [{size - 1}]", expr.span)
    check_tag(scope, field, base)
    whole = scope.field_value(base.path, base.span, shown(base), base.tag)
    bits = 8 * expr.length
    return typed.Extract(
        span=expr.span, name=name, type=Type("bytes", bits), lo=0, hi=(1 << bits) - 1, count=whole.count,
        needs=whole.needs, of=whole, lsb=8 * (size - expr.start - expr.length),
    )  # fmt: skip


def _element(scope: Scope, expr: ast.Slice, base: ast.Name, name: str) -> typed.FieldValue:
    path = f"{base.path}.{expr.start}"
    if not expr.index or path not in scope.fields:
        count = sum(f.startswith(f"{base.path}.") for f in scope.fields)
        raise Finding("out-of-range", f"{base.path} has elements [0] to [{count - 1}]", expr.span)
    return scope.field_value(path, expr.span, name)


def _bytes(scope: Scope, expr: ast.Slice, base: ast.Name, field: Field, name: str) -> typed.Bytes:
    if expr.length > SLICE_MAX:
        raise Finding(
            "slice-too-long", f"slice of {expr.length} bytes; at most {SLICE_MAX} are allowed", expr.span,
            "compare fewer bytes at a time",
        )  # fmt: skip
    if expr.start + expr.length > CAPTURE_MAX:
        last = expr.start + expr.length - 1
        message = f"slice up to byte {last}; rules see the first {CAPTURE_MAX} bytes of an event"
        raise Finding("out-of-range", message, expr.span)
    always = field.type is not None and expr.start + expr.length <= field.type.bits // 8 and _is_certain(scope, base)
    return typed.Bytes(
        span=expr.span, name=name, type=Type("bytes", 8 * expr.length), lo=0, hi=(1 << 8 * expr.length) - 1,
        needs=frozenset() if always else frozenset({name}),
        path=base.path, field=field, start=expr.start, length=expr.length,
    )  # fmt: skip


def _is_certain(scope: Scope, base: ast.Name) -> bool:
    return not scope.field_value(base.path, base.span, base.path).needs
