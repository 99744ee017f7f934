"""C types of the host back end: which type holds a node's interval, and how a constant of it is written.

One idea: a node's interval decides its type (the smallest of u8 … u128 or s8 … s128 that holds it), so no generated
operation can overflow. ``__int128`` is an extension that gcc and clang have on every 64-bit target.
"""

from __future__ import annotations

from dataclasses import dataclass

from sevenm.compiler.plan.ops import Node

SIZES_BITS = (8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class CType:
    """``bits`` is one of SIZES_BITS."""

    bits: int
    signed: bool

    @property
    def name(self) -> str:
        """The typedef in the generated file: u8, s16, …"""
        return f"{'s' if self.signed else 'u'}{self.bits}"

    @property
    def lo(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    @property
    def unsigned(self) -> CType:
        return CType(self.bits, False)

    @property
    def modular(self) -> CType:
        """Unsigned type to calculate in, modulo 2**bits: at least 32 bits wide, so that the promotion to (signed)
        int that C applies to narrower types cannot happen."""
        return CType(max(32, self.bits), False)

    def literal(self, value: int) -> str:
        """A constant expression of this value and type. Raises ValueError if the type does not hold it."""
        if not self.lo <= value <= self.hi:
            raise ValueError(f"{self.name} does not hold {value}")
        pattern = value & ((1 << self.bits) - 1)
        if self.bits == 128:
            text = f"U128(0x{pattern >> 64:x}, 0x{pattern & (1 << 64) - 1:x})"
        elif self.bits == 64:
            text = f"UINT64_C({_number(pattern)})"
        else:
            text = f"{_number(pattern)}u"
        return f"({self.name}){text}" if self.signed or self.bits < 32 else text

    def constant(self, value: int) -> str:
        """The same, with the number as people write it beside one that is not."""
        text = self.literal(value)
        return f"{text} /* {value} */" if "0x" in text else text


def _number(value: int) -> str:
    return str(value) if value < 1024 else hex(value)


def type_of_interval(lo: int, hi: int) -> CType:
    """Smallest type that holds [lo, hi]. Raises ValueError if none does."""
    for bits in SIZES_BITS:
        ctype = CType(bits, lo < 0)
        if ctype.lo <= lo and hi <= ctype.hi:
            return ctype
    raise ValueError(f"no C type holds {lo} to {hi}")


def type_of(*nodes: Node) -> CType:
    """Smallest type that holds every value of every one of the nodes."""
    return type_of_interval(min(n.lo for n in nodes), max(n.hi for n in nodes))
