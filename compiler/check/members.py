"""Membership: what stands between the braces of ``in {…}``, as ranges of raw values or as byte strings.

One idea: a member is the first and the last raw value that it stands for; only byte strings that are compared with
texts are held as bytes, since a text also stands for its padded forms.
"""

from __future__ import annotations

from collections.abc import Iterable

from sevenm.compiler.check import typed, values
from sevenm.compiler.check.literals import Finding, Literal, limits, network, raw, text_bytes
from sevenm.compiler.check.scope import Scope
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.protocols.fields import ORDERED, Type
from sevenm.compiler.syntax import ast

LITERALS = (ast.Number, ast.Duration, ast.Text, ast.Address)


def membership(scope: Scope, expr: ast.In) -> typed.Condition:
    one = values.operand(scope, expr.operand)
    if not isinstance(one, typed.Value):
        raise Finding("constant", "a constant is asked for membership", expr.operand.span, "name a field")
    if not expr.items:
        raise Finding("empty-set", "the set is empty: nothing can be in it", expr.span)
    quantifier = expr.quantifier or "any"
    if one.is_text and one.type.bits > 8:
        return typed.Member(expr.span, one, (), _texts(one, _flat(scope, expr.items)), quantifier)
    ranges: list[tuple[int, int]] = []
    for item in expr.items:
        if isinstance(item, ast.SetRef):
            ranges += _set_ranges(scope, item, one)
        else:
            ranges.append(bounds(scope, item, one))
    return typed.Member(expr.span, one, tuple(ranges), (), quantifier)


def lint_not_in(scope: Scope, inner: typed.Member, span: Span) -> None:
    """``x not in {…}``, written so, over a value that can be absent."""
    if scope.can_be_absent(inner.of):
        name = inner.of.name
        scope.warn(
            "absent-field", f"'not in' is true where {name} is absent", span,
            f"write {name} and {name} not in … if it has to be there, not {name} in … to say that you mean this",
        )  # fmt: skip


def bounds(scope: Scope, item: ast.SetItem, one: typed.Value) -> tuple[int, int]:
    """First and last raw value of a member."""
    match item:
        case ast.Range():
            lo, hi = bounds(scope, _end(item.lo), one)[0], bounds(scope, _end(item.hi), one)[1]
            if lo > hi:
                raise Finding("empty-range", "the range is empty: its end comes before its start", item.span)
            return lo, hi
        case ast.Address(kind="ip4" | "ip6") if item.prefix is not None and item.kind == one.type.kind:
            return network(item)
        case ast.Name():
            return bounds(scope, values.named_value(scope, item, one), one)
        case ast.SetRef():
            raise Finding("not-a-value", "a set cannot be an end of a range", item.span)
        case _:
            if one.is_text:
                value = int.from_bytes(text_bytes(item, one.name, one.type), "big")
            else:
                value = raw(item, one.name, one.type, one.direct)
            return value, value


def _end(expr: ast.Expr) -> Literal | ast.Name:
    if isinstance(expr, (*LITERALS, ast.Name)):
        return expr
    raise Finding("not-a-constant", "the ends of a range are constants", expr.span)


def padded(data: bytes, size: int) -> tuple[bytes, ...]:
    """The byte strings of ``size`` bytes that a text equals: itself, or followed by blanks only or NULs only."""
    return (data,) if len(data) == size else (data.ljust(size, b" "), data.ljust(size, b"\0"))


def literal_text(literal: Literal) -> str:
    """The literal as it was written, or nearly so."""
    return repr(literal.value)[1:] if isinstance(literal, ast.Text) else literal.text


def _texts(one: typed.Value, items: Iterable[ast.SetItem]) -> tuple[bytes, ...]:
    literals: list[Literal] = []
    for item in items:
        if not isinstance(item, LITERALS):
            raise Finding("type-mismatch", f"a set for {one.name} holds texts or bytes", item.span)
        literals.append(item)
    size = one.type.bits // 8
    return tuple(text for item in literals for text in padded(text_bytes(item, one.name, one.type), size))


def _flat(scope: Scope, items: Iterable[ast.SetItem]) -> list[ast.SetItem]:
    return [i for item in items for i in (scope.named_set(item).items if isinstance(item, ast.SetRef) else (item,))]


def _set_ranges(scope: Scope, ref: ast.SetRef, one: typed.Value) -> tuple[tuple[int, int], ...]:
    decl = scope.named_set(ref)
    key = (ref.name, one.type, one.direct)
    if key not in scope.ranges:
        if decl.type is not None and not _set_fits(decl.type.name, one.type):
            message = f"${ref.name} is a set of {decl.type.name}, {one.name} is {one.type.text}"
            raise Finding("type-mismatch", message, ref.span)
        scope.ranges[key] = tuple(bounds(scope, item, one) for item in decl.items)
    return scope.ranges[key]


def _set_fits(declared: str, of: Type) -> bool:
    if declared in ORDERED or of.kind != "int":
        return declared == of.kind
    return declared[:1] in "ui" and (limits(of)[1] > 1 or declared == "u1")
