"""Bytes at a place that is known only at run time, and bytes as integers.

One idea: a header's start takes few values, so moving it to a fixed place is a few 2:1 or 4:1 multiplexers in a
row (a log shifter without the rungs that cannot happen). Each function here is one rung or pure wiring; whoever
schedules them puts the registers in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Mux, Value, ValueLike

RUNG_MAX = 4
"""Most places one rung chooses from: a 4:1 multiplexer is one 6-input look-up table a bit."""


def big_endian(source: Any, start: int, count: int) -> Value:
    """Bytes [start, start + count) of ``source`` as an integer whose first byte is the most significant one."""
    at = 8 * start
    return Cat(source[at + 8 * i : at + 8 * i + 8] for i in reversed(range(count)))


def little_endian(source: Any, start: int, count: int) -> Value:
    """Bytes [start, start + count) of ``source`` as an integer whose first byte is the least significant one."""
    value: Value = source[8 * start : 8 * (start + count)]
    return value


def aligned(source: Any, select: ValueLike, offsets: Sequence[int], length: int, unit: int = 8) -> Value:
    """Units [o, o + length) of ``source`` for o = offsets[select]; what lies outside of ``source`` is zero.

    A unit is ``unit`` bits (8 for bytes, 1 for their visible flags). ``offsets`` has 2 to 4 entries, and the result
    is any of them where ``select`` is past the last one. No latency: one 4:1 multiplexer a bit.
    """
    if not 2 <= len(offsets) <= RUNG_MAX:
        raise ValueError(f"a rung chooses from 2 to {RUNG_MAX} offsets, not {len(offsets)}")
    if length < 1:
        raise ValueError(f"length must be positive, not {length}")
    size = unit * length
    options: list[Value] = []
    for offset in offsets:
        start, stop = (min(max(unit * at, 0), len(source)) for at in (offset, offset + length))
        below = min(size, max(0, -unit * offset))
        options.append(Cat(Const(0, below), source[start:stop], Const(0, size - below - (stop - start))))
    select = Value.cast(select)
    low = Mux(select[0], options[1], options[0])
    if len(options) == 2:
        return low
    return Mux(select[1], options[2] if len(options) == 3 else Mux(select[0], options[3], options[2]), low)
