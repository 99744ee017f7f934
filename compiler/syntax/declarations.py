"""Declarations and rules: what stands outside of expressions, from the parser's tree to nodes of ``ast``.

One idea: a method per grammar rule; names, counts and bounds are checked here, types and meaning are not.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from sevenm.compiler.syntax import ast
from sevenm.compiler.syntax.bounds import FIELDS_MAX, MEMBERS_MAX, NESTING_MAX, RULES_MAX
from sevenm.compiler.syntax.builder import Builder, Part, cover, token_span
from sevenm.compiler.syntax.token import Token


def too_deep(expr: ast.Expr) -> ast.Expr | None:
    """The first subexpression below level ``NESTING_MAX``, or None. Does not recurse."""
    stack: list[tuple[ast.Expr, int]] = [(expr, 1)]
    while stack:
        node, level = stack.pop()
        if level > NESTING_MAX:
            return node
        below: tuple[ast.Expr, ...] = ()
        match node:
            case ast.Slice():
                below = (node.base,)
            case ast.Call():
                below = node.args
            case ast.Tuple():
                below = node.items
            case ast.Lookup():
                below = (node.table, *node.keys)
            case ast.Prev():
                below = (node.operand, *node.keys)
            case ast.Unary() | ast.In():
                below = (node.operand,)
            case ast.Binary() | ast.Compare():
                below = (node.left, node.right)
            case ast.Logic():
                below = node.operands
            case _:
                pass
        stack.extend((child, level + 1) for child in below)
    return None


class Declarations(Builder):
    """Builds schemas, sets, tables and rules."""

    # sets

    def _item(self, item: Any) -> ast.SetItem:
        if isinstance(item, Token):
            return ast.SetRef(token_span(item), item[1:])
        member: ast.SetItem = item
        return member

    def range(self, children: list[Any]) -> ast.Range:
        return ast.Range(cover(children), children[0], children[2])

    def items(self, children: list[Any]) -> Part:
        span = cover(children)
        members = [self._item(c) for c in children[1:-1] if not isinstance(c, Token) or c.type == "SETREF"]
        if not members:
            self.error("empty-set", "the set is empty, so nothing is ever in it", span)
        if len(members) > MEMBERS_MAX:
            self.error("too-many-members", f"set of {len(members)} members; at most {MEMBERS_MAX} are allowed", span)
        return Part(span, "items", tuple(members))

    def set(self, children: list[Any]) -> ast.SetDecl:
        kind = next((c for c in children if isinstance(c, ast.TypeRef)), None)
        name = self._identifier(children[1], "set")
        return ast.SetDecl(cover(children), name, kind, children[-1].value, self._most(children))

    def _most(self, children: list[Any]) -> int | None:
        """The number after ``max``."""
        at = next((i for i, c in enumerate(children) if isinstance(c, Token) and c.type == "MAX"), None)
        return None if at is None else self._integer(children[at + 1])

    # tables

    def key(self, children: list[Token]) -> ast.KeyDecl:
        return ast.KeyDecl(cover(children), str(children[0]), str(children[1]) if len(children) > 1 else "exact")

    def keys(self, children: list[Any]) -> Part:
        return Part(cover(children), "keys", tuple(c for c in children if isinstance(c, ast.KeyDecl)))

    def column(self, children: list[Token]) -> ast.ColumnDecl:
        name = self._identifier(children[0], "column") if len(children) > 1 else None
        return ast.ColumnDecl(cover(children), name, str(children[-1]))

    def columns(self, children: list[Any]) -> Part:
        return Part(cover(children), "columns", tuple(c for c in children if isinstance(c, ast.ColumnDecl)))

    def masked(self, children: list[Any]) -> ast.Masked:
        return ast.Masked(cover(children), children[0], children[2])

    def anything(self, children: list[Token]) -> ast.Anything:
        return ast.Anything(cover(children))

    def matches(self, children: list[Any]) -> Part:
        return Part(cover(children), "matches", tuple(c for c in children if not isinstance(c, Token)))

    results = matches

    def row(self, children: list[Any]) -> ast.RowDecl:
        children = [c for c in children if not (isinstance(c, Token) and c.type == "_SEPARATOR")]
        sides = [c.value if isinstance(c, Part) else (c,) for c in children if not isinstance(c, Token)]
        return ast.RowDecl(cover(children), sides[0], sides[1] if len(sides) > 1 else ())

    def rows(self, children: list[Any]) -> Part:
        return Part(cover(children), "rows", tuple(c for c in children if isinstance(c, ast.RowDecl)))

    def table(self, children: list[Any]) -> ast.TableDecl:
        parts = {c.kind: c.value for c in children if isinstance(c, Part)}
        last = children[-1]
        source = None if isinstance(last, Part) else self.text([last])
        name = self._identifier(children[1], "table")
        return ast.TableDecl(
            cover(children), name, parts["keys"], parts.get("columns", ()), self._most(children), parts.get("rows", ()),
            source,
        )  # fmt: skip

    # schemas

    def params(self, children: list[Token]) -> Part:
        return Part(cover(children), "params", tuple(self._integer(t) for t in children if t.type == "NUMBER"))

    def count(self, children: list[Token]) -> Part:
        return Part(cover(children), "count", self._integer(children[1]))

    def type(self, children: list[Any]) -> ast.TypeRef:
        parts = {c.kind: c.value for c in children[1:]}
        return ast.TypeRef(cover(children), str(children[0]), parts.get("params", ()), parts.get("count"))

    def attribute(self, children: list[Any]) -> ast.Attribute:
        value = children[2] if len(children) > 1 else None
        if isinstance(value, ast.Text):
            value = ast.Name(value.span, value.value.decode("utf-8", "replace"))
        return ast.Attribute(cover(children), str(children[0])[1:], value)

    def member(self, children: list[Any]) -> ast.EnumMember:
        number: ast.Number = children[2]
        if number.value.denominator != 1:
            self.error("not-an-integer", f"expected a whole number, found {number.text}", number)
        return ast.EnumMember(cover(children), self._identifier(children[0], "value"), int(number.value))

    def enum(self, children: list[Any]) -> Part:
        members = tuple(c for c in children if isinstance(c, ast.EnumMember))
        span = cover(children)
        if not members:
            self.error("empty-enum", "no names between the braces", span)
        return Part(span, "enum", members)

    def bitfield(self, children: list[Any]) -> ast.BitField:
        children = [c for c in children if not (isinstance(c, Token) and c.type == "_SEPARATOR")]
        enum = children[3].value if len(children) > 3 else ()
        return ast.BitField(
            cover(children), self._identifier(children[0], "bit field"), self._integer(children[2]), enum
        )

    def bits(self, children: list[Any]) -> Part:
        return Part(cover(children), "bits", tuple(c for c in children if isinstance(c, ast.BitField)))

    def field(self, children: list[Any]) -> ast.FieldDecl:
        children = [c for c in children if not (isinstance(c, Token) and c.type == "_SEPARATOR")]
        parts: dict[str, Any] = {"enum": (), "bits": ()}
        for part in (c for c in children if isinstance(c, Part)):
            if parts[part.kind]:
                self.error("given-twice", f"field {children[0]} has {part.kind} twice", part)
            parts[part.kind] = part.value
        attributes = tuple(c for c in children if isinstance(c, ast.Attribute))
        name = self._identifier(children[0], "field")
        return ast.FieldDecl(cover(children), name, children[2], attributes, parts["enum"], parts["bits"])

    def schema(self, children: list[Any]) -> ast.SchemaDecl:
        fields = tuple(c for c in children if isinstance(c, ast.FieldDecl))
        count = len(fields) + sum(len(f.bits) for f in fields)
        if count > FIELDS_MAX:
            self.error("too-many-fields", f"schema of {count} fields; at most {FIELDS_MAX} are allowed", children[1])
        version = int(children[2][1:8])
        if len(children[2]) > 6 or not 1 <= version <= 65535:
            self.error("bad-version", f"version must be v1 to v65535, not {children[2][:20]}", children[2])
        attributes = tuple(c for c in children if isinstance(c, ast.Attribute))
        name = self._identifier(children[1], "schema")
        return ast.SchemaDecl(cover(children), name, version, self._integer(children[4]), attributes, fields)

    # rules

    def deliver(self, children: list[Token]) -> ast.Action:
        return ast.Action(cover(children), "deliver", self._identifier(children[1], "channel"))

    def count_event(self, children: list[Token]) -> ast.Action:
        return ast.Action(cover(children), "count", self._identifier(children[1], "counter"))

    def forward(self, children: list[Any]) -> ast.Action:
        port = children[1]
        if isinstance(port, ast.Lookup):
            return ast.Action(cover(children), "forward", None, port)
        target = self._integer(port) if port.type == "NUMBER" else self._identifier(port, "port")
        return ast.Action(cover(children), "forward", target)

    def drop(self, children: list[Token]) -> ast.Action:
        return ast.Action(cover(children), "drop", None)

    def actions(self, children: list[Any]) -> Part:
        return Part(cover(children), "actions", tuple(c for c in children if isinstance(c, ast.Action)))

    def rule(self, children: list[Any]) -> ast.RuleDecl:
        name = self._identifier(children[1], "rule")
        if name == "default":
            self.error(
                "reserved-name", "a rule cannot be called 'default'", children[1], "write default => …, without 'rule'"
            )
        self.check_depth(children[3])
        return ast.RuleDecl(cover(children), name, children[3], children[5].value)

    def default(self, children: list[Any]) -> ast.RuleDecl:
        return ast.RuleDecl(cover(children), "default", None, children[2].value)

    def over(self, children: list[Any]) -> Part:
        self.check_depth(children[1])
        return Part(cover(children), "over", children[1])

    def rules(self, children: list[Any]) -> ast.BlockDecl:
        name = self._identifier(children[1], "block")
        source = ast.Name(token_span(children[3]), self._identifier(children[3], "schema"))
        over = next((c.value for c in children if isinstance(c, Part)), None)
        mode = next(str(c) for c in children[4:] if isinstance(c, Token))
        rules = tuple(c for c in children if isinstance(c, ast.RuleDecl))
        for rule, after in pairwise(rules):
            if rule.when is None:
                message = "a second default" if after.when is None else f"rule {after.name} comes after the default"
                self.error("default-not-last", message, after, "default applies when no rule fires: put it last, once")
                break
        return ast.BlockDecl(cover(children), name, source, over, mode, rules)

    # starts

    def file(self, children: list[Any]) -> ast.RuleFile:
        blocks = tuple(c for c in children if isinstance(c, ast.BlockDecl))
        count = sum(len(b.rules) for b in blocks)
        if count > RULES_MAX:
            self.error("too-many-rules", f"{count} rules; at most {RULES_MAX} are allowed", blocks[-1])
        return ast.RuleFile(
            tuple(c for c in children if isinstance(c, ast.SchemaDecl)),
            tuple(c for c in children if isinstance(c, ast.SetDecl)),
            tuple(c for c in children if isinstance(c, ast.TableDecl)),
            blocks,
        )

    def expression(self, children: list[Any]) -> ast.Expr:
        expr: ast.Expr = children[0]
        self.check_depth(expr)
        return expr

    def check_depth(self, expr: ast.Expr) -> None:
        node = too_deep(expr)
        if node is not None:
            self.error(
                "too-deep",
                f"expression of more than {NESTING_MAX} levels",
                node,
                "split it into several rules, or use a set: x in {…}",
            )
