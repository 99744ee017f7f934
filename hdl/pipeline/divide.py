"""Division by a constant, without a divider.

One idea: the remainder is linear. Each 4-bit digit's contribution modulo the divisor is a table, and the contributions
are added in a tree, modulo the divisor; so the depth grows with the logarithm of the width. The quotient is one
multiplication by the divisor's scaled reciprocal, exact for every value of the width (Granlund and Montgomery, 1994).
"""

from __future__ import annotations

from .members import MemberBuilder
from .netlist import TABLE_BITS, Netlist


def add_cost(width: int) -> int:
    """Levels of an adder."""
    return 1 if width <= 8 else 2 if width <= 32 else 3


def offset(nets: Netlist, x: int, lo: int, divisor: int) -> tuple[int, int]:
    """(x + b * divisor, b) with the least b that makes it unsigned, for x >= lo."""
    if not nets[x].is_signed:
        return x, 0
    count = -(lo // divisor) if lo < 0 else 0
    high = (1 << (nets[x].width - 1)) - 1 + count * divisor
    width = high.bit_length()
    return nets.make("add", (x, nets.const(count * divisor)), (), width, False, add_cost(width)), count


def quotient(nets: Netlist, x: int, divisor: int, width: int) -> int:
    """floor(x / divisor) of an unsigned x, as ``width`` bits."""
    shift = nets[x].width + (divisor - 1).bit_length()
    factor = -(-(1 << shift) // divisor)
    product = nets.make("mul", (x, nets.const(factor)), (), nets[x].width + factor.bit_length(), False, nets.levels)
    return nets.slice(product, shift, width)


def remainder(nets: Netlist, members: MemberBuilder, x: int, divisor: int) -> int:
    """x modulo the divisor, of an unsigned x."""
    width = (divisor - 1).bit_length()
    low = min(divisor.bit_length() - 1, nets[x].width)
    terms = [nets.slice(x, 0, low)]
    for lsb in range(low, nets[x].width, TABLE_BITS):
        digit = nets.slice(x, lsb, min(TABLE_BITS, nets[x].width - lsb))
        values = [(v << lsb) % divisor for v in range(1 << nets[digit].width)]
        bits = [nets.table(digit, sum((v >> b & 1) << i for i, v in enumerate(values))) for b in range(width)]
        terms.append(nets.make("concat", bits, (), width))
    while len(terms) > 1:
        pairs = [_add(nets, members, a, b, divisor) for a, b in zip(terms[0::2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
    return terms[0]


def _add(nets: Netlist, members: MemberBuilder, a: int, b: int, divisor: int) -> int:
    """a + b modulo the divisor, for a and b below it."""
    width = (2 * divisor - 2).bit_length()
    total = nets.make("add", (a, b), (), width, False, add_cost(width))
    less = nets.make("add", (total, nets.const(-divisor)), (), width + 1, True, add_cost(width))
    past = nets.all(members.terms(total, ((divisor, (1 << width) - 1),)))
    return nets.mux(past, nets.slice(less, 0, (divisor - 1).bit_length()), total, (divisor - 1).bit_length(), False)
