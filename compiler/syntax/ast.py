"""The syntax tree of a rule file: what was written, with positions, before it means anything.

Expression nodes share no behaviour; ``sevenm.compiler.lower`` gives them meaning by their class.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sevenm.compiler.diagnostics import Span

# Expressions


@dataclass(frozen=True, slots=True)
class Number:
    """42, 0x2a, 0b101, 80.00 or -3 after folding the sign; ``text`` is as written."""

    span: Span
    value: Fraction
    text: str


@dataclass(frozen=True, slots=True)
class Duration:
    """5ms, 1s, 60us, 10ns, 2m, 1h: nanoseconds."""

    span: Span
    ns: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """'A' or "GET /": the bytes after escapes (\\n \\r \\t \\0 \\\\ \\" \\' \\xHH; other characters as UTF-8)."""

    span: Span
    value: bytes


@dataclass(frozen=True, slots=True)
class Address:
    """10.0.0.0/8 (kind ip4), 2001:db8::/32 (ip6), 00:11:22:33:44:55 (mac), 16:03:01 (bytes; 1 to 64 of them
    other than 6; colon, dash or dot between two-digit pairs as Wireshark takes them is not needed: colon only).

    ``value`` is big endian; ``size`` the number of bytes; ``prefix`` the bits after the slash, or None.
    """

    span: Span
    kind: str
    value: int
    size: int
    prefix: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A field, protocol or enum member: tcp.dstport, vlan.id#2 (``tag`` 2), ok."""

    span: Span
    path: str
    tag: int | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """base[start:length] in bytes; base[3] has length 1 and ``index`` true; base[1-4] has start 1, length 4."""

    span: Span
    base: Expr
    start: int
    length: int
    index: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """wrap(x, 16), sat(x, 8)."""

    span: Span
    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """op is "-", "~" or "not" ("!" is written the same); ``infix`` if it stood as ``x not in {…}``."""

    span: Span
    op: str
    operand: Expr
    infix: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """op is one of + - * / % & | ^ << >>."""

    span: Span
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Compare:
    """op is one of == != < <= > >= (also written eq ne lt le gt ge); quantifier is None, "any" or "all"."""

    span: Span
    op: str
    left: Expr
    right: Expr
    quantifier: str | None = None


@dataclass(frozen=True, slots=True)
class In:
    """operand in {…}; ``not in`` is Unary not over it."""

    span: Span
    operand: Expr
    items: tuple[SetItem, ...]
    quantifier: str | None = None


@dataclass(frozen=True, slots=True)
class Logic:
    """op is "and" or "or" ("&&", "||"), two or more operands; ``grouped`` if the source had parentheses around."""

    span: Span
    op: str
    operands: tuple[Expr, ...]
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class Tuple:
    """(a, b): several values at once, where a table or state has several keys."""

    span: Span
    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """routes[ip.dst], acl[ip.src, tcp.dstport].cls: a value of the row of a table that matches the keys."""

    span: Span
    table: Expr
    keys: tuple[Expr, ...]
    column: str | None


@dataclass(frozen=True, slots=True)
class Prev:
    """prev(temp per sensor), prev(temp per (hall, sensor) keys 1024 ttl 60s)."""

    span: Span
    operand: Expr
    keys: tuple[Expr, ...]
    most: int | None
    ttl_ns: int | None


Expr = (
    Number | Duration | Text | Address | Name | Slice | Call | Unary | Binary | Compare | In | Logic | Tuple | Lookup
    | Prev
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Range:
    """lo..hi, inclusive."""

    span: Span
    lo: Expr
    hi: Expr


@dataclass(frozen=True, slots=True)
class SetRef:
    """$bogons"""

    span: Span
    name: str


SetItem = Range | SetRef | Number | Duration | Text | Address | Name

# Declarations


@dataclass(frozen=True, slots=True)
class Attribute:
    """@scale(0.01), @unit(ns), @null(0x8000), @offset(12), @endian(big): the argument as a literal or a word."""

    span: Span
    name: str
    value: Number | Name | None


@dataclass(frozen=True, slots=True)
class TypeRef:
    """u16 (u1 to u64 as bit fields, else 8/16/32/64/128), i16, f32, f64, fixed<32,16>, char, time, bytes, mac, ip4,
    ip6; ``params`` are the numbers in <>; ``count`` the number in [] or None."""

    span: Span
    name: str
    params: tuple[int, ...] = ()
    count: int | None = None


@dataclass(frozen=True, slots=True)
class EnumMember:
    span: Span
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class BitField:
    """name: width inside ``field: u16 bits { … }``, most significant first; ``-`` as a name skips bits."""

    span: Span
    name: str
    width: int
    enum: tuple[EnumMember, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldDecl:
    span: Span
    name: str
    type: TypeRef
    attributes: tuple[Attribute, ...] = ()
    enum: tuple[EnumMember, ...] = ()
    bits: tuple[BitField, ...] = ()


@dataclass(frozen=True, slots=True)
class SchemaDecl:
    span: Span
    name: str
    version: int
    size: int
    attributes: tuple[Attribute, ...]
    fields: tuple[FieldDecl, ...]


@dataclass(frozen=True, slots=True)
class SetDecl:
    """set name : type max N = { … }; type is ip4, ip6, mac, u8 … u64, or None; ``most`` is N or None."""

    span: Span
    name: str
    type: TypeRef | None
    items: tuple[SetItem, ...]
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Masked:
    """0x0800 & 0xff00: a value and the mask of the bits of it that count."""

    span: Span
    value: SetItem
    mask: SetItem


@dataclass(frozen=True, slots=True)
class Anything:
    """``*`` as a key of a row."""

    span: Span


Match = SetItem | Masked | Anything


@dataclass(frozen=True, slots=True)
class KeyDecl:
    """A key column: type and kind (exact, lpm, ternary or range)."""

    span: Span
    type: str
    kind: str


@dataclass(frozen=True, slots=True)
class ColumnDecl:
    """A value column; ``name`` is None where it is the only one and has none."""

    span: Span
    name: str | None
    type: str


@dataclass(frozen=True, slots=True)
class RowDecl:
    """A row: as many keys and values as were written."""

    span: Span
    keys: tuple[Match, ...]
    values: tuple[SetItem, ...]


@dataclass(frozen=True, slots=True)
class TableDecl:
    """table name : keys -> columns max N { … }; or, with ``source`` a file's name, rows from there."""

    span: Span
    name: str
    keys: tuple[KeyDecl, ...]
    columns: tuple[ColumnDecl, ...]
    most: int | None
    rows: tuple[RowDecl, ...]
    source: Text | None


@dataclass(frozen=True, slots=True)
class Action:
    """deliver NAME, count NAME, forward PORT, forward routes[…] (``operand``), drop (``target`` None)."""

    span: Span
    kind: str
    target: str | int | None
    operand: Lookup | None = None


@dataclass(frozen=True, slots=True)
class RuleDecl:
    """A rule; ``default => …`` is a rule named "default" with ``when`` None."""

    span: Span
    name: str
    when: Expr | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class BlockDecl:
    """rules NAME on SOURCE [over EXPR] first|all { … }; source is "packet" or a schema's name."""

    span: Span
    name: str
    source: Name
    over: Expr | None
    mode: str
    rules: tuple[RuleDecl, ...]


@dataclass(frozen=True, slots=True)
class RuleFile:
    schemas: tuple[SchemaDecl, ...]
    sets: tuple[SetDecl, ...]
    tables: tuple[TableDecl, ...]
    blocks: tuple[BlockDecl, ...]
