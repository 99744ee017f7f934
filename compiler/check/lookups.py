"""Look-ups: values held against the key columns of a table, and what its row says of them.

One idea: a key column takes values of its type, and of a number also narrower ones, so that no key is ever cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from sevenm.compiler.check import typed
from sevenm.compiler.check.arithmetic import Side
from sevenm.compiler.check.literals import Finding, did_you_mean, limits
from sevenm.compiler.check.scope import Scope
from sevenm.compiler.diagnostics import Span
from sevenm.compiler.protocols.fields import VALUES_MAX, Type
from sevenm.compiler.syntax import ast


def lookup(scope: Scope, expr: ast.Lookup, sides: Sequence[Side]) -> typed.Lookup:
    """A value of a table's row; ``sides`` are the keys. Raises Finding."""
    table = scope.table(expr.table)
    column = _column(table, expr)
    given = keys(table, sides, expr.keys, expr.span)
    shown = f"{table.name}[{', '.join(key.name for key in given)}]"
    if expr.column is not None:
        shown += f".{expr.column}"
    of = table.columns[column].type
    lo, hi = limits(of)
    return typed.Lookup(
        span=expr.span, name=shown, type=of, lo=lo, hi=hi, count=prod(key.count for key in given),
        needs=frozenset({shown}).union(*(key.needs for key in given)), table=table, column=column, keys=given,
    )  # fmt: skip


def _column(table: typed.Table, expr: ast.Lookup) -> int:
    names = [column.name for column in table.columns]
    if not names:
        shown = "x" if len(table.keys) == 1 else "(x, y)"
        hint = f"ask whether it has a row: {shown} in {table.name}"
        raise Finding("no-value", f"table {table.name} has no values", expr.span, hint)
    if expr.column is None:
        if len(names) == 1:
            return 0
        listed = ", ".join(f".{name}" for name in names)
        raise Finding("no-value", f"table {table.name} has several values", expr.span, f"take one of {listed}")
    if expr.column not in names:
        hint = did_you_mean(expr.column, names) or f"its values are {', '.join(names)}"
        raise Finding("unknown-column", f"table {table.name} has no value {expr.column}", expr.span, hint)
    return names.index(expr.column)


def keys(table: typed.Table, sides: Sequence[Side], written: Sequence[ast.Expr], span: Span) -> tuple[typed.Value, ...]:
    """The key of a look-up, one value for each key column. Raises Finding."""
    if len(sides) != len(table.keys):
        wanted = f"{len(table.keys)} key{'s' * (len(table.keys) > 1)}"
        raise Finding("arguments", f"table {table.name} is asked by {wanted}, not {len(sides)}", span)
    out = []
    for number, (key, side, expr) in enumerate(zip(table.keys, sides, written, strict=True), 1):
        if not isinstance(side, typed.Value):
            raise Finding("constant", "a table is asked by values of an event, not by a constant", expr.span)
        what = f"the key of table {table.name}" if len(table.keys) == 1 else f"key {number} of table {table.name}"
        out.append(_fitting(side, key.type, what, expr.span))
    if prod(value.count for value in out) > VALUES_MAX:
        raise Finding("too-many-values", f"more than {VALUES_MAX} combinations of values", span)
    return tuple(out)


def _fitting(value: typed.Value, wanted: Type, what: str, span: Span) -> typed.Value:
    """The value, which a key of that type holds whatever it is."""
    of = value.type
    if wanted.kind == "int" and value.is_text and of.bits <= wanted.bits:
        return replace(value, type=Type("int", of.bits))
    if of.kind == wanted.kind and (of.kind != "int" or (of.scale == 1 and not of.signed and of.bits <= wanted.bits)):
        return value
    narrower = of.kind == wanted.kind == "int" and of.scale == 1
    hint = f"wrap(x, {wanted.bits}) or sat(x, {wanted.bits}) makes it fit" if narrower else None
    raise Finding("type-mismatch", f"{what} is {wanted.text}, {value.name} is {of.text}", span, hint)
