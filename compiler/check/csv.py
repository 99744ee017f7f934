"""Rows of a table from a CSV file: cells with their places, as if they had been written in the rule file.

One idea: a line is cells between commas, first the keys and then the values; a first line of words is a header. Blank
lines and lines that start with # are skipped; quotes around a cell are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from sevenm.compiler.diagnostics import Diagnostic, Origin, Span
from sevenm.compiler.syntax import ast, lexemes
from sevenm.compiler.syntax.bounds import FINDINGS_MAX

CSV_MAX = 64 << 20
"""Bytes of one file of rows."""
_WORD = re.compile(r"[A-Za-z_][\w .-]*")
_IP4 = re.compile(r"[0-9]+(?:\.[0-9]+){2,}(?:/[0-9]+)?")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f_]+|0[bB][01_]+|[0-9][0-9_]*(?:\.[0-9][0-9_]*)?")
_DURATION = re.compile(r"[0-9][0-9_.]*(?:ns|us|ms|s|m|h)")


class UnreadableError(Exception):
    """The file cannot be read, and why."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic("error", "unreadable", message, span, "the path starts at the rule file's folder")


def read(
    folder: Path, source: ast.Text, keys: int, most: int
) -> tuple[tuple[ast.RowDecl, ...], Origin, list[Diagnostic]]:
    """The rows of the file that ``source`` names, relative to ``folder``, the file for messages, and findings: a row
    with cells that are no values is left out. ``keys`` cells of a line are keys, the others values; reading stops after
    ``most`` + 1 rows. Raises UnreadableError."""
    path = folder / source.value.decode("utf-8", "surrogateescape")
    reader = _Reader(Origin(str(path), _text(path, source.span)), keys)
    return reader.rows(most), reader.origin, reader.findings


def _text(path: Path, span: Span) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(CSV_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableError(f"cannot read {path}: {reason}", span) from None
    if len(data) > CSV_MAX:
        raise UnreadableError(f"{path} has more than {CSV_MAX} bytes (64 MiB)", span)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: byte {data[error.start]:#04x} at offset {error.start} is not UTF-8"
        raise UnreadableError(message, span) from None


class _Reader:
    def __init__(self, origin: Origin, keys: int) -> None:
        self.origin, self.keys = origin, keys
        self.findings: list[Diagnostic] = []

    def rows(self, most: int) -> tuple[ast.RowDecl, ...]:
        out: list[ast.RowDecl] = []
        start, first = 0, True
        for number, line in enumerate(self.origin.text.split("\n"), 1):
            cells = self._cells(line, start, number)
            start += len(line) + 1
            if not cells or cells[0][0].startswith("#"):
                continue
            header, first = first and all(_WORD.fullmatch(cell) for cell, _ in cells), False
            if header:
                continue
            span = Span(cells[0][1].start, cells[-1][1].end, number, cells[0][1].column)
            row = self._row(cells, span)
            if row is not None:
                out.append(row)
            if len(out) > most or len(self.findings) >= FINDINGS_MAX:
                break
        return tuple(out)

    def _row(self, cells: list[tuple[str, Span]], span: Span) -> ast.RowDecl | None:
        """The row; None and findings where cells are no values."""
        items = [self._item(cell, at) for cell, at in cells]
        keys = tuple(item for item in items[: self.keys] if item is not None)
        values: list[ast.SetItem] = []
        for item in items[self.keys :]:
            if isinstance(item, ast.Masked | ast.Anything):
                self._error("bad-value", "a mask or * is no value of a row", item.span)
            elif item is not None:
                values.append(item)
        return ast.RowDecl(span, keys, tuple(values)) if len(keys) + len(values) == len(items) else None

    def _cells(self, line: str, start: int, number: int) -> list[tuple[str, Span]]:
        """The cells of a line without blanks and quotes around them; none of an empty line."""
        if not line.strip():
            return []
        out, at = [], 0
        for cell in line.rstrip("\r").split(","):
            inner = cell.strip()
            column = at + len(cell) - len(cell.lstrip())
            if len(inner) > 1 and inner[0] == inner[-1] == '"':
                inner, column = inner[1:-1], column + 1
            out.append((inner, Span(start + column, start + column + max(1, len(inner)), number, column + 1)))
            at += len(cell) + 1
        return out

    def _error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, span, hint, self.origin))

    def _item(self, cell: str, span: Span) -> ast.Match | None:
        """The cell as the value it is; None and a finding where it is none."""
        try:
            return self._parsed(cell, span)
        except lexemes.LexemeError as problem:
            self._error(problem.code, problem.message, span, problem.hint)
            return None

    def _parsed(self, cell: str, span: Span) -> ast.Match:
        if cell == "*":
            return ast.Anything(span)
        lo, dots, hi = cell.partition("..")
        if dots:
            return ast.Range(span, self._value(lo.strip(), span), self._value(hi.strip(), span))
        value, mask, bits = cell.partition("&")
        if mask:
            return ast.Masked(span, self._value(value.strip(), span), self._value(bits.strip(), span))
        return self._value(cell, span)

    def _value(self, cell: str, span: Span) -> ast.Number | ast.Duration | ast.Address:
        readers: tuple[tuple[re.Pattern[str], Callable[[str], lexemes.ParsedAddress]], ...] = (
            (_IP4, lexemes.ip4), (re.compile(".*:.*"), lexemes.colon_hex),
        )  # fmt: skip
        for pattern, parse in readers:
            if pattern.fullmatch(cell):
                return self._address(parse(cell), cell, span)
        if _DURATION.fullmatch(cell):
            return ast.Duration(span, lexemes.duration(cell), cell)
        if not _NUMBER.fullmatch(cell):
            shown = f"'{cell[:40]}'" if cell.isprintable() and cell else "nothing" if not cell else ascii(cell[:40])
            raise lexemes.LexemeError(
                "bad-cell", f"expected a number, an address, a duration, a range such as 1..5, or *, found {shown}",
                "cells are separated by commas" if ";" in cell or "\t" in cell else None,
            )  # fmt: skip
        return ast.Number(span, lexemes.number(cell), cell)

    def _address(self, parsed: lexemes.ParsedAddress, cell: str, span: Span) -> ast.Address:
        if parsed.host_bits is not None:
            message = f"{cell} has bits set below its prefix, which are ignored"
            hint = f"the network is {parsed.host_bits}"
            self.findings.append(Diagnostic("warning", "host-bits", message, span, hint, self.origin))
        return ast.Address(span, parsed.kind, parsed.value, parsed.size, parsed.prefix, cell)
