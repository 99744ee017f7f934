"""A first look at the source before it is parsed: size, stray characters, brackets.

One idea: what would make the parser slow or its message misleading is found here in one linear scan, without
recursion: too long a source, brackets nested too deep, one that is never closed.
"""

from __future__ import annotations

import re

from sevenm.compiler.diagnostics import CompileError, Diagnostic, Span
from sevenm.compiler.syntax.bounds import NESTING_MAX

SOURCE_MAX = 16 << 20
"""Bytes of one source (UTF-8)."""
TOKENS_MAX = 1 << 22
"""Words and symbols of one source; 65,536 rules of sixty each need as many."""

_PIECES = re.compile(
    r"""
      (?P<comment>//[^\n]*|(?<![0-9A-Za-z_])\#[^\n]*|\#(?![0-9]+(?![0-9A-Za-z_]))[^\n]*)
    | (?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<quote>["'])
    | (?P<bracket>[()\[\]{}])
    | (?P<other>[\w.:]+(?:/(?!/)[\w.:]+)*|[^\s\w])
    """,
    re.VERBOSE,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_OPENING = {"(": ")", "[": "]", "{": "}"}


def span_at(text: str, start: int, end: int | None = None) -> Span:
    """The span [start, end) of a text (one character by default) with its line and column."""
    line = text.count("\n", 0, start) + 1
    column = start - (text.rfind("\n", 0, start) + 1) + 1
    return Span(start, start + 1 if end is None else end, line, column)


def fail(text: str, start: int, code: str, message: str, hint: str | None = None) -> CompileError:
    return CompileError([Diagnostic("error", code, message, span_at(text, start), hint)])


def check_source(text: str) -> None:
    """Raises CompileError for a source that is too long, is no text, or whose brackets do not pair up."""
    size = len(text) if text.isascii() or len(text) > SOURCE_MAX else len(text.encode("utf-8", "surrogatepass"))
    if size > SOURCE_MAX:
        raise fail(
            text[:200],
            0,
            "source-too-long",
            f"source of {size} bytes; at most {SOURCE_MAX} ({SOURCE_MAX >> 20} MiB) are allowed",
            "split it into several files",
        )
    nul = text.find("\0")
    if nul >= 0:
        raise fail(text, nul, "nul-byte", "NUL byte in the source", "this is not a text file")
    stray = _SURROGATE.search(text)
    if stray:
        raise _not_text(text, stray)
    open_at: list[tuple[str, int]] = []
    for count, piece in enumerate(_PIECES.finditer(text)):
        if count >= TOKENS_MAX:
            message = f"more than {TOKENS_MAX} words and symbols in one source"
            raise fail(text, piece.start(), "too-many-tokens", message, "split it into several files")
        if piece.lastgroup == "quote":
            message = "the quoted text is not closed on its line"
            raise fail(text, piece.start(), "unclosed-text", message, f"write {piece[0]} at its end")
        if piece.lastgroup == "bracket":
            _bracket(text, piece[0], piece.start(), open_at)
    if open_at:
        bracket, start = open_at[-1]
        _unclosed(text, bracket, start, "the end of the source")


def _not_text(text: str, stray: re.Match[str]) -> CompileError:
    """For half a character; Python holds a byte of the command line that is not UTF-8 as U+DC80 to U+DCFF."""
    code = ord(stray[0])
    if not 0xDC80 <= code <= 0xDCFF:
        return fail(text, stray.start(), "not-utf8", f"U+{code:04X} alone is no character", "write the text in UTF-8")
    byte = f"{code - 0xDC00:02x}"
    hint = f"write the text in UTF-8; a byte in quoted text is \\x{byte}"
    return fail(text, stray.start(), "not-utf8", f"byte 0x{byte} is not UTF-8", hint)


def _bracket(text: str, bracket: str, start: int, open_at: list[tuple[str, int]]) -> None:
    if bracket in _OPENING:
        if len(open_at) >= NESTING_MAX:
            message = f"brackets nested more than {NESTING_MAX} deep"
            raise fail(text, start, "too-deep", message, "write it with fewer brackets, or split it into several rules")
        open_at.append((bracket, start))
    elif not open_at:
        message = f"'{bracket}' closes nothing: there is no '{_CLOSING[bracket]}' before it"
        raise fail(text, start, "unbalanced", message, "remove it, or open it earlier")
    elif open_at[-1][0] != _CLOSING[bracket]:
        opened, at = open_at[-1]
        _unclosed(text, opened, at, f"the '{bracket}' in line {span_at(text, start).line}")
    else:
        open_at.pop()


def _unclosed(text: str, bracket: str, start: int, before: str) -> None:
    message = f"'{bracket}' is not closed before {before}"
    raise fail(text, start, "unbalanced", message, f"write the '{_OPENING[bracket]}' that belongs to it")
