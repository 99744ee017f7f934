"""Every operation of a Plan's graph, described once: operands, attributes, bounds, and exact value.

One idea: whoever handles operations (the graph's builder, the reader of the file form, the reference, a back end, the
solver) works from this table or is held against it, so that a missing case is an error at import, by name.

Values are mathematical integers with known bounds; booleans are 0 and 1. ``args`` are earlier nodes, ``attrs`` plain
integers:

========  =============  ==========================  ====================================================
op        args           attrs                       value
========  =============  ==========================  ====================================================
const                    value                       the value
captured                 most                        captured bytes of the event, ``most`` for more
size                                                 bytes on the wire, saturated at SIZE_MAX
time                                                 arrival, nanoseconds since 1970; 0 if unknown
port                                                 ingress port
load      base           disp, count, little         bytes [base+disp, +count) as an unsigned integer, big
                                                     endian unless ``little``; 0 unless all were captured
hit       key...         table                       1 if a row of the table matches the keys
value     key...         table, column, lo, hi       that column of the first row that matches, else 0
old                      state, cell, lo, hi         the cell as earlier events left it for this event's read
                                                     key; its initial value if the key is not known
known                    state                       1 if an entry of the read key is there and young enough
bits      x              lsb, width                  floor(x / 2**lsb) mod 2**width
signed    x              width                       two's complement reading of x, 0 <= x < 2**width
add sub   a b                                        exact
mul       a b                                        exact
div mod   a              divisor (> 0)               floor division and its remainder
quo rem   a b                                        the same by a value, a and b not negative; 0 by 0
shl shr   a b                                        a * 2**b and floor(a / 2**b), a and b not negative
band bor  a b                                        bitwise, on unbounded two's complement
bxor
eq lt     a b                                        1 if a == b (a < b), else 0
all any   bool...                                    conjunction, disjunction; at least two operands
not       bool                                       1 - x
mux       bool t f                                   t if the condition is 1, else f
member    x              lo0, hi0, lo1, hi1, ...     1 if x lies in one of the ranges (inclusive, ascending,
                                                     disjoint, not adjacent)
========  =============  ==========================  ====================================================
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sevenm.boundary import CAPTURE_MAX, KEYS_MAX, PORTS, SIZE_MAX

TIME_MAX = (1 << 64) - 1
LOAD_MAX = 16
"""Bytes in the longest load: an IPv6 address."""
U_MAX = (1 << 128) - 1
S_MIN = -(1 << 127)
S_MAX = (1 << 127) - 1
MEMBER_RANGES_MAX = 65536
"""Ranges in one ``member`` node."""
SHIFT_MAX = 127
"""Largest amount that a value is shifted by."""


class RangeError(ValueError):
    """A value could leave the 128 bits that every back end can hold."""


@dataclass(frozen=True, slots=True)
class Node:
    """One value. ``lo`` and ``hi`` bound it (inclusive)."""

    op: str
    args: tuple[int, ...]
    attrs: tuple[int, ...]
    lo: int
    hi: int

    @property
    def is_bool(self) -> bool:
        return self.lo >= 0 and self.hi <= 1

    @property
    def is_signed(self) -> bool:
        return self.lo < 0

    @property
    def width(self) -> int:
        """Bits that hold every value in [lo, hi]: two's complement if ``is_signed``, else plain; at least 1."""
        if self.lo < 0:
            return max(self.hi.bit_length(), (-self.lo - 1).bit_length()) + 1
        return max(1, self.hi.bit_length())


Bounds = tuple[int, int]
Args = Sequence[Node]
Attrs = Sequence[int]


@dataclass(frozen=True, slots=True)
class Op:
    """``least`` and ``most`` operands. ``fits`` says whether operands and attributes belong together, ``interval``
    bounds the value, ``exact`` computes it from the operands' values; None where the event, a table or state is
    asked, which only who evaluates can do."""

    least: int
    most: int
    fits: Callable[[Args, Attrs], bool]
    interval: Callable[[Args, Attrs], Bounds]
    exact: Callable[[Sequence[int], Attrs], int] | None = None


MANY = 1 << 30
BOOL: Bounds = (0, 1)


def representable(lo: int, hi: int) -> bool:
    """Whether one 128-bit type, signed or unsigned, holds the whole interval."""
    return (lo >= 0 and hi <= U_MAX) or (lo >= S_MIN and hi <= S_MAX)


def interval(op: str, args: Args, attrs: Attrs) -> Bounds:
    """Bounds of an operation's value from those of its operands. Raises RangeError past 128 bits."""
    lo, hi = OPS[op].interval(args, attrs)
    if not representable(lo, hi):
        raise RangeError(f"the result can be {lo} to {hi}, more than 128 bits hold")
    if op in ("eq", "lt") and not representable(min(a.lo for a in args), max(a.hi for a in args)):
        raise RangeError(f"{op} compares a signed value with one that needs all 128 bits")
    return lo, hi


