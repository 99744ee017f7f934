"""Text to syntax tree: what each form means, and that nothing but CompileError comes out of any text."""

from __future__ import annotations

import ipaddress
import random
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.compiler.diagnostics import CompileError, Span, render
from sevenm.compiler.syntax import ast, brackets, declarations
from sevenm.compiler.syntax.bounds import RULES_MAX
from sevenm.compiler.syntax.brackets import SOURCE_MAX, TOKENS_MAX
from sevenm.compiler.syntax.parse import (
    parse,
    parse_expression,
    parse_expression_with_warnings,
    parse_with_warnings,
)
from sevenm.compiler.syntax.source import read_source

EXAMPLE = """
schema Reading v1 size 64 @endian(little) {
  ts: time @unit(ns)  seq: u32  sensor: u16
  status: u8 = { ok = 0, fault = 1 }
  temp: i16 @scale(0.01) @unit(degC) @null(0x8000)
  pos: fixed<32,16>[3]  tag: char[8]; ctl: u16 bits { urgent: 1  mode: 3 = { idle = 0 }  -: 4 rest: 8 }
}
set bogons : ip4 = { 10.0.0.0/8, 192.168.0.0/16 }
rules edge on packet first {
  rule web:   tcp.dstport in {80, 443, 8000..8080}               => deliver web
  rule bog:   ip.src in $bogons                                  => drop, count bogon  // a comment
  rule syn:   tcp.flags & 0x12 == 0x02 and ip.frag_offset == 0   => count syns         # another
  rule qinq:  vlan.id#1 in {100..199} and vlan.id#2 == 7         => forward 3
  rule hello: tcp.payload[0:1] == 0x16 and tcp.payload[5:1] == 1 => deliver tls
  default => drop
}
rules alarms on Reading over udp.dstport == 9400 all {
  rule hot:  status == ok and temp > 80.00                        => deliver ops
}
"""


