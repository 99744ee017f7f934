"""The parser's tree to the syntax tree of ``ast``: spans, values of literals, and checks that need no types.

One idea: a method per grammar rule. Findings are collected, not raised, so that one run reports them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, TypeVar

from lark import Token
from lark.visitors import Transformer_NonRecursive

from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.syntax import ast, lexemes

NESTING_MAX = 64
"""Levels of brackets, and levels of an expression."""
RULES_MAX = 4096
"""Rules in one file."""
FIELDS_MAX = 512
"""Fields in one schema, groups of bits included."""
MEMBERS_MAX = 65536
"""Members of one set."""
NAME_MAX = 128
"""Characters of one name."""
FINDINGS_MAX = 20
"""Errors reported in one run."""

COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LATER = {
    "pcap": "tcpdump filters inside a rule",
    "exceed": "rate limits",
    "streak": "counting over several events",
    "times": "counting over several events",
    "then": "sequences of events",
    "within": "time windows",
    "gap": "time windows",
    "per": "state per key",
    "prev": "values of earlier events",
    "once": "firing once per period",
    "trigger": "triggers",
    "table": "tables",
    "expect": "inline tests",
    "contains": "searching in a payload",
    "matches": "regular expressions",
}
"""Words with a meaning reserved for them: each is refused as not part of this version."""

T = TypeVar("T")


@dataclass(slots=True)
class _Part:
    """A piece of a declaration that is no node of its own."""

    span: Span
    kind: str
    value: Any


def token_span(token: Token) -> Span:
    start = token.start_pos or 0
    return Span(start, start + len(token), token.line or 1, token.column or 1)


def _span_of(child: Any) -> Span:
    return token_span(child) if isinstance(child, Token) else child.span


def cover(children: Sequence[Any]) -> Span:
    """From the first to the last of some tokens and nodes."""
    first, last = _span_of(children[0]), _span_of(children[-1])
    return Span(first.start, last.end, first.line, first.column)


def not_in_version(word: str) -> str:
    return f"'{word}' ({LATER[word]}) is not part of this version"


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


class TreeBuilder(Transformer_NonRecursive[Token, Any]):
    """Builds the nodes of ``ast`` bottom up. ``findings`` collects errors and warnings in source order per rule."""

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[Diagnostic] = []

    # findings

    def error(self, code: str, message: str, at: Any, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, at if isinstance(at, Span) else _span_of(at), hint))

    def warn(self, code: str, message: str, at: Any, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("warning", code, message, at if isinstance(at, Span) else _span_of(at), hint))

    def _read(self, read: Callable[[str], T], token: Token, instead: T) -> T:
        try:
            return read(str(token))
        except lexemes.LexemeError as problem:
            self.error(problem.code, problem.message, token, problem.hint)
            return instead

    def _integer(self, token: Token) -> int:
        return self._read(lexemes.integer, token, 1)

    def _identifier(self, token: Token, what: str) -> str:
        """A name of a declaration: one word without dots."""
        if "." in token:
            self.error("bad-name", f"the name of a {what} has no dots, {token[:80]} has", token)
        return str(token)

    def NAME(self, token: Token) -> Token:  # noqa: N802 (Lark calls the method of the terminal's name)
        if len(token) > NAME_MAX:
            self.error("name-too-long", f"name of {len(token)} characters; at most {NAME_MAX} are allowed", token)
        return token

    TAGGED = ATTRIBUTE = SETREF = NAME

    # literals

    def number(self, children: list[Token]) -> ast.Number:
        token = children[0]
        return ast.Number(token_span(token), self._read(lexemes.number, token, Fraction(1)), str(token))

    def negative(self, children: list[Token]) -> ast.Number:
        value = self._read(lexemes.number, children[1], Fraction(1))
        return ast.Number(cover(children), -value, f"-{children[1]}")

    def duration(self, children: list[Token]) -> ast.Duration:
        token = children[0]
        return ast.Duration(token_span(token), self._read(lexemes.duration, token, 1), str(token))

    def text(self, children: list[Token]) -> ast.Text:
        return ast.Text(token_span(children[0]), self._read(lexemes.quoted, children[0], b"?"))

    def ip4(self, children: list[Token]) -> ast.Address:
        return self._address(
            children[0], self._read(lexemes.ip4, children[0], lexemes.ParsedAddress("ip4", 0, 4, None))
        )

    def colonhex(self, children: list[Token]) -> ast.Address:
        instead = lexemes.ParsedAddress("ip6", 0, 16, None)
        return self._address(children[0], self._read(lexemes.colon_hex, children[0], instead))

    def _address(self, token: Token, parsed: lexemes.ParsedAddress) -> ast.Address:
        if parsed.host_bits is not None:
            self.warn(
                "host-bits",
                f"{token} has bits set below its prefix, which are ignored",
                token,
                f"the network is {parsed.host_bits}",
            )
        return ast.Address(token_span(token), parsed.kind, parsed.value, parsed.size, parsed.prefix, str(token))

    def name(self, children: list[Token]) -> ast.Name:
        token = children[0]
        path, _, tag = str(token).partition("#")
        if len(tag) > 3:
            self.error(
                "bad-tag", f"tag number {tag[:20]} is too large", token, "tags are counted from 1, outermost first"
            )
            tag = ""
        return ast.Name(token_span(token), path, int(tag) if tag else None)

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
        args = tuple(c for c in children[2:-1] if not isinstance(c, Token))
        return ast.Call(cover(children), name, args)

    def group(self, children: list[Any]) -> ast.Expr:
        inner: ast.Expr = children[1]
        return replace(inner, span=cover(children), grouped=True) if isinstance(inner, ast.Logic) else inner

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
        if isinstance(items, _Part):
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

    # sets

    def _item(self, item: Any) -> ast.SetItem:
        if isinstance(item, Token):
            return ast.SetRef(token_span(item), item[1:])
        member: ast.SetItem = item
        return member

    def range(self, children: list[Any]) -> ast.Range:
        return ast.Range(cover(children), children[0], children[2])

    def items(self, children: list[Any]) -> _Part:
        span = cover(children)
        members = [self._item(c) for c in children[1:-1] if not isinstance(c, Token) or c.type == "SETREF"]
        if not members:
            self.error("empty-set", "the set is empty, so nothing is ever in it", span)
        if len(members) > MEMBERS_MAX:
            self.error("too-many-members", f"set of {len(members)} members; at most {MEMBERS_MAX} are allowed", span)
        return _Part(span, "items", tuple(members))

    def set(self, children: list[Any]) -> ast.SetDecl:
        kind = next((c for c in children if isinstance(c, ast.TypeRef)), None)
        return ast.SetDecl(cover(children), self._identifier(children[1], "set"), kind, children[-1].value)

    # schemas

    def params(self, children: list[Token]) -> _Part:
        return _Part(cover(children), "params", tuple(self._integer(t) for t in children if t.type == "NUMBER"))

    def count(self, children: list[Token]) -> _Part:
        return _Part(cover(children), "count", self._integer(children[1]))

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

    def enum(self, children: list[Any]) -> _Part:
        members = tuple(c for c in children if isinstance(c, ast.EnumMember))
        span = cover(children)
        if not members:
            self.error("empty-enum", "no names between the braces", span)
        return _Part(span, "enum", members)

    def bitfield(self, children: list[Any]) -> ast.BitField:
        children = [c for c in children if not (isinstance(c, Token) and c.type == "_SEPARATOR")]
        enum = children[3].value if len(children) > 3 else ()
        return ast.BitField(
            cover(children), self._identifier(children[0], "bit field"), self._integer(children[2]), enum
        )

    def bits(self, children: list[Any]) -> _Part:
        return _Part(cover(children), "bits", tuple(c for c in children if isinstance(c, ast.BitField)))

    def field(self, children: list[Any]) -> ast.FieldDecl:
        children = [c for c in children if not (isinstance(c, Token) and c.type == "_SEPARATOR")]
        parts: dict[str, Any] = {"enum": (), "bits": ()}
        for part in (c for c in children if isinstance(c, _Part)):
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

    def forward(self, children: list[Token]) -> ast.Action:
        port = children[1]
        target = self._integer(port) if port.type == "NUMBER" else self._identifier(port, "port")
        return ast.Action(cover(children), "forward", target)

    def drop(self, children: list[Token]) -> ast.Action:
        return ast.Action(cover(children), "drop", None)

    def actions(self, children: list[Any]) -> _Part:
        return _Part(cover(children), "actions", tuple(c for c in children if isinstance(c, ast.Action)))

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

    def over(self, children: list[Any]) -> _Part:
        self.check_depth(children[1])
        return _Part(cover(children), "over", children[1])

    def rules(self, children: list[Any]) -> ast.BlockDecl:
        name = self._identifier(children[1], "block")
        source = ast.Name(token_span(children[3]), self._identifier(children[3], "schema"))
        over = next((c.value for c in children if isinstance(c, _Part)), None)
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
