"""Values of earlier events: ``prev(x per key)``, and the bounds of what is kept for it.

One idea: whatever is remembered is bounded by the number of keys and by time, and the bounds are part of the meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

from sevenm.boundary import KEYS_MAX
from sevenm.compiler.check import typed
from sevenm.compiler.check.arithmetic import Side
from sevenm.compiler.check.literals import Finding
from sevenm.compiler.plan.state import CELL_MAX, SETS_MAX, TTL_MAX_NS
from sevenm.compiler.syntax import ast

PREV_KEYS = 4096
"""Keys that a state keeps where the rule does not say how many."""
WAYS = 4
"""Entries of one set; a state of fewer keys has one set of as many entries."""
STATE_KEYS_MAX = SETS_MAX


def prev(expr: ast.Prev, operand: Side, sides: Sequence[Side]) -> typed.Prev:
    """``sides`` are the keys. Raises Finding for what cannot be remembered or be a key."""
    of = _one(operand, expr.operand, "prev remembers one value")
    if of.type.kind == "float":
        raise Finding("type-mismatch", f"{of.name} is {of.type.text}: floats compare with constants only", of.span)
    if of.hi > CELL_MAX:
        raise Finding("too-wide", f"prev remembers at most 127 bits, {of.name} has {of.type.bits}", of.span)
    if len(expr.keys) > KEYS_MAX:
        raise Finding("arguments", f"prev takes at most {KEYS_MAX} keys, not {len(expr.keys)}", expr.span)
    keys = tuple(_one(side, key, "a key is one value") for side, key in zip(sides, expr.keys, strict=True))
    names = ", ".join(key.name for key in keys)
    shown = f"prev({of.name} per {names if len(keys) == 1 else f'({names})'})"
    return typed.Prev(
        span=expr.span, name=shown, type=of.type, lo=min(of.lo, 0), hi=max(of.hi, 0),
        needs=frozenset({shown}), of=of, keys=keys, most=_most(expr), ttl_ns=_ttl(expr),
    )  # fmt: skip


def _one(value: Side, expr: ast.Expr, what: str) -> typed.Value:
    if not isinstance(value, typed.Value):
        raise Finding("constant", f"{what} of an event, not a constant", expr.span)
    if value.count > 1:
        raise Finding("too-many-values", f"{what}; {value.name} has several", expr.span, "pick one, such as #1 or [0]")
    if value.is_text and value.type.bits > 128:
        raise Finding("too-wide", f"{what} of at most 16 bytes; {value.name} has {value.type.bits // 8}", expr.span)
    return value


def _most(expr: ast.Prev) -> int:
    most = PREV_KEYS if expr.most is None else expr.most
    if not 1 <= most <= STATE_KEYS_MAX:
        raise Finding("out-of-range", f"keys must be 1 to {STATE_KEYS_MAX}, not {most}", expr.span)
    return most


def _ttl(expr: ast.Prev) -> int:
    if expr.ttl_ns is None:
        return 0
    if not 1 <= expr.ttl_ns <= TTL_MAX_NS:
        raise Finding("out-of-range", f"ttl must be 1 to {TTL_MAX_NS} ns, not {expr.ttl_ns}", expr.span)
    return expr.ttl_ns