def complete(cases: Collection[str], target: str, refuses: Collection[str] = ()) -> None:
    """Called at import by whoever has a case for each operation: raises NotImplementedError, with names, unless every
    operation is either in ``cases`` or refused."""
    missing = sorted(set(OPS) - set(cases) - set(refuses))
    unknown = sorted((set(cases) | set(refuses)) - set(OPS))
    twice = sorted(set(cases) & set(refuses))
    for names, what in ((missing, "has no case for"), (unknown, "names"), (twice, "both has and refuses")):
        if names:
            raise NotImplementedError(f"{target} {what} the operation{'s' * (len(names) > 1)} {', '.join(names)}")


# Bounds


def _pow2_span(*values: int) -> int:
    """Smallest 2**n - 1 that is not below any of the magnitudes."""
    return (1 << max(v.bit_length() if v >= 0 else (-v - 1).bit_length() for v in values)) - 1


def _bits_interval(args: Args, attrs: Attrs) -> Bounds:
    lsb, width = attrs
    most = (1 << width) - 1
    return 0, min(most, args[0].hi >> lsb) if args[0].lo >= 0 else most


def _mul_interval(args: Args, _: Attrs) -> Bounds:
    corners = [x * y for x in (args[0].lo, args[0].hi) for y in (args[1].lo, args[1].hi)]
    return min(corners), max(corners)


def _mod_interval(args: Args, attrs: Attrs) -> Bounds:
    return 0, attrs[0] - 1 if args[0].lo < 0 else min(args[0].hi, attrs[0] - 1)


def _band_interval(args: Args, _: Attrs) -> Bounds:
    a, b = args
    if a.lo >= 0 and b.lo >= 0:
        return 0, min(a.hi, b.hi)
    if a.lo >= 0 or b.lo >= 0:
        return 0, a.hi if a.lo >= 0 else b.hi
    span = _pow2_span(a.lo, a.hi, b.lo, b.hi)
    return -span - 1, span


def _bor_interval(args: Args, _: Attrs) -> Bounds:
    a, b = args
    span = _pow2_span(a.lo, a.hi, b.lo, b.hi)
    return (0, span) if a.lo >= 0 and b.lo >= 0 else (-span - 1, span)


# What fits


def _plain(args: Args, attrs: Attrs) -> bool:
    return not attrs


def _not_negative(args: Args, attrs: Attrs) -> bool:
    return not attrs and all(a.lo >= 0 for a in args)


def _shift(args: Args, attrs: Attrs) -> bool:
    return _not_negative(args, attrs) and args[1].hi <= SHIFT_MAX


def _bools(args: Args, attrs: Attrs) -> bool:
    return not attrs and all(a.is_bool for a in args)


def _load_fits(args: Args, attrs: Attrs) -> bool:
    return (
        len(attrs) == 3
        and attrs[0] >= 0
        and 1 <= attrs[1] <= LOAD_MAX
        and attrs[2] in (0, 1)
        and args[0].lo >= 0
        and args[0].lo + attrs[0] + attrs[1] <= CAPTURE_MAX
    )


def _bounded(count: int) -> Callable[[Args, Attrs], bool]:
    """``count`` numbers that name something, then an interval that holds 0 or an initial value."""
    return lambda _, attrs: len(attrs) == count + 2 and min(attrs[:count]) >= 0 and attrs[count] <= attrs[count + 1]


def _member_fits(args: Args, attrs: Attrs) -> bool:
    return (
        0 < len(attrs) <= 2 * MEMBER_RANGES_MAX
        and len(attrs) % 2 == 0
        and all(attrs[i] <= attrs[i + 1] for i in range(0, len(attrs), 2))
        and all(attrs[i] + 1 < attrs[i + 1] for i in range(1, len(attrs) - 1, 2))
        and args[0].lo <= attrs[0]
        and attrs[-1] <= args[0].hi
    )


# Values


def _signed_value(x: Sequence[int], attrs: Attrs) -> int:
    return x[0] - (1 << attrs[0]) if x[0] >> (attrs[0] - 1) else x[0]


def _member_value(x: Sequence[int], attrs: Attrs) -> int:
    at = bisect_right(attrs[0::2], x[0]) - 1
    return int(at >= 0 and x[0] <= attrs[2 * at + 1])


def _table(fits: Callable[[Args, Attrs], bool], bounds: Callable[[Args, Attrs], Bounds]) -> Op:
    return Op(1, KEYS_MAX, lambda args, attrs: fits(args, attrs) and all(a.lo >= 0 for a in args), bounds)


