"""Literals get their type from the field they stand against; here is what each type takes, and what it says if not.

One idea: ``raw`` turns a literal into the integer that the field's value nodes hold, or explains why it cannot.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from math import floor

from sevenm.compiler.diagnostics import Diagnostic, Span, nearest
from sevenm.compiler.protocols.fields import Type, decimal
from sevenm.compiler.protocols.record_fields import float_key
from sevenm.compiler.syntax import ast


class Finding(Exception):
    """One error in an expression, raised where it is found and gathered per rule."""

    def __init__(self, code: str, message: str, span: Span, hint: str | None = None) -> None:
        super().__init__(message)
        self.diagnostic = Diagnostic("error", code, message, span, hint)


Literal = ast.Number | ast.Duration | ast.Text | ast.Address


def describe(literal: Literal) -> str:
    match literal:
        case ast.Number():
            return f"the number {literal.text}"
        case ast.Duration():
            return f"the duration {literal.text}"
        case ast.Text():
            return "a text"
        case ast.Address(kind="bytes"):
            return "a byte string"
        case _:
            kind = {"ip4": "an IPv4", "ip6": "an IPv6", "mac": "a MAC"}[literal.kind]
            return f"{kind} address"


def _mismatch(literal: Literal, name: str, wanted: Type) -> Finding:
    takes = {
        "int": "a number", "time": "a duration such as 5ms, or nanoseconds", "float": "a number",
        "ip4": "an IPv4 address such as 10.0.0.1", "ip6": "an IPv6 address such as 2001:db8::1",
        "mac": "a MAC address such as 00:11:22:33:44:55", "bytes": 'bytes such as 16:03:01 or "text"',
        "char": "a text such as 'A'",
    }[wanted.kind]  # fmt: skip
    return Finding("type-mismatch", f"{name} is {wanted.text}, not {describe(literal)}", literal.span, f"write {takes}")


def limits(of: Type) -> tuple[int, int]:
    """Smallest and largest raw value of an int type."""
    return (-(1 << (of.bits - 1)), (1 << (of.bits - 1)) - 1) if of.signed else (0, (1 << of.bits) - 1)


def number(literal: ast.Number, name: str, of: Type, in_range: bool = True) -> int:
    """The raw integer for a number against an int type. ``in_range`` asks that the field can hold it."""
    raw = literal.value / of.scale
    lo, hi = limits(of)
    if in_range and not lo <= raw <= hi:
        raise Finding(
            "out-of-range",
            f"{literal.text} is out of range: {name} holds {decimal(lo * of.scale)} to {decimal(hi * of.scale)}",
            literal.span,
        )
    if raw.denominator != 1:
        below = floor(raw)
        near = f"{decimal(below * of.scale)} and {decimal((below + 1) * of.scale)}"
        raise Finding(
            "not-representable", f"{name} cannot hold {literal.text}: it counts in steps of {decimal(of.scale)}",
            literal.span, f"the nearest values are {near}",
        )  # fmt: skip
    return raw.numerator


def float_raw(literal: ast.Number, name: str, bits: int) -> int:
    """The ordering key of the nearest float; a literal past the largest one is an error."""
    try:
        packed = struct.pack(">f" if bits == 32 else ">d", float(literal.value))
    except OverflowError as error:
        raise Finding("out-of-range", f"{literal.text} is past the largest f{bits}", literal.span) from error
    return float_key(int.from_bytes(packed, "big"), bits)


def raw(literal: Literal, name: str, of: Type, in_range: bool = True) -> int:
    """The value that a single-part field's node has where it equals the literal. Raises Finding."""
    match literal, of.kind:
        case ast.Number(), "int":
            return number(literal, name, of, in_range)
        case ast.Number(), "float":
            return float_raw(literal, name, of.bits)
        case ast.Number(), "time" if literal.value.denominator == 1 and literal.value >= 0:
            return number(literal, name, of)
        case ast.Duration(), "time":
            return number(ast.Number(literal.span, Fraction(literal.ns), literal.text), name, of)
        case ast.Address(kind="mac" | "bytes"), "mac" if literal.size == 6:
            return literal.value
        case ast.Address(kind="ip4" | "ip6" as kind), _ if kind == of.kind:
            if literal.prefix is not None:
                raise Finding(
                    "type-mismatch", f"{literal.text} is a network, not one address", literal.span,
                    f"write {name} in {{{literal.text}}}",
                )  # fmt: skip
            return literal.value
        case _:
            raise _mismatch(literal, name, of)


def text_bytes(literal: Literal, name: str, of: Type) -> bytes:
    """The bytes of a literal against a byte string; a number is big endian of the string's length."""
    size = of.bits // 8
    match literal:
        case ast.Text():
            data = literal.value
        case ast.Address(kind="bytes" | "mac"):
            data = literal.value.to_bytes(literal.size, "big")
        case ast.Number() if literal.value.denominator == 1 and (of.kind == "bytes" or size == 1):
            if not 0 <= literal.value < 1 << of.bits:
                raise Finding("out-of-range", f"{describe(literal)} does not fit in {name}, {of.text}", literal.span)
            return int(literal.value).to_bytes(size, "big")
        case _:
            raise _mismatch(literal, name, of)
    if len(data) > size or (of.kind == "bytes" and len(data) != size):
        raise Finding(
            "length-mismatch", f"{name} has {size} byte{'s' * (size != 1)}, the literal {len(data)}", literal.span,
            f"slice as many bytes as you compare: [0:{len(data)}]" if of.kind == "bytes" else None,
        )  # fmt: skip
    return data


def network(literal: ast.Address) -> tuple[int, int]:
    """First and last address of a prefix."""
    host = 8 * literal.size - (literal.prefix if literal.prefix is not None else 8 * literal.size)
    first = literal.value >> host << host
    return first, first + (1 << host) - 1


def did_you_mean(word: str, words: Sequence[str]) -> str | None:
    """A hint with the closest of the words, if any is close."""
    close = nearest(word, words, 3)
    return f"did you mean {' or '.join(close)}?" if close else None
