"""Conditions: what an expression asks, with both sides of every comparison in one type.

One idea: an atom is a presence, a comparison or a membership over typed values; a mistake in one operand of ``and`` or
``or`` is a finding and a ``Bad`` in its place, so that it does not hide the next.
"""

from __future__ import annotations

from collections.abc import Callable

from sevenm.compiler.check import arithmetic, members, typed, values
from sevenm.compiler.check.arithmetic import Side
from sevenm.compiler.check.literals import Finding, Literal, raw, text_bytes
from sevenm.compiler.check.scope import Scope
from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.plan.ops import LOAD_MAX, RangeError
from sevenm.compiler.protocols.fields import VALUES_MAX
from sevenm.compiler.syntax import ast

ALONE = (ast.Name, ast.Slice, ast.Lookup, ast.Prev)
"""What asks for presence where it stands alone."""
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
"""The operator with its sides exchanged, where that is another one."""


def attempt(scope: Scope, check: Callable[[], typed.Condition], span: Span) -> typed.Condition:
    """The condition, or ``Bad`` and a finding. A value that is too wide is found in the innermost condition around."""
    try:
        return check()
    except Finding as finding:
        scope.findings.append(finding.diagnostic)
    except RangeError as error:
        scope.findings.append(too_wide(error, span))
    return typed.Bad(span)


def too_wide(error: RangeError, span: Span) -> Diagnostic:
    return Diagnostic("error", "too-wide", str(error), span, "wrap(x, bits) or sat(x, bits) bound a value")


def condition(scope: Scope, expr: ast.Expr) -> typed.Condition:
    """What the expression asks. Mistakes go to the scope's findings."""
    return attempt(scope, lambda: _condition(scope, expr), expr.span)


def forward_operand(scope: Scope, expr: ast.Lookup) -> typed.Value | None:
    """The value that says the port to forward to; None and a finding where it says none."""
    try:
        value = values.operand(scope, expr)
        assert isinstance(value, typed.Lookup)  # so is the grammar
        column = value.table.columns[value.column]
        if not column.is_port:
            hint = f"declare it in the table: {column.name}: port"
            raise Finding("type-mismatch", f"forward takes a port, {value.name} is {value.type.text}", expr.span, hint)
        if value.count > 1:
            raise Finding("too-many-values", f"forward takes one port, {value.name} has several", expr.span)
        return value
    except Finding as finding:
        scope.findings.append(finding.diagnostic)
    except RangeError as error:
        scope.findings.append(too_wide(error, expr.span))
    return None


def _condition(scope: Scope, expr: ast.Expr) -> typed.Condition:
    match expr:
        case ast.Logic():
            return _logic(scope, expr)
        case ast.Unary(op="not"):
            inner = condition(scope, expr.operand)
            if expr.infix:
                members.lint_not_in(scope, inner, expr.span)
            return typed.Not(expr.span, inner)
        case ast.Compare():
            return _compare(scope, expr)
        case ast.In():
            return members.membership(scope, expr)
        case ast.Name():
            return _presence(scope, expr)
        case ast.Slice() | ast.Lookup() | ast.Prev():
            asked = values.operand(scope, expr)
            assert isinstance(asked, typed.Value)  # none of these is a literal
            return typed.IsPresent(expr.span, asked)
        case _:
            raise Finding(
                "not-a-condition", "this is a value, not a condition", expr.span, "compare it: … == 0, … in {…}"
            )


def _logic(scope: Scope, expr: ast.Logic) -> typed.Condition:
    """What stands alone in an ``and`` is known to be there in its other operands, wherever it stands."""
    before = len(scope.findings)
    alone = {i: condition(scope, e) for i, e in enumerate(expr.operands) if expr.op == "and" and isinstance(e, ALONE)}
    known: set[str] = set()
    for presence in alone.values():
        if isinstance(presence, typed.HasHeader):
            known.add(presence.path)
        elif isinstance(presence, typed.IsPresent):
            known |= {presence.of.name, *presence.of.needs}
    with scope.knowing(frozenset(known)):
        operands = tuple(alone[i] if i in alone else condition(scope, e) for i, e in enumerate(expr.operands))
    scope.findings[before:] = sorted(scope.findings[before:], key=lambda finding: finding.span.start)
    return typed.Logic(expr.span, expr.op, operands)