def shown(expr: ast.Expr | ast.SetItem) -> str:
    """The tree with every operator in parentheses."""
    match expr:
        case ast.Number() | ast.Duration() | ast.Address():
            return expr.text
        case ast.Text():
            return repr(expr.value)
        case ast.Name():
            return expr.path if expr.tag is None else f"{expr.path}#{expr.tag}"
        case ast.Slice():
            return f"{shown(expr.base)}[{expr.start}:{expr.length}]" + ("i" if expr.index else "")
        case ast.Call():
            return f"{expr.function}({', '.join(map(shown, expr.args))})"
        case ast.Unary():
            return f"({expr.op} {shown(expr.operand)})"
        case ast.Binary():
            return f"({shown(expr.left)} {expr.op} {shown(expr.right)})"
        case ast.Compare():
            head = f"{expr.quantifier} " if expr.quantifier else ""
            return f"({head}{shown(expr.left)} {expr.op} {shown(expr.right)})"
        case ast.In():
            head = f"{expr.quantifier} " if expr.quantifier else ""
            return f"({head}{shown(expr.operand)} in {{{', '.join(map(shown, expr.items))}}})"
        case ast.Logic():
            inner = f" {expr.op} ".join(map(shown, expr.operands))
            return f"[{inner}]" if expr.grouped else f"({inner})"
        case ast.Range():
            return f"{shown(expr.lo)}..{shown(expr.hi)}"
        case ast.SetRef():
            return f"${expr.name}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("tcp", "tcp"),
        ("a == 1", "(a == 1)"),
        ("a eq 1 and b ne 2 and c lt 3", "((a == 1) and (b != 2) and (c < 3))"),
        ("a le 1 || b gt 2 || c ge 3", "((a <= 1) or (b > 2) or (c >= 3))"),
        ("a && b", "(a and b)"),
        ("a and (b or c)", "(a and [b or c])"),
        ("not a and b", "((not a) and b)"),
        ("!a == 1", "(not (a == 1))"),
        ("not not a", "(not (not a))"),
        ("a & 0x12 == 0x02", "((a & 0x12) == 0x02)"),
        ("a + b * c - d == 1", "(((a + (b * c)) - d) == 1)"),
        ("a << 1 + 2 & 3 ^ 4 | 5 == 1", "(((((a << (1 + 2)) & 3) ^ 4) | 5) == 1)"),
        ("a / 2 % 3 == -1", "(((a / 2) % 3) == -1)"),
        ("~a == - b", "((~ a) == (- b))"),
        ("- -3 == a", "((- -3) == a)"),
        ("a-1 == 2", "((a - 1) == 2)"),
        ("(a + 1) * 2 > 5", "(((a + 1) * 2) > 5)"),
        ("a in {1, 2, 5..7,}", "(a in {1, 2, 5..7})"),
        ("a in {-3..-1, ok, $s}", "(a in {-3..-1, ok, $s})"),
        ("a in 10.0.0.0/8", "(a in {10.0.0.0/8})"),
        ("a in 1..3", "(a in {1..3})"),
        ("a in $bogons or b", "((a in {$bogons}) or b)"),
        ("a not in {1}", "(not (a in {1}))"),
        ("any tcp.port == 80 and all tcp.port in {1..9}", "((any tcp.port == 80) and (all tcp.port in {1..9}))"),
        ("all.x == 1 and any.y == 2", "((all.x == 1) and (any.y == 2))"),
        ("x[3] == 1", "(x[3:1]i == 1)"),
        ("x[1:4] == 1", "(x[1:4] == 1)"),
        ("x[1-4] == 1", "(x[1:4] == 1)"),
        ("x[:4] == 1", "(x[0:4] == 1)"),
        ("x[10:20][2] == 1", "(x[10:20][2:1]i == 1)"),
        ("vlan.id#2 == 7 # tag", "(vlan.id#2 == 7)"),
        ("vlan.id #2 == 7", "vlan.id"),
        ("wrap(a + b, 16) == sat(c, 8)", "(wrap((a + b), 16) == sat(c, 8))"),
        ("ip6 == ::1 or e == 00:11:22:33:44:55", "((ip6 == ::1) or (e == 00:11:22:33:44:55))"),
        ("a in {::1..::5, fe80::/10, 16:03}", "(a in {::1..::5, fe80::/10, 16:03})"),
        ("ip.src in {10.0.0.1..10.0.0.9}", "(ip.src in {10.0.0.1..10.0.0.9})"),
        ("order == 1 or notify or in_x or android", "((order == 1) or notify or in_x or android)"),
        ("size == 1 and count > 2 and first", "((size == 1) and (count > 2) and first)"),
        ('a == \'A\' and b == "G\\x00\\n\\""', "((a == b'A') and (b == b'G\\x00\\n\"'))"),
        ("fade == cafe", "(fade == cafe)"),
    ],
)
def test_expression_reads_as(text: str, tree: str) -> None:
    assert shown(parse_expression(text)) == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", Fraction(42)),
        ("0x2A", Fraction(42)),
        ("0b101", Fraction(5)),
        ("1_000", Fraction(1000)),
        ("80.01", Fraction(8001, 100)),
        ("0.1", Fraction(1, 10)),
        ("-3", Fraction(-3)),
    ],
)
def test_number_is_exact(text: str, value: Fraction) -> None:
    tree = parse_expression(f"a == {text}")
    assert isinstance(tree, ast.Compare)
    assert isinstance(tree.right, ast.Number)
    assert (tree.right.value, tree.right.text) == (value, text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [("10ns", 10), ("60us", 60000), ("5ms", 5000000), ("1.5s", 15 * 10**8), ("2m", 12 * 10**10), ("1h", 36 * 10**11)],
)  # fmt: skip
def test_duration_is_nanoseconds(text: str, ns: int) -> None:
    tree = parse_expression(f"a > {text}")
    assert isinstance(tree, ast.Compare)
    assert isinstance(tree.right, ast.Duration)
    assert tree.right.ns == ns


IPV6_FORMS = (
    "::", "::1", "1::", "2001:db8::1", "2001:DB8:0:0:8:800:200C:417A", "FF01:0:0:0:0:0:0:101", "::13.1.68.3",
    "::ffff:129.144.52.38", "64:ff9b::192.0.2.33", "fe80::1:2:3:4", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
)  # fmt: skip
"""The text forms of RFC 4291, section 2.2."""


