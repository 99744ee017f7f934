"""Tables as written to typed tables: key and value columns, and every row held against them.

One idea: a row is checked the same whether it stands in the rule file or in a CSV file; only where its mistakes are
shown differs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sevenm.boundary import KEYS_MAX, PORTS
from sevenm.compiler.check import csv, typed
from sevenm.compiler.check.literals import Finding, did_you_mean, limits, network, raw
from sevenm.compiler.diagnostics import Diagnostic, Origin, Span
from sevenm.compiler.protocols.fields import Type
from sevenm.compiler.syntax import ast
from sevenm.compiler.syntax.bounds import FINDINGS_MAX
from sevenm.tables import COLUMNS_MAX, ROWS_MAX, VALUE_MAX

ROWS_DEFAULT = 1024
"""Most rows of a table that does not say."""
ADDRESSES = {"ip4": Type("ip4", 32), "ip6": Type("ip6", 128), "mac": Type("mac", 48), "time": Type("time", 64)}
PORT = Type("int", (PORTS - 1).bit_length())
PREFIXED = ("ip4", "ip6")
"""Types whose literals have prefixes."""


def check_table(decl: ast.TableDecl, folder: Path) -> tuple[typed.Table | None, list[Diagnostic]]:
    """The table, None if its columns are wrong, and the findings. A CSV file is looked for in ``folder``."""
    checker = _Table(decl)
    table = checker.shape()
    if table is None:
        return None, checker.findings
    rows, origin = decl.rows, None
    if decl.source is not None:
        try:
            rows, origin, findings = csv.read(folder, decl.source, len(table.keys), table.most)
        except csv.UnreadableError as error:
            return table, [error.diagnostic]
        checker.findings += findings
    return replace(table, rows=checker.rows(table, rows, origin)), checker.findings


class _Table:
    def __init__(self, decl: ast.TableDecl) -> None:
        self.decl = decl
        self.findings: list[Diagnostic] = []

    def error(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        self.findings.append(Diagnostic("error", code, message, span, hint))

    # Columns

    def shape(self) -> typed.Table | None:
        decl = self.decl
        keys, columns = [self._key(key) for key in decl.keys], [self._column(column) for column in decl.columns]
        for what, count, most in (("keys", len(keys), KEYS_MAX), ("values", len(columns), COLUMNS_MAX)):
            if count > most:
                self.error("too-many", f"a table has at most {most} {what}, not {count}", decl.span)
        prefixes = [key for key in decl.keys if key.kind == "lpm"]
        if len(prefixes) > 1:
            self.error("bad-key", "at most one key of a table is matched by its longest prefix", prefixes[1].span)
        self._names()
        most = ROWS_DEFAULT if decl.most is None else decl.most
        if not 1 <= most <= ROWS_MAX:
            self.error("out-of-range", f"max must be 1 to {ROWS_MAX} rows, not {most}", decl.span)
        if self.findings:
            return None
        return typed.Table(
            decl.span, decl.name, tuple(k for k in keys if k), tuple(c for c in columns if c), most, ()
        )  # fmt: skip

    def _key(self, decl: ast.KeyDecl) -> typed.Key | None:
        of = ADDRESSES.get(decl.type) or _unsigned(decl.type, 128)
        if of is None:
            self._unknown(decl.type, "a key is u1 to u128, ip4, ip6, mac or time", decl.span)
            return None
        if decl.kind == "lpm" and of.kind not in PREFIXED:
            hint = f"write {decl.type} range, or {decl.type} ternary"
            self.error("bad-key", f"lpm is for ip4 and ip6, which have prefixes, not for {decl.type}", decl.span, hint)
        return typed.Key(decl.kind, of)

    def _column(self, decl: ast.ColumnDecl) -> typed.Column | None:
        most = VALUE_MAX.bit_length()
        of = PORT if decl.type == "port" else _unsigned(decl.type, most)
        if of is None:
            self._unknown(decl.type, f"a value is port, or u1 to u{most}", decl.span)
            return None
        return typed.Column(decl.name or "value", of, decl.type == "port")

    def _unknown(self, name: str, hint: str, span: Span) -> None:
        near = did_you_mean(name, [*ADDRESSES, "port", "u8", "u16", "u32"])
        self.error("unknown-type", f"there is no type {name} for a table", span, near or hint)

    def _names(self) -> None:
        seen: set[str] = set()
        for column in self.decl.columns:
            if column.name is None and len(self.decl.columns) > 1:
                hint = f"write NAME: {column.type}"
                self.error("no-name", "each of several values needs a name", column.span, hint)
            elif column.name in seen:
                message = f"table {self.decl.name} has two values {column.name}"
                self.error("duplicate", message, column.span)
            seen.add(column.name or "")

    # Rows

    def rows(self, table: typed.Table, rows: Sequence[ast.RowDecl], origin: Origin | None) -> tuple[typed.Row, ...]:
        """The rows that are sound. At most FINDINGS_MAX of the others are shown."""
        out: list[typed.Row] = []
        lines: dict[tuple[tuple[int, int], ...], int] = {}
        before = len(self.findings)
        if len(rows) > table.most:
            hint = f"declare it with a larger max, up to {ROWS_MAX}"
            self.error(
                "too-many-rows", f"table {table.name} has more than {table.most} rows", rows[table.most].span, hint
            )
        for decl in rows[: table.most]:
            if len(self.findings) - before >= FINDINGS_MAX:
                break
            try:
                row = _row(table, decl)
            except Finding as finding:
                self.findings.append(finding.diagnostic)
                continue
            if row.keys in lines:
                message = f"a row of table {table.name} with these keys stands already in line {lines[row.keys]}"
                self.error("duplicate", message, decl.span)
                continue
            lines[row.keys] = decl.span.line
            out.append(row)
        self.findings[before:] = [replace(finding, origin=origin) for finding in self.findings[before:]]
        return tuple(out)


def _unsigned(name: str, most: int) -> Type | None:
    width = re.fullmatch(r"u([1-9][0-9]{0,2})", name)
    return Type("int", int(width[1])) if width and int(width[1]) <= most else None


def _row(table: typed.Table, decl: ast.RowDecl) -> typed.Row:
    """Raises Finding."""
    for what, found, wanted in (("key", decl.keys, table.keys), ("value", decl.values, table.columns)):
        if len(found) != len(wanted):
            plural = f"{len(wanted)} {what}{'s' * (len(wanted) != 1)}"
            message = f"a row of table {table.name} has {plural}, this one {len(found)}"
            raise Finding("row-length", message, decl.span, _row_form(table))
    several = len(table.keys) > 1
    keys = tuple(
        _match(key, written, f"key {at} of table {table.name}" if several else f"the key of table {table.name}")
        for at, (key, written) in enumerate(zip(table.keys, decl.keys, strict=True), 1)
    )
    return typed.Row(keys, tuple(_value(table, c, v) for c, v in zip(table.columns, decl.values, strict=True)))


def _row_form(table: typed.Table) -> str:
    keys = ", ".join(key.type.text for key in table.keys)
    columns = ", ".join(column.name for column in table.columns)
    left = f"({keys})" if len(table.keys) > 1 else keys
    right = f"({columns})" if len(table.columns) > 1 else columns
    return f"it is {left}: {right}" if columns else f"it is {left}"


def _value(table: typed.Table, column: typed.Column, written: ast.SetItem) -> int:
    name = f"{column.name} of table {table.name}"
    if not isinstance(written, ast.Number):
        lo, hi = limits(column.type)
        raise Finding("type-mismatch", f"{name} is a number from {lo} to {hi}", written.span)
    return raw(written, name, column.type)


def _match(key: typed.Key, written: ast.Match, name: str) -> tuple[int, int]:
    """The pair of a row for this key. Raises Finding."""
    top = (1 << key.type.bits) - 1
    if isinstance(written, ast.Anything):
        if key.kind == "exact":
            hint = "declare the key ternary, range or lpm"
            raise Finding("type-mismatch", f"{name} is exact: * is no single value", written.span, hint)
        return (0, top) if key.kind == "range" else (0, 0)
    matches: dict[str, Callable[[ast.Match], tuple[int, int]]] = {
        "exact": lambda one: _exact(key, one, name), "lpm": lambda one: _prefix(key, one, name),
        "range": lambda one: _range(key, one, name), "ternary": lambda one: _ternary(key, one, name),
    }  # fmt: skip
    return matches[key.kind](written)


def _literal(key: typed.Key, written: ast.Match, name: str, also: str = "") -> int:
    """One value of the key's type. ``also`` says what else the key takes."""
    if not isinstance(written, ast.Number | ast.Duration | ast.Text | ast.Address):
        what = {
            ast.Range: "a range", ast.Masked: "a mask", ast.Name: "a name", ast.SetRef: "a set",
        }.get(type(written), "this")  # fmt: skip
        kind = {ast.Range: "range", ast.Masked: "ternary"}.get(type(written))
        hint = f"declare the key {kind}" if kind else None
        raise Finding(
            "type-mismatch", f"{name} is {key.kind}: it takes one value{also}, not {what}", written.span, hint
        )
    if isinstance(written, ast.Address) and written.prefix is not None and written.kind == key.type.kind:
        message = f"{name} is {key.kind}: {written.text} is a network, not one address"
        raise Finding("type-mismatch", message, written.span, "declare the key lpm")
    return raw(written, name, key.type)