def _presence(scope: Scope, name: ast.Name) -> typed.Condition:
    field = scope.resolve(name)
    if field.present is not None:
        return typed.HasHeader(name.span, name.path, field)
    values.check_tag(scope, field, name)
    return typed.IsPresent(name.span, scope.field_value(name.path, name.span, values.shown(name), name.tag))


def _compare(scope: Scope, expr: ast.Compare) -> typed.Condition:
    left, right, op = expr.left, expr.right, expr.op
    if scope.is_word(left) and not scope.is_word(right):
        left, right = right, left
        op = MIRRORED.get(op, op)
    one = values.operand(scope, left)
    two = values.member(scope, right, one) if isinstance(one, typed.Value) else values.operand(scope, right)
    if not isinstance(one, typed.Value):
        if not isinstance(two, typed.Value):
            raise Finding("constant", "this compares two constants", expr.span, "one side must be a field")
        one, two = two, one
        op = MIRRORED.get(op, op)
    if op == "!=" and expr.quantifier is None:
        _lint_absent(scope, one, two, expr.span)
    quantifier = expr.quantifier or ("all" if op == "!=" else "any")
    if isinstance(two, typed.Value):
        return _two_values(op, one, two, quantifier, expr.span)
    if isinstance(two, ast.Address) and two.prefix is not None and op in ("==", "!="):
        ranges = (members.bounds(scope, two, one),)
        return typed.Member(expr.span, one, quantifier, ranges, negated=op == "!=")
    return _against(op, one, two, quantifier, expr.span)


def _lint_absent(scope: Scope, one: typed.Value, two: Side, span: Span) -> None:
    if scope.can_be_absent(one) or (isinstance(two, typed.Value) and scope.can_be_absent(two)):
        scope.warn(
            "absent-field", f"!= is false where {one.name} is absent", span,
            "not (a == b) is true there; write a and a != b to say that you mean this",
        )  # fmt: skip


def _two_values(op: str, one: typed.Value, two: typed.Value, quantifier: str, span: Span) -> typed.Condition:
    if one.count * two.count > VALUES_MAX:
        raise Finding("too-many-values", f"more than {VALUES_MAX} combinations of values to compare", span)
    left, right = arithmetic.align(one, two, span)
    _ordered(op, left, span)
    return typed.Compare(span, op, left, right, quantifier)


def _ordered(op: str, one: typed.Value, span: Span) -> None:
    if op not in ("==", "!=") and one.is_text and one.type.bits > 8 * LOAD_MAX:
        raise Finding("type-mismatch", f"order is defined for at most {LOAD_MAX} bytes", span)


def _against(op: str, one: typed.Value, literal: Literal, quantifier: str, span: Span) -> typed.Condition:
    """A value against a literal, which takes its type."""
    of = one.type
    if one.is_text:
        return _text(op, one, literal, quantifier, span)
    if of.kind == "int" and not one.direct and isinstance(literal, ast.Number):
        left, right = arithmetic.align(one, arithmetic.constant(literal), span)
        return typed.Compare(span, op, left, right, quantifier)
    worth = raw(literal, one.name, of, one.direct)
    constant = typed.Constant(span=literal.span, name=members.literal_text(literal), type=of, lo=worth, hi=worth)
    return typed.Compare(span, op, one, constant, quantifier)


def _text(op: str, one: typed.Value, literal: Literal, quantifier: str, span: Span) -> typed.Condition:
    """Against bytes; a char field is also equal where only blanks or only NULs follow the text."""
    size = one.type.bits // 8
    data = text_bytes(literal, one.name, one.type)
    if op in ("==", "!="):
        return typed.Member(span, one, quantifier, texts=members.padded(data, size), negated=op == "!=")
    _ordered(op, one, span)
    if len(data) < size:
        raise Finding("length-mismatch", f"order on {one.name} needs all {size} bytes", literal.span)
    worth = int.from_bytes(data, "big")
    constant = typed.Constant(span=literal.span, name=members.literal_text(literal), type=one.type, lo=worth, hi=worth)
    return typed.Compare(span, op, one, constant, quantifier)
