"""Text to syntax tree: the entry points of the parser.

One idea: a source goes through a linear scan (``brackets``) and an LALR parser (``reader``) that builds the tree
(``tree``); where that can go no further, Lark says why (``lark_parser``). Whatever is wrong comes out as one
``CompileError`` with every finding.
"""

from __future__ import annotations

import re
from typing import Any

from sevenm.compiler.diagnostics import CompileError, Diagnostic, Span
from sevenm.compiler.syntax import ast
from sevenm.compiler.syntax.bounds import FINDINGS_MAX
from sevenm.compiler.syntax.brackets import check_source, fail
from sevenm.compiler.syntax.reader import reader
from sevenm.compiler.syntax.tree import TreeBuilder
from sevenm.compiler.syntax.words import Unreadable

RECOVERY_MAX = 1 << 16
"""Characters of a source in which parsing goes on after a syntax error; a longer one reports its first only."""

_ITEM = re.compile(r"(?m)(?:^|(?<=[\s{}]))(?:rule\s+[\w.]+\s*:|default\s*=>|(?:rules|schema|set|table)\s+\w)|\}")


def parse(text: str, filename: str = "<rules>") -> ast.RuleFile:
    """The syntax tree of a rule file. Raises CompileError with all findings, warnings included."""
    return parse_with_warnings(text, filename)[0]


def parse_with_warnings(text: str, filename: str = "<rules>") -> tuple[ast.RuleFile, tuple[Diagnostic, ...]]:
    """``parse``, and the warnings of a source without errors (``mixed-and-or``, ``host-bits``)."""
    tree, warnings = _parse(text, "file", filename)
    if not isinstance(tree, ast.RuleFile):
        raise AssertionError(f"start symbol gave {type(tree).__name__}")
    return tree, warnings


def parse_expression(text: str) -> ast.Expr:
    """The tree of a bare filter. Raises CompileError with all findings, warnings included."""
    return parse_expression_with_warnings(text)[0]


def parse_expression_with_warnings(text: str) -> tuple[ast.Expr, tuple[Diagnostic, ...]]:
    """``parse_expression``, and the warnings of a filter without errors."""
    expr: ast.Expr
    expr, warnings = _parse(text, "expression", "<filter>")
    return expr, warnings


def _parse(text: str, start: str, filename: str) -> tuple[Any, tuple[Diagnostic, ...]]:
    try:
        check_source(text)
        return _parse_checked(text, start)
    except CompileError as error:
        error.add_note(f"in {filename}")
        raise


def _parse_checked(text: str, start: str) -> tuple[Any, tuple[Diagnostic, ...]]:
    if start == "expression" and not text.strip():
        raise fail(text, 0, "syntax", "the filter is empty", "write a condition, such as tcp.dstport == 80")
    findings: list[Diagnostic] = []
    left = text
    result: Any = None
    while len(findings) < FINDINGS_MAX:
        builder = TreeBuilder()
        try:
            result = reader().read(left, start, builder)
        except Unreadable:
            finding = _syntax_error(left, start, text)
            findings.append(finding)
            blanked = _without_item(left, finding.span) if start == "file" and len(text) <= RECOVERY_MAX else None
            if blanked is None:
                break
            left = blanked
            continue
        findings += builder.findings
        break
    findings.sort(key=lambda d: d.span.start)
    if any(d.severity == "error" for d in findings):
        raise CompileError(findings[:FINDINGS_MAX])
    return result, tuple(findings)


def _syntax_error(read: str, start: str, text: str) -> Diagnostic:
    from sevenm.compiler.syntax.lark_parser import syntax_error  # sound sources are read without Lark

    return syntax_error(read, start, text)


def _without_item(text: str, at: Span) -> str | None:
    """The text with the rule around an error blanked out (same length), or None if the error is in no rule."""
    start = None
    for found in _ITEM.finditer(text):
        if found.start() >= at.start + (1 if start is None else 0):
            if start is None or not re.match(r"rule\s", text[start : start + 5]):
                return None
            end = found.start()
            break
        start = found.start()
    else:
        return None
    body = text[start:end]
    if body.count("{") != body.count("}") or not body.strip():
        return None
    return text[:start] + re.sub(r"[^\n]", " ", body) + text[end:]


__all__ = [
    "parse",
    "parse_expression",
    "parse_expression_with_warnings",
    "parse_with_warnings",
]