def _is_network(key: typed.Key, written: ast.Match) -> bool:
    return isinstance(written, ast.Address) and written.prefix is not None and written.kind == key.type.kind


def _exact(key: typed.Key, written: ast.Match, name: str) -> tuple[int, int]:
    value = _literal(key, written, name)
    return value, value


def _prefix(key: typed.Key, written: ast.Match, name: str) -> tuple[int, int]:
    if isinstance(written, ast.Address) and _is_network(key, written):
        assert written.prefix is not None  # it is a network
        return network(written)[0], written.prefix
    return _literal(key, written, name, " or network"), key.type.bits


def _range(key: typed.Key, written: ast.Match, name: str) -> tuple[int, int]:
    if isinstance(written, ast.Address) and _is_network(key, written):
        return network(written)
    if not isinstance(written, ast.Range):
        value = _literal(key, written, name, " or range")
        return value, value
    lo, hi = (_end(key, end, name) for end in (written.lo, written.hi))
    if lo > hi:
        raise Finding("empty-range", "the range is empty: its end comes before its start", written.span)
    return lo, hi


def _end(key: typed.Key, written: ast.Expr, name: str) -> int:
    assert isinstance(written, ast.Number | ast.Duration | ast.Text | ast.Address | ast.Name)  # so is the grammar
    return _literal(key, written, name)


def _ternary(key: typed.Key, written: ast.Match, name: str) -> tuple[int, int]:
    top = (1 << key.type.bits) - 1
    if isinstance(written, ast.Address) and _is_network(key, written):
        assert written.prefix is not None  # it is a network
        return network(written)[0], top >> (key.type.bits - written.prefix) << (key.type.bits - written.prefix)
    if not isinstance(written, ast.Masked):
        return _literal(key, written, name, " or value & mask"), top
    value, mask = _literal(key, written.value, name), _literal(key, written.mask, name)
    if value & ~mask:
        raise Finding(
            "bad-mask", "the value has bits outside of its mask", written.span, "clear them: they never match"
        )
    return value, mask