@pytest.mark.parametrize("text", IPV6_FORMS)
@pytest.mark.parametrize("prefix", [None, 0, 128])
def test_ipv6_address_in_every_form(text: str, prefix: int | None) -> None:
    written = text if prefix is None else f"{text}/{prefix}"
    tree = parse_expression(f"ipv6.src=={written}")
    assert isinstance(tree, ast.Compare)
    assert isinstance(tree.right, ast.Address)
    address = tree.right
    assert (address.kind, address.size, address.prefix) == ("ip6", 16, prefix)
    assert address.value == int(ipaddress.IPv6Address(text))


@given(st.ip_addresses(v=6), st.ip_addresses(v=4))
def test_every_address_keeps_its_value(six: ipaddress.IPv6Address, four: ipaddress.IPv4Address) -> None:
    for text in (str(six), str(four)):
        tree = parse_expression(f"a == {text} and b")
        assert isinstance(tree, ast.Logic)
        compare = tree.operands[0]
        assert isinstance(compare, ast.Compare)
        assert isinstance(compare.right, ast.Address)
        assert compare.right.value == int(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("text", "kind", "size", "value"),
    [
        ("00:11:22:33:44:55", "mac", 6, 0x001122334455),
        ("FE:dc:ba:98:76:54", "mac", 6, 0xFEDCBA987654),
        ("16:03", "bytes", 2, 0x1603),
        ("ab:cd:ef", "bytes", 3, 0xABCDEF),
        ("00:11:22:33:44:55:66:77", "bytes", 8, 0x0011223344556677),
        ("0:11:22:33:44:55:66:77", "ip6", 16, int(ipaddress.IPv6Address("0:11:22:33:44:55:66:77"))),
        ("1.2.3.4/32", "ip4", 4, 0x01020304),
    ],
)
def test_colons_tell_addresses_and_bytes_apart(text: str, kind: str, size: int, value: int) -> None:
    tree = parse_expression(f"x == {text}")
    assert isinstance(tree, ast.Compare)
    assert isinstance(tree.right, ast.Address)
    assert (tree.right.kind, tree.right.size, tree.right.value) == (kind, size, value)


def test_rule_file_keeps_everything_that_was_written() -> None:
    file, warnings = parse_with_warnings(EXAMPLE)
    assert warnings == ()
    (schema,) = file.schemas
    assert (schema.name, schema.version, schema.size) == ("Reading", 1, 64)
    assert [f.name for f in schema.fields] == ["ts", "seq", "sensor", "status", "temp", "pos", "tag", "ctl"]
    assert [(a.name, shown(a.value)) for a in schema.fields[4].attributes if a.value] == [
        ("scale", "0.01"),
        ("unit", "degC"),
        ("null", "0x8000"),
    ]
    assert (schema.fields[5].type.name, schema.fields[5].type.params, schema.fields[5].type.count) == (
        "fixed",
        (32, 16),
        3,
    )
    assert [(b.name, b.width) for b in schema.fields[7].bits] == [("urgent", 1), ("mode", 3), ("-", 4), ("rest", 8)]
    assert [(m.name, m.value) for m in schema.fields[3].enum] == [("ok", 0), ("fault", 1)]
    (bogons,) = file.sets
    assert (bogons.name, bogons.type.name if bogons.type else None, len(bogons.items)) == ("bogons", "ip4", 2)
    edge, alarms = file.blocks
    assert (edge.name, edge.source.path, edge.over, edge.mode) == ("edge", "packet", None, "first")
    assert [r.name for r in edge.rules] == ["web", "bog", "syn", "qinq", "hello", "default"]
    assert [(a.kind, a.target) for r in edge.rules for a in r.actions] == [
        ("deliver", "web"), ("drop", None), ("count", "bogon"), ("count", "syns"), ("forward", 3), ("deliver", "tls"),
        ("drop", None),
    ]  # fmt: skip
    assert edge.rules[-1].when is None
    assert alarms.over is not None
    assert (alarms.source.path, shown(alarms.over), alarms.mode) == ("Reading", "(udp.dstport == 9400)", "all")


def test_declarations_stand_in_any_order() -> None:
    file = parse("rules a on packet all { rule x: ip.src in $s => drop } set s = { 1.2.3.4 } rules b on packet all { }")
    assert ([b.name for b in file.blocks], [s.name for s in file.sets]) == (["a", "b"], ["s"])


