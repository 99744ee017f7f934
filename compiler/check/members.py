"""Membership: what stands between the braces of ``in {…}``, as ranges of raw values or as byte strings.

One idea: a member is the first and the last raw value that it stands for; only byte strings that are compared with
texts are held as bytes, since a text also stands for its padded forms.
"""

from __future__ import annotations

from collections.abc import Iterable

from sevenm.compiler.check import lookups, typed, values
from sevenm.compiler.check.literals import Finding, Literal, limits, network, raw, text_bytes
from sevenm.compiler.check.scope import Scope
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.protocols.fields import ORDERED, Type
from sevenm.compiler.syntax import ast
from sevenm.tables import WIDTH_MAX, merged

SET_ROWS_BITS_MIN = 6
"""A set without ``max`` has room for the next power of two above its ranges, at least for 1 << this."""
LITERALS = (ast.Number, ast.Duration, ast.Text, ast.Address)


def membership(scope: Scope, expr: ast.In) -> typed.Condition:
    quantifier = expr.quantifier or "any"
    table = _table(scope, expr)
    if table is not None:
        asked = expr.operand.items if isinstance(expr.operand, ast.Tuple) else (expr.operand,)
        sides = tuple(values.operand(scope, key) for key in asked)
        keys = lookups.keys(table, sides, asked, expr.operand.span)
        return typed.Hit(expr.span, table, keys, quantifier)
    one = values.operand(scope, expr.operand)
    if not isinstance(one, typed.Value):
        raise Finding("constant", "a constant is asked for membership", expr.operand.span, "name a field")
    if not expr.items:
        raise Finding("empty-set", "the set is empty: nothing can be in it", expr.span)
    if one.is_text and one.type.bits > 8:
        return _texts(scope, expr, one, quantifier)
    ranges: list[tuple[int, int]] = []
    sets: list[typed.NamedSet] = []
    for item in expr.items:
        if isinstance(item, ast.SetRef):
            sets.append(_named_set(scope, item, one))
        else:
            ranges.append(bounds(scope, item, one))
    return typed.Member(expr.span, one, quantifier, tuple(ranges), sets=tuple(sets))


def _table(scope: Scope, expr: ast.In) -> typed.Table | None:
    """The table that is asked, where it is one and no named value of the field."""
    alone = expr.items[0] if len(expr.items) == 1 else None
    if isinstance(alone, ast.Name) and alone.tag is None and alone.path in scope.tables:
        operand = None if isinstance(expr.operand, ast.Tuple) else values.operand(scope, expr.operand)
        if not isinstance(operand, typed.Value) or alone.path not in dict(operand.type.enum):
            return scope.table(alone)
    if isinstance(expr.operand, ast.Tuple):
        raise Finding(
            "type-mismatch", "only a table is asked for several values at once", expr.span,
            "declare it: table name : (type, type) { … }",
        )  # fmt: skip
    return None


def lint_not_in(scope: Scope, inner: typed.Condition, span: Span) -> None:
    """``x not in …``, written so, over a value that can be absent."""
    asked = (inner.of,) if isinstance(inner, typed.Member) else inner.keys if isinstance(inner, typed.Hit) else ()
    for name in (value.name for value in asked if scope.can_be_absent(value)):
        scope.warn(
            "absent-field", f"'not in' is true where {name} is absent", span,
            f"write {name} and {name} not in … if it has to be there, not {name} in … to say that you mean this",
        )  # fmt: skip
        return


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


def _texts(scope: Scope, expr: ast.In, one: typed.Value, quantifier: str) -> typed.Condition:
    """Byte strings: a named set stays one while a single key of a table holds its members, else it is its texts."""
    texts: list[bytes] = []
    sets: list[typed.NamedSet] = []
    for item in expr.items:
        if not isinstance(item, ast.SetRef):
            texts += _text(one, item)
            continue
        decl = scope.named_set(item)
        members = [text for member in decl.items for text in _text(one, member)]
        if one.type.bits > WIDTH_MAX:
            texts += members
        else:
            numbers = [int.from_bytes(text, "big") for text in members]
            sets.append(_instance(scope, decl, one, [(n, n) for n in numbers]))
    return typed.Member(expr.span, one, quantifier, texts=tuple(texts), sets=tuple(sets))


def _text(one: typed.Value, item: ast.SetItem) -> tuple[bytes, ...]:
    if not isinstance(item, LITERALS):
        raise Finding("type-mismatch", f"a set for {one.name} holds texts or bytes", item.span)
    return padded(text_bytes(item, one.name, one.type), one.type.bits // 8)


def _named_set(scope: Scope, ref: ast.SetRef, one: typed.Value) -> typed.NamedSet:
    decl = scope.named_set(ref)
    if decl.type is not None and not _set_fits(decl.type.name, one.type):
        message = f"${ref.name} is a set of {decl.type.name}, {one.name} is {one.type.text}"
        raise Finding("type-mismatch", message, ref.span)
    key = (ref.name, one.type, one.direct)
    if key not in scope.declared.instances:
        scope.declared.instances[key] = _instance(scope, decl, one, [bounds(scope, item, one) for item in decl.items])
    return scope.declared.instances[key]


def _instance(scope: Scope, decl: ast.SetDecl, one: typed.Value, ranges: Iterable[tuple[int, int]]) -> typed.NamedSet:
    """The set as values of this type see it. Members that such a value cannot have are left out."""
    lo, hi = (0, (1 << one.type.bits) - 1) if one.type.kind != "int" else limits(one.type)
    if one.type.kind == "float":
        lo = -hi
    clipped = ((max(a, lo), min(b, hi)) for a, b in ranges)
    disjoint = tuple(merged((a, b) for a, b in clipped if a <= b))
    most = decl.most or 1 << max(SET_ROWS_BITS_MIN, len(disjoint).bit_length())
    if len(disjoint) > most:
        raise Finding(
            "too-many-members", f"${decl.name} has {len(disjoint)} ranges of values; max is {most}", decl.span,
            "raise max",
        )  # fmt: skip
    return typed.NamedSet(decl.span, decl.name, one.type, most, disjoint)


def _set_fits(declared: str, of: Type) -> bool:
    if declared in ORDERED or of.kind != "int":
        return declared == of.kind
    return declared[:1] in "ui" and (limits(of)[1] > 1 or declared == "u1")
