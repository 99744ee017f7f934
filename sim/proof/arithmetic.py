"""Arithmetic on rows of bits, as gates.

One idea: a number is a tuple of literals, lowest first, and nothing else; whether it is signed is said where that
matters. Both sides of a proof are built by these functions, so that equal arithmetic on equal bits is the same gates
and a multiplier never has to be proved equal to another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from .gates import FALSE, TRUE, Gates

Bits = tuple[int, ...]
DIGIT = 4
"""Bits of which the remainder is looked up."""


def constant(value: int, width: int) -> Bits:
    return tuple(TRUE if value >> i & 1 else FALSE for i in range(width))


def extend(bits: Sequence[int], width: int, is_signed: bool) -> Bits:
    """In ``width`` bits; what is more is cut."""
    sign = bits[-1] if is_signed and bits else FALSE
    return (*bits[:width], *[sign] * (width - len(bits)))


def invert(bits: Sequence[int]) -> Bits:
    return tuple(bit ^ 1 for bit in bits)


def add(gates: Gates, a: Sequence[int], b: Sequence[int], carry: int = FALSE) -> Bits:
    """Modulo 2**width, of operands of the same width."""
    out = []
    for x, y in zip(a, b, strict=True):
        half = gates.differ(x, y)
        out.append(gates.differ(half, carry))
        carry = gates.either(gates.both(x, y), gates.both(half, carry))
    return tuple(out)


def subtract(gates: Gates, a: Sequence[int], b: Sequence[int]) -> Bits:
    return add(gates, a, invert(b), TRUE)


def multiply(gates: Gates, a: Sequence[int], b: Sequence[int], width: int) -> Bits:
    """Modulo 2**width. Which operand comes first makes no difference to the gates."""
    a, b = sorted((tuple(a), tuple(b)), key=lambda bits: [gates.signature(bit) for bit in bits])
    total = constant(0, width)
    for place, digit in enumerate(b[:width]):
        if digit != FALSE:
            row = (*constant(0, place), *(gates.both(digit, x) for x in a))
            total = add(gates, total, extend(row, width, False))
    return total


def equal(gates: Gates, a: Sequence[int], b: Sequence[int]) -> int:
    return gates.all(gates.differ(x, y) ^ 1 for x, y in zip(a, b, strict=True))


def less(gates: Gates, a: Sequence[int], b: Sequence[int], is_signed: bool) -> int:
    """Whether a < b, of operands of the same width."""
    out = FALSE
    for place, (x, y) in enumerate(zip(a, b, strict=True)):
        if is_signed and place == len(a) - 1:
            x, y = y, x
        out = gates.choose(gates.differ(x, y), y, out)
    return out


def choose(gates: Gates, condition: int, then: Sequence[int], other: Sequence[int]) -> Bits:
    return tuple(gates.choose(condition, x, y) for x, y in zip(then, other, strict=True))


def is_value(gates: Gates, bits: Sequence[int], value: int) -> int:
    """Whether the bits are those of a value."""
    return gates.all(bit ^ 1 ^ (value >> i & 1) for i, bit in enumerate(bits))


def shift(gates: Gates, a: Sequence[int], by: Sequence[int], left: bool) -> Bits:
    """By an unsigned number; what is shifted out is lost, what comes in is 0."""
    out = tuple(a)
    for place, bit in enumerate(by):
        step = min(1 << place, len(out))
        zeros = constant(0, step)
        moved = (*zeros, *out[: len(out) - step]) if left else (*out[step:], *zeros)
        out = choose(gates, bit, moved, out)
    return out


def quotient(gates: Gates, x: Sequence[int], divisor: int) -> Bits:
    """floor(x / divisor) of an unsigned number, by the divisor's reciprocal: exact for every x < 2**n if what the
    reciprocal is too large by, times the divisor, is at most 2**(shift - n) (Granlund and Montgomery, 1994)."""
    shift = len(x) + (divisor - 1).bit_length()
    factor = -(-(1 << shift) // divisor)
    if not 0 <= factor * divisor - (1 << shift) <= 1 << (shift - len(x)):
        raise ValueError(f"the reciprocal of {divisor} in {shift} bits is not exact for {len(x)} bits")
    return multiply(gates, x, constant(factor, factor.bit_length()), len(x) + factor.bit_length())[shift:]


def remainder(gates: Gates, x: Sequence[int], divisor: int, below: Callable[[Bits, int], None]) -> Bits:
    """x modulo the divisor, of an unsigned number: the remainder of a sum is that of the sum of the remainders. The
    parts are added in pairs, as the hardware does it: two ways that share no sums are out of reach of a solver.
    ``below`` is told each sum, which is less than the divisor."""
    width = (divisor - 1).bit_length()
    low = min(divisor.bit_length() - 1, len(x))
    terms = [extend(x[:low], width, False)]
    for lsb in range(low, len(x), DIGIT):
        digit = tuple(x[lsb : lsb + DIGIT])
        values = [(v << lsb) % divisor for v in range(1 << len(digit))]
        terms.append(tuple(_looked_up(gates, digit, [v >> b & 1 for v in values]) for b in range(width)))
        below(terms[-1], divisor)
    while len(terms) > 1:
        pairs = [_add_modulo(gates, a, b, divisor) for a, b in zip(terms[0::2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
        for term in terms:
            below(term, divisor)
    return terms[0]


def _looked_up(gates: Gates, x: Sequence[int], table: Sequence[int]) -> int:
    """Entry x of a table of bits."""
    if len(table) == 1:
        return table[0]
    half = len(table) // 2
    return gates.choose(x[-1], _looked_up(gates, x[:-1], table[half:]), _looked_up(gates, x[:-1], table[:half]))


def _add_modulo(gates: Gates, a: Sequence[int], b: Sequence[int], divisor: int) -> Bits:
    """Of numbers below the divisor."""
    width = (2 * divisor - 2).bit_length()
    total = add(gates, extend(a, width, False), extend(b, width, False))
    past = less(gates, total, constant(divisor, width), False) ^ 1
    return choose(gates, past, add(gates, total, constant(-divisor, width)), total)[: (divisor - 1).bit_length()]


def within(gates: Gates, bits: Sequence[int], ranges: Sequence[tuple[int, int]]) -> int:
    """Whether an unsigned number lies in one of the ranges (inclusive, ascending, disjoint), by its highest bit; equal
    questions about the lower ones are asked once."""
    known: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}

    def ask(width: int, left: tuple[tuple[int, int], ...]) -> int:
        if not left:
            return FALSE
        if left[0][0] == 0 and left[-1][1] == (1 << width) - 1 and _joined(left):
            return TRUE
        key = (width, left)
        if key not in known:
            half = 1 << (width - 1)
            low = tuple((lo, min(hi, half - 1)) for lo, hi in left if lo < half)
            high = tuple((max(lo, half) - half, hi - half) for lo, hi in left if hi >= half)
            known[key] = gates.choose(bits[width - 1], ask(width - 1, high), ask(width - 1, low))
        return known[key]

    return ask(len(bits), tuple(ranges))


def _joined(ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether there is nothing between the ranges."""
    return all(one[1] + 1 == two[0] for one, two in pairwise(ranges))


def lowest(gates: Gates, bits: Sequence[int]) -> Bits:
    """The number of the lowest bit that is 1; 0 if there is none."""
    width = max(1, (len(bits) - 1).bit_length())
    out = constant(0, width)
    for number in range(len(bits) - 1, -1, -1):
        out = choose(gates, bits[number], constant(number, width), out)
    return out