def test_words_of_the_language_are_names_where_nothing_else_can_stand() -> None:
    file = parse(
        "schema set v1 size 64 @endian(big) { size: u8 bits: u8 rule: u8 default: u8 on: u8 v1: u8 first: u8 }"
    )
    assert [f.name for f in file.schemas[0].fields] == ["size", "bits", "rule", "default", "on", "v1", "first"]


@pytest.mark.parametrize(
    "text", ["a# it's (", "a // it's (", "a//it's (", "ip.src == 10.0.0.0/8//(", "a == ::1//]", "a == 5#)"]
)
def test_comments_may_hold_anything_and_follow_a_word_closely(text: str) -> None:
    assert isinstance(parse_expression(text), ast.Name | ast.Compare)


def test_a_line_end_ends_a_comment() -> None:
    assert shown(parse_expression("a # one or\nor b // two\n")) == "(a or b)"


def test_positions_are_those_of_the_source() -> None:
    text = "rules r on packet all {\n  rule x: (tcp or udp)\n    and ip.src == 10.0.0.1 => drop\n}"
    when = parse(text).blocks[0].rules[0].when
    assert isinstance(when, ast.Logic)
    start, end = text.index("("), text.index(" => ")
    assert when.span == Span(start, end, 2, 11)
    compare = when.operands[1]
    assert isinstance(compare, ast.Compare)
    assert text[compare.right.span.start : compare.right.span.end] == "10.0.0.1"
    assert (compare.right.span.line, compare.right.span.column) == (3, 19)


def test_parentheses_silence_the_warning_about_and_with_or() -> None:
    assert [w.code for w in parse_expression_with_warnings("a or b and c")[1]] == ["mixed-and-or"]
    assert parse_expression_with_warnings("a or (b and c)")[1] == ()
    assert parse_expression_with_warnings("(a or b) and c")[1] == ()


# Bounds


def first_error(text: str) -> tuple[str, str]:
    with pytest.raises(CompileError) as raised:
        parse(text)
    return raised.value.diagnostics[0].code, raised.value.diagnostics[0].message


def rules(count: int) -> str:
    return "rules r on packet all {\n" + "".join(f"rule r{i}: tcp => drop\n" for i in range(count)) + "}"


def test_bounds_are_kept_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (RULES_MAX, SOURCE_MAX, TOKENS_MAX) == (65_536, 16 << 20, 1 << 22)
    monkeypatch.setattr(declarations, "RULES_MAX", 300)
    monkeypatch.setattr(brackets, "TOKENS_MAX", 1 << 18)
    parse(rules(300))
    assert first_error(rules(301)) == ("too-many-rules", "301 rules; at most 300 are allowed")
    fields = "schema S v1 size 64 @endian(big) { " + "a: u8 " * 513 + "}"
    assert first_error(fields) == ("too-many-fields", "schema of 513 fields; at most 512 are allowed")
    many = "set s = { " + "1," * 65537 + " }"
    assert first_error(many) == ("too-many-members", "set of 65537 members; at most 65536 are allowed")
    message = "source of 20971520 bytes; at most 16777216 (16 MiB) are allowed"
    assert first_error("x" * (20 << 20)) == ("source-too-long", message)
    assert first_error("ä" * (SOURCE_MAX // 2 + 1))[0] == "source-too-long"
    assert first_error("{ " * 200_000)[1] == "brackets nested more than 64 deep"
    assert first_error(", " * 300_000)[1] == "more than 262144 words and symbols in one source"


@pytest.mark.parametrize("text", ["(" * 10_000, "(" * 10_000 + "a" + ")" * 10_000])
def test_ten_thousand_parentheses_are_an_error_not_a_crash(text: str) -> None:
    with pytest.raises(CompileError, match="brackets nested more than 64 deep"):
        parse_expression(text)


@pytest.mark.parametrize(
    "text", ["not " * 10_000 + "a", "~" * 10_000 + "a == 1", "a + " * 10_000 + "1 == 2", "a" + "[1]" * 9_000]
)
def test_deep_expressions_without_brackets_are_refused_too(text: str) -> None:
    with pytest.raises(CompileError, match="expression of more than 64 levels"):
        parse_expression(text)


def test_long_flat_conditions_are_fine() -> None:
    tree = parse_expression(" or ".join(f"tcp.dstport == {i}" for i in range(1000)))
    assert isinstance(tree, ast.Logic)
    assert len(tree.operands) == 1000


# Reading files


def test_source_is_read_as_utf8_without_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "rules.7m"
    path.write_bytes("\ufeff# größer\n".encode())
    assert read_source(path) == "# größer\n"


@pytest.mark.parametrize(
    ("data", "code", "line", "message"),
    [
        (b"a\nb\x00", "nul-byte", 2, "NUL byte at offset 3"),
        (b"a\n\n\xff", "not-utf8", 3, "byte 0xff at offset 3 is not UTF-8"),
        (b"a" * (SOURCE_MAX + 1), "source-too-long", 1, "has more than 16777216 bytes (16 MiB)"),
    ],
)
def test_files_that_are_no_text_are_refused(tmp_path: Path, data: bytes, code: str, line: int, message: str) -> None:
    path = tmp_path / "rules.7m"
    path.write_bytes(data)
    with pytest.raises(CompileError) as raised:
        read_source(path)
    (finding,) = raised.value.diagnostics
    assert (finding.code, finding.span.line) == (code, line)
    assert message in finding.message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            b'tcp.payload[0:1] == "\xe9"',
            "byte 0xe9 is not UTF-8",
            "write the text in UTF-8; a byte in quoted text is \\xe9",
        ),
        (b"tcp # \xff", "byte 0xff is not UTF-8", "write the text in UTF-8; a byte in quoted text is \\xff"),
    ],
)
def test_a_byte_of_the_command_line_that_is_no_text_is_shown(text: bytes, message: str, hint: str) -> None:
    source = text.decode("utf-8", "surrogateescape")
    with pytest.raises(CompileError) as raised:
        parse_expression(source)
    (finding,) = raised.value.diagnostics
    assert (finding.code, finding.message, finding.hint) == ("not-utf8", message, hint)
    assert finding.span.start == source.index(min(c for c in source if c > "\x7f"))
    render(finding, source, "filter").encode()


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(CompileError, match="U\\+D83D alone is no character"):
        parse('set a = { "\ud83d" }')


