"""Syntax errors in words: what was found, what was expected, and the slip behind it.

One idea: the parser knows the tokens it could take; here they become a sentence, and the words around the error are
compared with frequent slips (another tool's syntax, ``=`` for ``==``) to give the hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from sevenm.compiler.diagnostics import Diagnostic, nearest
from sevenm.compiler.syntax.bounds import LATER, not_in_version
from sevenm.compiler.syntax.brackets import span_at

OPERANDS = {"NAME", "TAGGED", "NUMBER", "DURATION", "STRING", "IP4", "COLONHEX", "TILDE", "LPAR", "SETREF"}
ARITHMETIC = {"PIPE", "CARET", "AMPERSAND", "PLUS", "STAR", "SLASH", "PERCENT", "SHIFT"}
WORDS = {
    "AND": "'and'", "OR": "'or'", "IN": "'in'", "__ANON_0": "'..'", "MODE": "'first', 'all'",
    "KIND": "'exact', 'lpm', 'ternary', 'range'", "MAX": "'max' and a number", "PER": "'per'",
    "VERSION": "a version such as v1", "ATTRIBUTE": "an attribute such as @unit(ns)", "BITS": "'bits'",
    "_SEPARATOR": "';'", "LBRACE": "'{'", "RBRACE": "'}'", "LPAR": "'('", "RPAR": "')'", "LSQB": "'['", "RSQB": "']'",
    "COLON": "':'", "COMMA": "','", "EQUAL": "'='", "LESSTHAN": "'<'", "MORETHAN": "'>'", "MINUS": "'-'",
    "NUMBER": "a number", "NAME": "a name", "STRING": "quoted text", "$END": "the end", "SETREF": "a set such as $name",
    "COLUMN": "the name of a column",
}  # fmt: skip
NATURAL_ORDER = ("CMP", "IN", "AND", "OR")
TOP = ("schema", "set", "table", "rules")
ACTIONS = ("deliver", "count", "forward", "drop")
KINDS = ("exact", "lpm", "ternary", "range")
KEYWORDS = (
    *TOP,
    *ACTIONS,
    *KINDS,
    "max",
    "from",
    "per",
    "keys",
    "ttl",
    "rule",
    "default",
    "size",
    "bits",
    "over",
    "on",
    "first",
    "all",
    "and",
    "or",
    "not",
    "in",
)
TCPDUMP = {
    "host": "ip.addr == {}", "net": "ip.addr == {}", "port": "tcp.port == {} (or udp.port)",
    "portrange": "tcp.port in {{lo..hi}}", "src": "ip.src == {}", "dst": "ip.dst == {}", "proto": "ip.proto == {}",
    "less": "frame.len <= {}", "greater": "frame.len >= {}",
}  # fmt: skip
_PROTOCOLS = {"tcp", "udp", "ip", "ip6", "ether", "arp", "icmp", "sctp"}
_NEXT = re.compile(r"\s*([A-Za-z_$][\w.]*|[0-9][\w.:/-]*|\S)")


def _listed(words: Iterable[str]) -> str:
    """a, b or c"""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def expected_words(accepts: set[str]) -> list[str]:
    """The tokens that could follow, as phrases: operands as one, arithmetic left out where there is better."""
    left = set(accepts) - {"TAGGED", "PREV", "COLUMN"}
    if left >= {"COLON", "NUMBER"}:
        left.discard("LPAR")
    if left & {"EQUAL", "LBRACE"}:
        left.discard("MAX")
    out: list[str] = []
    if len(left & OPERANDS) > 3:
        values_only = "LPAR" not in left
        out.append("a value" if values_only else "a field or a value")
        left -= OPERANDS | {"QUANTIFIER", "NOT", "MINUS"}
    if "CMP" in left:
        out += ["a comparison operator such as ==", "'in'"]
    left -= {"NOT_WORD", "CMP"} | ({"IN"} if "CMP" in left else set())
    if left & ARITHMETIC:
        left -= ARITHMETIC | {"MINUS", "LSQB"}
        if "IN" in accepts:
            left.discard("LPAR")
    if left >= {"SCHEMA", "SET", "RULES"}:
        left.discard("$END")
    if "LSQB" in left and len(left) > 1:
        left -= {"LSQB", "LESSTHAN"}
    for name in sorted(left, key=lambda n: (NATURAL_ORDER.index(n) if n in NATURAL_ORDER else 9, n == "$END", n)):
        out.append(WORDS.get(name, f"'{_keyword(name)}'"))
    return out


def _keyword(terminal: str) -> str:
    return {"__ANON_1": "=>", "AT": "@"}.get(terminal, terminal.lower())


def describe(error: UnexpectedInput, text: str, terminals: dict[str, str]) -> Diagnostic:
    """The diagnostic of a parser error. ``terminals`` gives the text of the terminals that are fixed strings."""
    WORDS.update({name: f"'{value}'" for name, value in terminals.items() if name not in WORDS})
    if isinstance(error, UnexpectedToken):
        token = error.token
        accepts = set(error.accepts or error.expected)
        if token.type == "$END":
            start, end = len(text), len(text)
            found = "the end of the source"
        else:
            start = token.start_pos or 0
            end = start + len(token)
            found = _shown(str(token))
    elif isinstance(error, UnexpectedCharacters):
        token = None
        start = error.pos_in_stream or 0
        piece = re.compile(r"\w+|.", re.DOTALL).match(text, start)
        end = piece.end() if piece else start + 1
        found = _shown(text[start:end])
        parser = getattr(error, "interactive_parser", None)
        accepts = set(parser.accepts()) if parser is not None else set(error.allowed or ())
    else:
        return Diagnostic("error", "syntax", "the source does not parse", span_at(text, 0))
    if start >= len(text):
        stripped = text.rstrip()
        start, end = len(stripped), len(stripped) + 1
    span = span_at(text, start, end)
    word = text[start:end]
    before = _before(text, start)
    for known in (word, before[-1] if before else ""):
        if known in LATER:
            at = span if known == word else span_at(text, _last_word_start(text, start), start)
            return Diagnostic("error", "not-in-version", not_in_version(known), at)
    after = _NEXT.match(text, end)
    following = after[1] if after else ""
    if following == "times" and word.isdigit():
        return Diagnostic("error", "not-in-version", not_in_version("times"), span)
    message = f"expected {_listed(expected_words(accepts))}, found {found}" if accepts else f"unexpected {found}"
    return Diagnostic("error", "syntax", message, span, _hint(word, token, before, accepts, following))


def _shown(word: str) -> str:
    if not word.isprintable():
        return "character " + ascii(word)
    return f"'{word}'" if len(word) <= 40 else f"'{word[:37]}…'"


def _before(text: str, start: int) -> list[str]:
    """The last words before a position, on its line or, if it starts the line, the line before."""
    return re.findall(r"[\w.$]+|[^\s\w]", text[max(0, start - 200) : start])[-4:]


def _last_word_start(text: str, start: int) -> int:
    found = re.search(r"[\w.$]+\s*$", text[max(0, start - 200) : start])
    return max(0, start - 200) + found.start() if found else start


def _hint(word: str, token: Token | None, before: list[str], accepts: set[str], following: str) -> str | None:
    last = before[-1] if before else ""
    if word == "=" and "CMP" in accepts and following != ">":
        return "write == to compare"
    if word == "=" and last == "=" and before[-2:-1] in (["="], ["!"]):
        return "write all X == Y to compare every value of a field"
    if (word == ">" and last == "-") or (word == "=" and following == ">") or word in ("→", "⇒"):
        return "write => before the actions"
    if word == "-" and following == ">":
        return "write => before the actions"
    if last == ">" and before[-2:-1] == ["="] and not accepts & {"CMP"} and re.match(r"[\d]", word):
        return "write >= for 'at least'; => starts the actions"
    if word == "~" and "CMP" in accepts:
        return not_in_version("matches")
    tcpdump = _tcpdump(word, last, following)
    if tcpdump:
        return tcpdump
    if word in ("rule", "default", "}") and "__ANON_1" in accepts | {_alias(a) for a in accepts}:
        return "a rule needs => and its actions: rule name: condition => deliver channel"
    if word in ACTIONS and "CMP" in accepts:
        return f"write => before {word}"
    if word == "rule" and "SCHEMA" in accepts:
        return "rules stand in a block: rules name on packet first { … }"
    if word in ACTIONS and "COMMA" in accepts:
        return "put commas between actions"
    if "RBRACE" in accepts and "COMMA" in accepts and token is not None and token.type in OPERANDS:
        return "put commas between the members"
    if not word.isascii():
        return "names have letters a to z, digits and _; other characters stand in quotes"
    if word == "!" and following == "in":
        return "write not in"
    if word == "=>" and "CMP" not in accepts and "$END" in accepts:
        return "a filter is a condition alone; actions belong into a rule file"
    if "PER" in accepts and word in (")", ","):
        return "a value of earlier events belongs to a key: prev(x per KEY), or prev(x per (KEY, KEY))"
    if word == "," and "TTL" in accepts:
        return "put several keys in parentheses: per (a, b)"
    if "RSQB" in accepts and "COMMA" in accepts and token is not None and token.type in ARITHMETIC | {"MINUS"}:
        return "put a key that is calculated in parentheses: table[(x & 3)]"
    if word == "per":
        return "a key stands inside of prev: prev(x per KEY)"
    if word == "-" and last == "[":
        return "slices count from the first byte"
    if word.startswith("$") and "NAME" in accepts:
        return "a set stands after 'in': field in $name"
    if re.match(r"[0-9]", word) and "DURATION" in accepts:
        return "a number is 42, 0x2a, 0b101 or 4.2; a duration ends in ns, us, ms, s, m or h"
    if word.lower() != word and word.lower() in KEYWORDS:
        return f"write '{word.lower()}' in small letters"
    if word.isidentifier():
        fixed = {str(WORDS.get(a, ""))[1:-1] for a in accepts} & set(KEYWORDS)
        fixed |= {"first", "all"} if "MODE" in accepts else set()
        near = nearest(word, sorted(fixed))
        if near:
            return f"did you mean '{near[0]}'?"
    return None


def _alias(terminal: str) -> str:
    return "__ANON_1" if WORDS.get(terminal) == "'=>'" else terminal


def _tcpdump(word: str, last: str, following: str) -> str | None:
    """``tcp port 80``, ``host 1.2.3.4``, ``src net 10.0.0.0/8``: the display filter that says the same."""
    if word in TCPDUMP and last in _PROTOCOLS | {"src", "dst"}:
        side = {"src": "src", "dst": "dst"}.get(last, "")
        value = following or "VALUE"
        if word in ("src", "dst") and following in TCPDUMP:
            return (
                f"this is tcpdump's syntax: write {last}.{word}port == VALUE for a port, ip.{word} == VALUE for a host"
            )
        protocol = last if last in ("tcp", "udp") else "tcp"
        if word == "port":
            return f"this is tcpdump's syntax: write {protocol}.{side}port == {value}"
        if word in ("host", "net") and side:
            return f"this is tcpdump's syntax: write ip.{side} == {value}"
        return "this is tcpdump's syntax: write " + TCPDUMP[word].format(value)
    if last in TCPDUMP and re.match(r"[0-9]", word):
        return "this is tcpdump's syntax: write " + TCPDUMP[last].format(word)
    return None