OPS: dict[str, Op] = {
    "const": Op(0, 0, lambda _, k: len(k) == 1, lambda _, k: (k[0], k[0]), lambda _, k: k[0]),
    "captured": Op(0, 0, lambda _, k: len(k) == 1 and 1 <= k[0] <= CAPTURE_MAX, lambda _, k: (0, k[0])),
    "size": Op(0, 0, _plain, lambda _, __: (0, SIZE_MAX)),
    "time": Op(0, 0, _plain, lambda _, __: (0, TIME_MAX)),
    "port": Op(0, 0, _plain, lambda _, __: (0, PORTS - 1)),
    "load": Op(1, 1, _load_fits, lambda _, k: (0, (1 << 8 * k[1]) - 1)),
    "hit": _table(lambda _, k: len(k) == 1 and k[0] >= 0, lambda _, __: BOOL),
    "value": _table(
        lambda a, k: _bounded(2)(a, k) and k[2] <= 0 <= k[3],
        lambda _, k: (k[2], k[3]),
    ),
    "old": Op(0, 0, _bounded(2), lambda _, k: (k[2], k[3])),
    "known": Op(0, 0, lambda _, k: len(k) == 1 and k[0] >= 0, lambda _, __: BOOL),
    "bits": Op(
        1, 1, lambda _, k: len(k) == 2 and 0 <= k[0] <= 128 and 1 <= k[1] <= 128, _bits_interval,
        lambda x, k: (x[0] >> k[0]) & ((1 << k[1]) - 1),
    ),
    "signed": Op(
        1, 1, lambda a, k: len(k) == 1 and 1 <= k[0] <= 128 and a[0].lo >= 0 and a[0].width <= k[0],
        lambda _, k: (-(1 << (k[0] - 1)), (1 << (k[0] - 1)) - 1), _signed_value,
    ),
    "add": Op(2, 2, _plain, lambda a, _: (a[0].lo + a[1].lo, a[0].hi + a[1].hi), lambda x, _: x[0] + x[1]),
    "sub": Op(2, 2, _plain, lambda a, _: (a[0].lo - a[1].hi, a[0].hi - a[1].lo), lambda x, _: x[0] - x[1]),
    "mul": Op(2, 2, _plain, _mul_interval, lambda x, _: x[0] * x[1]),
    "div": Op(
        1, 1, lambda _, k: len(k) == 1 and k[0] > 0, lambda a, k: (a[0].lo // k[0], a[0].hi // k[0]),
        lambda x, k: x[0] // k[0],
    ),
    "mod": Op(1, 1, lambda _, k: len(k) == 1 and k[0] > 0, _mod_interval, lambda x, k: x[0] % k[0]),
    "quo": Op(
        2, 2, _not_negative, lambda a, _: (0, a[0].hi // max(1, a[1].lo)), lambda x, _: x[0] // x[1] if x[1] else 0
    ),
    "rem": Op(
        2, 2, _not_negative, lambda a, _: (0, max(0, min(a[0].hi, a[1].hi - 1))),
        lambda x, _: x[0] % x[1] if x[1] else 0,
    ),
    "shl": Op(
        2, 2, _shift, lambda a, _: (a[0].lo << a[1].lo, a[0].hi << min(a[1].hi, 256)), lambda x, _: x[0] << x[1]
    ),
    "shr": Op(
        2, 2, _shift, lambda a, _: (a[0].lo >> min(a[1].hi, 256), a[0].hi >> a[1].lo), lambda x, _: x[0] >> x[1]
    ),
    "band": Op(2, 2, _plain, _band_interval, lambda x, _: x[0] & x[1]),
    "bor": Op(2, 2, _plain, _bor_interval, lambda x, _: x[0] | x[1]),
    "bxor": Op(2, 2, _plain, _bor_interval, lambda x, _: x[0] ^ x[1]),
    "eq": Op(2, 2, _plain, lambda _, __: BOOL, lambda x, _: int(x[0] == x[1])),
    "lt": Op(2, 2, _plain, lambda _, __: BOOL, lambda x, _: int(x[0] < x[1])),
    "all": Op(2, MANY, _bools, lambda _, __: BOOL, lambda x, _: int(all(x))),
    "any": Op(2, MANY, _bools, lambda _, __: BOOL, lambda x, _: int(any(x))),
    "not": Op(1, 1, _bools, lambda _, __: BOOL, lambda x, _: 1 - x[0]),
    "mux": Op(
        3, 3, lambda a, k: not k and a[0].is_bool,
        lambda a, _: (min(a[1].lo, a[2].lo), max(a[1].hi, a[2].hi)), lambda x, _: x[1] if x[0] else x[2],
    ),
    "member": Op(1, 1, _member_fits, lambda _, __: BOOL, _member_value),
}  # fmt: skip
"""Every operation by its name, in the order of the table above."""
LEAVES = frozenset(name for name, op in OPS.items() if op.most == 0)
EVENT = frozenset({"captured", "size", "time", "port", "load", "hit", "value", "old", "known"})
"""Operations that ask the event, a table or state; all others are functions of their operands."""

if {name for name, op in OPS.items() if op.exact is None} != EVENT:
    raise NotImplementedError("every operation but those on the event, tables and state states its exact value")
