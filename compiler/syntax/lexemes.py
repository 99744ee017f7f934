"""What a single token means: numbers, durations, quoted text and addresses, checked as they are read.

One idea: each function takes the text of one token and returns its value or raises ``LexemeError`` with a message
in words; positions are the caller's. Addresses are checked by ``ipaddress`` (RFC 4291 text forms, CIDR prefixes).
"""

from __future__ import annotations

import ipaddress
import re
from fractions import Fraction
from typing import NamedTuple

NANOSECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
"""Nanoseconds in one of each unit of a duration."""
DIGITS_MAX = 64
"""Digits in one number; 128-bit values have 39."""
BYTES_MAX = 64
"""Bytes in one colon-separated string."""
TEXT_MAX = 256
"""Bytes in one quoted text: as many as rules can see of an event."""

_DURATION = re.compile(r"([0-9][0-9_]*(?:\.[0-9][0-9_]*)?)(ns|us|ms|s|m|h)")
_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+")
_ESCAPES = {"n": 10, "r": 13, "t": 9, "0": 0, "\\": 92, '"': 34, "'": 39}


class LexemeError(ValueError):
    """The token has no value; ``code`` is the diagnostic's, ``hint`` says what to write instead."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class ParsedAddress(NamedTuple):
    """``kind`` is ip4, ip6, mac or bytes; ``value`` is big endian over ``size`` bytes; ``host_bits`` are those set
    below the prefix, as the network that remains when they are cleared, or None."""

    kind: str
    value: int
    size: int
    prefix: int | None
    host_bits: str | None = None


def number(text: str) -> Fraction:
    """42, 0x2a, 0b101, 1_000 or 80.00, exactly."""
    if len(text) > DIGITS_MAX:
        raise LexemeError("bad-number", f"number of {len(text)} characters; at most {DIGITS_MAX} are allowed")
    if text.endswith("_") or "__" in text or "_." in text or "._" in text:
        raise LexemeError("bad-number", f"{text} has an underscore that is not between two digits")
    digits = text.replace("_", "")
    prefix = digits[:2].lower()
    if prefix in ("0x", "0b"):
        if len(digits) == 2:
            raise LexemeError("bad-number", f"{text} has no digits after {prefix}")
        return Fraction(int(digits[2:], 16 if prefix == "0x" else 2))
    whole = digits.partition(".")[0]
    if len(whole) > 1 and whole.startswith("0"):
        raise LexemeError(
            "bad-number", f"{text} starts with a zero", f"write {digits.lstrip('0') or '0'}; there are no octal numbers"
        )
    return Fraction(digits)


def integer(text: str) -> int:
    """A number without a fractional part."""
    value = number(text)
    if value.denominator != 1:
        raise LexemeError("not-an-integer", f"expected a whole number, found {text}")
    return int(value)


def duration(text: str) -> int:
    """5ms, 0.5s, 60us, 10ns, 2m or 1h in nanoseconds."""
    matched = _DURATION.fullmatch(text)
    if matched is None:
        raise LexemeError("bad-duration", f"{text} is no duration")
    ns = number(matched[1]) * NANOSECONDS[matched[2]]
    if ns.denominator != 1:
        raise LexemeError("bad-duration", f"{text} is not a whole number of nanoseconds")
    if ns >= 1 << 64:
        raise LexemeError("bad-duration", f"{text} is more than 64 bits of nanoseconds hold (about 584 years)")
    return int(ns)


def quoted(text: str) -> bytes:
    """The bytes of 'A' or "GET /" after escapes; characters beyond ASCII as UTF-8."""
    out = bytearray()
    body = text[1:-1]
    i = 0
    while i < len(body):
        if body[i] != "\\":
            out += body[i].encode()
            i += 1
        elif body[i + 1] in _ESCAPES:
            out.append(_ESCAPES[body[i + 1]])
            i += 2
        elif body[i + 1] == "x" and re.fullmatch("[0-9A-Fa-f]{2}", body[i + 2 : i + 4]):
            out.append(int(body[i + 2 : i + 4], 16))
            i += 4
        else:
            raise LexemeError(
                "bad-escape",
                f"unknown escape {_printable(body[i : i + 2])} in {_printable(text) if len(text) < 60 else 'a text'}",
                "the escapes are \\n \\r \\t \\0 \\\\ \\\" \\' and \\x with two hex digits",
            )
    if len(out) > TEXT_MAX:
        raise LexemeError("text-too-long", f"quoted text of {len(out)} bytes; at most {TEXT_MAX} are allowed")
    return bytes(out)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def ip4(text: str) -> ParsedAddress:
    """10.0.0.1 or 10.0.0.0/8."""
    return _ip("ip4", text)


def colon_hex(text: str) -> ParsedAddress:
    """00:11:22:33:44:55 (mac), 16:03:01 (bytes, two digits each) or an IPv6 address with or without a prefix.

    Eight pairs of two digits are bytes, not an IPv6 address: write a group with its zeros to tell them apart.
    """
    if _PAIRS.fullmatch(text):
        data = bytes.fromhex(text.replace(":", ""))
        if len(data) > BYTES_MAX:
            raise LexemeError("bad-bytes", f"{len(data)} bytes between colons; at most {BYTES_MAX} are allowed")
        return ParsedAddress("mac" if len(data) == 6 else "bytes", int.from_bytes(data, "big"), len(data), None)
    return _ip("ip6", text)


def _ip(kind: str, text: str) -> ParsedAddress:
    name = "IPv4" if kind == "ip4" else "IPv6"
    host, slash, prefix = text.partition("/")
    size = 4 if kind == "ip4" else 16
    try:
        address = ipaddress.IPv4Address(host) if kind == "ip4" else ipaddress.IPv6Address(host)
    except ValueError as error:
        reason = str(error).partition(" in '")[0]
        what = "an IPv4 address" if kind == "ip4" else "an IPv6 address, a MAC address or bytes such as 16:03:01"
        hint = f"{name}: {reason[:1].lower()}{reason[1:80]}"
        if kind == "ip6" and "::" not in host and all(len(part) <= 2 for part in host.split(":")):
            hint = "a MAC address has six pairs of hex digits: 00:11:22:33:44:55"
            if re.fullmatch("[0-9]+:[0-9]+", host):
                hint = f"in a row of a table, put a blank after the colon: {host.replace(':', ': ')}"
        raise LexemeError("bad-address", f"{host[:80]} is not {what}", hint) from None
    value = int(address)
    if not slash:
        return ParsedAddress(kind, value, size, None)
    if len(prefix) > 3 or int(prefix) > size * 8:
        raise LexemeError("bad-prefix", f"prefix of an {name} address must be 0 to {size * 8}, not {prefix[:20]}")
    bits = int(prefix)
    kept = value >> (size * 8 - bits) << (size * 8 - bits)
    network = ipaddress.IPv4Address(kept) if kind == "ip4" else ipaddress.IPv6Address(kept)
    return ParsedAddress(kind, value, size, bits, None if kept == value else f"{network}/{bits}")
