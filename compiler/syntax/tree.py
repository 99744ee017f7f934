"""The parser's tree to the syntax tree of ``ast``: spans, values of literals, and checks that need no types."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from sevenm.compiler.syntax import ast, lexemes
from sevenm.compiler.syntax.bounds import LATER, not_in_version
from sevenm.compiler.syntax.builder import Part, cover
from sevenm.compiler.syntax.declarations import Declarations
from sevenm.compiler.syntax.token import Token

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def _expressions(children: list[Any]) -> tuple[ast.Expr, ...]:
    return tuple(child for child in children if not isinstance(child, Token))


class TreeBuilder(Declarations):
    """Builds the nodes of ``ast`` bottom up. ``findings`` collects errors and warnings in source order per rule."""

    # expressions

    def slice(self, children: list[Any]) -> ast.Expr:
        base, inside, span = children[0], children[2:-1], cover(children)
        numbers = [self._integer(t) for t in inside if t.type == "NUMBER"]
        length = 1
        match [str(t.type) for t in inside]:
            case ["NUMBER"]:
                start = numbers[0]
            case ["NUMBER", "COLON", "NUMBER"]:
                start, length = numbers
            case ["NUMBER", "MINUS", "NUMBER"]:
                start, length = numbers[0], numbers[1] - numbers[0] + 1
                if length < 1:
                    self.error("empty-slice", f"slice ends at byte {numbers[1]}, before it starts", cover(inside))
                    length = 1
            case ["COLON", "NUMBER"]:
                start, length = 0, numbers[0]
            case _:
                start = numbers[0]
                self.error(
                    "open-slice",
                    "a slice needs a length",
                    cover(inside),
                    f"write [{inside[0]}:LENGTH] for LENGTH bytes from byte {inside[0]} on",
                )
        if length == 0:
            self.error("empty-slice", "slice of 0 bytes", cover(inside), "[a:b] is b bytes from byte a on")
        return ast.Slice(span, base, start, length, len(inside) == 1)

    def call(self, children: list[Any]) -> ast.Expr:
        name = str(children[0])
        if name in LATER:
            self.error("not-in-version", not_in_version(name), children[0])
        return ast.Call(cover(children), name, _expressions(children))

    def group(self, children: list[Any]) -> ast.Expr:
        inner: ast.Expr = children[1]
        return replace(inner, span=cover(children), grouped=True) if isinstance(inner, ast.Logic) else inner

    def tuple(self, children: list[Any]) -> ast.Expr:
        return ast.Tuple(cover(children), _expressions(children))

    def lookup(self, children: list[Any]) -> ast.Expr:
        column = children[-1] if children[-1].type == "COLUMN" else None
        return ast.Lookup(
            cover(children), children[0], _expressions(children[1:]), None if column is None else str(column)[1:]
        )

    def prev(self, children: list[Any]) -> ast.Expr:
        operand, key = children[2], children[4]
        keys = key.items if isinstance(key, ast.Tuple) else (key,)
        given = {str(word): number for word, number in pairwise(children[5:-1]) if str(word) in ("keys", "ttl")}
        most = self._integer(given["keys"]) if "keys" in given else None
        ttl_ns = self._read(lexemes.duration, given["ttl"], 1) if "ttl" in given else None
        return ast.Prev(cover(children), operand, keys, most, ttl_ns)

    def unary(self, children: list[Any]) -> ast.Expr:
        op, operand = children
        if op == "-" and isinstance(operand, ast.Number) and not operand.text.startswith("-"):
            return ast.Number(cover(children), -operand.value, f"-{operand.text}")
        return ast.Unary(cover(children), str(op), operand)

    def binary(self, children: list[Any]) -> ast.Expr:
        left, op, right = children
        return ast.Binary(cover(children), str(op), left, right)

    def compare(self, children: list[Any]) -> ast.Expr:
        quantifier = None
        span = cover(children)
        if isinstance(children[0], Token):
            quantifier, children = str(children[0]), children[1:]
        if len(children) > 3:
            self.error(
                "chained-comparison",
                "comparisons cannot be chained",
                children[3],
                "write a < b and b < c, or x in {lo..hi}",
            )
        left, op, right = children[:3]
        return ast.Compare(span, COMPARISONS.get(op, str(op)), left, right, quantifier)

    def membership(self, children: list[Any]) -> ast.Expr:
        span = cover(children)
        quantifier = None
        if isinstance(children[0], Token):
            quantifier, children = str(children[0]), children[1:]
        operand, *words, items = children
        if isinstance(items, Part):
            members: tuple[ast.SetItem, ...] = items.value
        else:
            members = (self._item(items),)
        inside = ast.In(span, operand, members, quantifier)
        if len(words) == 1:
            return inside
        if quantifier is not None:
            other = "all" if quantifier == "any" else "any"
            self.error(
                "quantified-not-in",
                f"'{quantifier} … not in' can be read two ways",
                span,
                f"write not {quantifier} … in {{…}}, or not {other} … in {{…}}",
            )
        return ast.Unary(span, "not", inside, infix=True)

    def negation(self, children: list[Any]) -> ast.Expr:
        self._condition(children[1], "not")
        return ast.Unary(cover(children), "not", children[1])

    def conjunction(self, children: list[Any]) -> ast.Expr:
        return self._logic("and", children)

    def disjunction(self, children: list[Any]) -> ast.Expr:
        operands = children[::2]
        mixed = next((o for o in operands if isinstance(o, ast.Logic) and o.op == "and" and not o.grouped), None)
        if mixed is not None:
            self.warn(
                "mixed-and-or",
                "'and' binds tighter than 'or' here",
                mixed,
                "put parentheses around the part that belongs together",
            )
        return self._logic("or", children)

    def _logic(self, op: str, children: list[Any]) -> ast.Expr:
        operands = children[::2]
        for before, operand in zip([None, *operands], operands, strict=False):
            self._condition(operand, op, before)
        return ast.Logic(cover(children), op, tuple(operands))

    def _condition(self, operand: ast.Expr, op: str, before: ast.Expr | None = None) -> None:
        """``x == 1 or 2``: a literal is no condition."""
        if not isinstance(operand, ast.Number | ast.Duration | ast.Text | ast.Address):
            return
        text = "quoted text" if isinstance(operand, ast.Text) else operand.text
        hint = "write a comparison, such as x == 2"
        if isinstance(before, ast.Compare) and isinstance(before.left, ast.Name):
            field = before.left.path
            shown = "…" if isinstance(operand, ast.Text) else operand.text
            hint = f"write {field} {before.op} {shown}" + (
                f", or {field} in {{…}}" if before.op == "==" and op == "or" else ""
            )
        self.error("not-a-condition", f"'{op}' joins conditions, and {text} is a value", operand, hint)
