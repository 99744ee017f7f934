"""What the builders of the syntax tree share: findings, spans, and the nodes of single tokens.

One idea: a method per grammar rule. Findings are collected, not raised, so that one run reports them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from sevenm.compiler.diagnostics import Diagnostic, Span
from sevenm.compiler.syntax import ast, lexemes
from sevenm.compiler.syntax.bounds import NAME_MAX
from sevenm.compiler.syntax.token import Token

T = TypeVar("T")


@dataclass(slots=True)
class Part:
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


class Builder:
    """Builds the nodes of ``ast`` bottom up. ``findings`` collects errors and warnings in source order per rule."""

    def __init__(self) -> None:
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
