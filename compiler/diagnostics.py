"""Errors as data: what is wrong, where, and what to do. Rendering is separate, in one function.

A message says what was found and what was expected; the hint says what to do. Positions are 1-based.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """Characters [start, end) of the source; ``line`` and ``column`` are those of ``start``."""

    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Another file than the source that was compiled, such as one with the rows of a table."""

    name: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """``code`` names the kind of finding (``unknown-field``); tools may rely on it, people read the message. ``origin``
    is the file in which the span lies, None for the source that was compiled."""

    severity: str  # "error" or "warning"
    code: str
    message: str
    span: Span
    hint: str | None = None
    origin: Origin | None = None


class CompileError(Exception):
    """The source has errors; carries every finding, warnings too."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(d.message for d in diagnostics if d.severity == "error"))


def nearest(word: str, words: Sequence[str], most: int = 1) -> list[str]:
    """The words that are close enough to be what was meant, the closest first."""
    return difflib.get_close_matches(word, words, most, 0.6)


def render(diagnostic: Diagnostic, source: str, filename: str) -> str:
    """The finding with its source line and a caret under it, without colour. ``source`` and ``filename`` are those of
    the text that was compiled.

    A long line is cut around the caret; a tab or another character that does not print counts as one blank.
    """
    span = diagnostic.span
    if diagnostic.origin is not None:
        source, filename = diagnostic.origin.text, diagnostic.origin.name
    lines = source.split("\n")
    line = lines[min(span.line, len(lines)) - 1].removesuffix("\r")
    line = "".join(character if character.isprintable() else " " for character in line)
    column = min(span.column, len(line) + 1)
    width = max(1, min(span.end - span.start, len(line) - column + 1))
    cut = max(0, column - 60)
    shown = line[cut : cut + 120]
    caret = " " * (column - 1 - cut) + "^" + "~" * (min(width, len(shown) - (column - 1 - cut)) - 1)
    gutter = " " * len(str(span.line))
    out = [
        f"{filename}:{span.line}:{span.column}: {diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]",
        f"{gutter} |",
        f"{span.line} | {shown}",
        f"{gutter} | {caret}",
    ]
    if diagnostic.hint:
        out.append(f"{gutter} = {diagnostic.hint}")
    return "\n".join(out)
