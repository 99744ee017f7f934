"""Typed conditions to one boolean node each.

One idea: an atom (a comparison, a membership, a presence) is *valid and true*, so logic above it is two-valued.
Where a side has several values (``tcp.port``), the quantifier says whether one pair or all have to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from sevenm.compiler.check import typed
from sevenm.compiler.check.conditions import too_wide
from sevenm.compiler.diagnostics import CompileError
from sevenm.compiler.lower.parts import Parts
from sevenm.compiler.lower.values import Values
from sevenm.compiler.plan.ops import RangeError
from sevenm.compiler.protocols.fields import Field, Value


class Conditions:
    """Lowers conditions over the fields of one source."""

    def __init__(self, parts: Parts, fields: Mapping[str, Field]) -> None:
        self.g, self.parts, self.values = parts.g, parts, Values(parts, fields)

    def node(self, condition: typed.Condition) -> int:
        """1 where the condition holds. Raises CompileError for a value that only the graph's bounds show to need more
        than 128 bits, with the place of the innermost condition around it."""
        try:
            return self._node(condition)
        except RangeError as error:
            raise CompileError([too_wide(error, condition.span)]) from error

    def _node(self, condition: typed.Condition) -> int:
        g = self.g
        match condition:
            case typed.Logic():
                parts = [self.node(operand) for operand in condition.operands]
                return g.all(*parts) if condition.op == "and" else g.any(*parts)
            case typed.Not():
                return g.invert(self.node(condition.operand))
            case typed.HasHeader():
                return self._header(condition)
            case typed.IsPresent():
                values = self.values.of(condition.of)
                flag = condition.of.type.is_flag
                return g.any(*(g.all(v.valid, v.node) if flag else v.valid for v in values))
            case typed.Compare():
                return self._compare(condition)
            case typed.Member():
                return self._member(condition)
            case typed.Hit():
                keys = self.values.keys(condition.table, condition.keys)
                tests = [(valid, self.values.hit(condition.table, nodes)) for valid, nodes in keys]
                return self._quantified(tests, condition.quantifier)
            case typed.Bad():
                raise AssertionError("a file with errors has no Plan")

    def _header(self, condition: typed.HasHeader) -> int:
        field = self.values.fields[condition.path]
        assert field.present is not None  # checked: it is a header
        present = field.present()
        self.parts.call(present, "header", field.name, condition.span)
        return present

    def _compare(self, condition: typed.Compare) -> int:
        left, right = self.values.of(condition.left), self.values.of(condition.right)
        tests = [
            (self.g.all(a.valid, b.valid), self._order(condition.op, a.parts, b.parts)) for a, b in product(left, right)
        ]
        return self._quantified(tests, condition.quantifier)

    def _order(self, op: str, a: tuple[int, ...], b: tuple[int, ...]) -> int:
        g = self.g
        if op in ("==", "!="):
            equal = g.all(*(g.eq(x, y) for x, y in zip(a, b, strict=True)))
            return equal if op == "==" else g.invert(equal)
        less = g.lt(a[0], b[0]) if op in ("<", ">=") else g.lt(b[0], a[0])
        return less if op in ("<", ">") else g.invert(less)

    def _member(self, condition: typed.Member) -> int:
        g, tests = self.g, []
        for value in self.values.of(condition.of):
            found = g.any(
                g.member(value.node, condition.ranges), *(self._equals(value, text) for text in condition.texts),
                *(self._in_set(value, one) for one in condition.sets),
            )  # fmt: skip
            tests.append((value.valid, g.invert(found) if condition.negated else found))
        return self._quantified(tests, condition.quantifier)

    def _in_set(self, value: Value, one: typed.NamedSet) -> int:
        found = self.g.hit(self.parts.named_set(one), (self.g.bits(value.node, 0, one.type.bits),))
        self.parts.call(found, "set", one.name, one.span)
        return found

    def _equals(self, value: Value, text: bytes) -> int:
        return self._order("==", value.parts, self.values.chunks(text))

    def _quantified(self, tests: Sequence[tuple[int, int]], quantifier: str) -> int:
        """One value is there and passes; or there are values, and all of them pass."""
        g = self.g
        if quantifier == "any":
            return g.any(*(g.all(valid, test) for valid, test in tests))
        return g.all(g.any(*(v for v, _ in tests)), *(g.any(g.invert(valid), test) for valid, test in tests))
