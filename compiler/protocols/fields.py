"""What a name in a rule stands for: a typed value with its validity, or a run of bytes to slice.

One idea: a field is *present or absent*, and every occurrence of it is a pair of graph nodes (valid, value).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

ORDERED = ("int", "time", "float", "ip4", "ip6", "mac")
VALUES_MAX = 64
"""Combinations of values of multi-valued fields in one comparison."""


@dataclass(frozen=True, slots=True)
class Type:
    """``kind`` is int, time, float, ip4, ip6, mac, bytes or char; ``bits`` the width of the raw value.

    The value of an int is raw * scale, exactly. A 1-bit int is a flag. ``signed`` tells how the raw value reads.
    """

    kind: str
    bits: int
    signed: bool = False
    scale: Fraction = Fraction(1)
    enum: tuple[tuple[str, int], ...] = ()

    @property
    def is_flag(self) -> bool:
        return self.kind == "int" and self.bits == 1

    @property
    def text(self) -> str:
        """The type as people write it."""
        if self.is_flag:
            return "flag"
        if self.kind in ("bytes", "char"):
            return f"{self.kind}[{self.bits // 8}]"
        if self.kind == "int":
            base = f"{'i' if self.signed else 'u'}{self.bits}"
            return base if self.scale == 1 else f"{base} in steps of {decimal(self.scale)}"
        return f"f{self.bits}" if self.kind == "float" else self.kind


@dataclass(frozen=True, slots=True)
class Value:
    """One occurrence. ``parts`` are unsigned big-endian chunks, most significant first, of at most 16 bytes each;
    everything but long byte strings has one part, which is then the value itself (signed where the type is)."""

    valid: int
    parts: tuple[int, ...]

    @property
    def node(self) -> int:
        return self.parts[0]


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes to slice: [base + disp, end), where ``base`` and ``end`` are nodes; absent unless ``valid``."""

    valid: int
    base: int
    disp: int
    end: int


@dataclass(frozen=True, slots=True)
class Field:
    """A name rules may use. ``values`` gives its occurrences in order of the packet, when asked for.

    ``region`` is set for what can be sliced by bytes; ``present`` for a protocol, which has no value of its own.
    """

    name: str
    about: str
    type: Type | None = None
    values: Callable[[], tuple[Value, ...]] | None = None
    region: Callable[[], Region] | None = None
    present: Callable[[], int] | None = None


def decimal(value: Fraction) -> str:
    """The shortest decimal that is exactly the value, or a fraction where there is none."""
    denominator, digits = value.denominator, 0
    while denominator % 10 == 0 or denominator % 2 == 0 or denominator % 5 == 0:
        denominator //= 10 if denominator % 10 == 0 else (2 if denominator % 2 == 0 else 5)
        digits += 1
    if denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    for places in range(digits + 1):
        scaled = value * 10**places
        if scaled.denominator == 1:
            sign, whole = ("-" if scaled < 0 else ""), str(abs(scaled.numerator)).rjust(places + 1, "0")
            return f"{sign}{whole[:-places]}.{whole[-places:]}" if places else f"{sign}{whole}"
    return f"{value.numerator}/{value.denominator}"