def test_a_missing_file_and_a_folder_are_errors_in_words(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"nowhere\.7m: No such file or directory"):
        read_source(tmp_path / "nowhere.7m")
    with pytest.raises(CompileError, match="Is a directory"):
        read_source(tmp_path)


# Anything at all

FRAGMENTS = (
    "schema", "set", "rules", "rule", "default", "on", "packet", "first", "all", "any", "over", "size", "v1", "64",
    "@endian(big)", "@unit", "{", "}", "(", ")", "[", "]", ":", ";", ",", "=", "=>", "==", "!=", "<", ">", "<<", "..",
    "and", "or", "not", "in", "&&", "!", "|", "^", "~", "+", "-", "*", "/", "%", "//", "#", "$s", "a", "a.b#1", "u16",
    "bits", "fixed<32,16>", "deliver", "count", "forward", "drop", "0x", "0x1f", "1.5", "5ms", "1.2.3.4/8", "::1/64",
    "00:11:22:33:44:55", "'A'", '"x\\n"', "'", "\\", "\n", "\t", "\x0c", "\r\n", "é", "\u2028", "pcap", "port", "times",
)  # fmt: skip


def only_compile_errors(text: str) -> None:
    for read in (parse_with_warnings, parse_expression_with_warnings):
        try:
            read(text)
        except CompileError as error:
            assert error.diagnostics
            for finding in error.diagnostics:
                assert finding.message
                assert 0 <= finding.span.start <= len(text)
                assert finding.span.line >= 1 <= finding.span.column


@given(st.text(max_size=200))
def test_any_text_parses_or_gives_a_compile_error(text: str) -> None:
    only_compile_errors(text)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40), st.sampled_from(["", " "]))
def test_any_words_parse_or_give_a_compile_error(words: list[str], between: str) -> None:
    only_compile_errors(between.join(words))


@given(st.integers(0, 1 << 32))
def test_a_damaged_rule_file_parses_or_gives_a_compile_error(seed: int) -> None:
    rng = random.Random(seed)
    text = EXAMPLE
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(text)), rng.choice((0, 0, 1, 1, 5, 40))
        text = text[:at] + rng.choice(("", *FRAGMENTS)) + text[at + length :]
    only_compile_errors(text)
