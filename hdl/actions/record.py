"""The record that can go before each packet: ``sm_record`` of ``sevenm.boundary``, as bits.

One idea: there is one definition of a record, and this is it once more as an Amaranth layout, made from the same list.

``seq``         counts the records since reset, from 0
``rule``        index in the Plan of the first rule that fired, NO_RULE where none did
``generation``  0: rules are hard-wired
``cap_len``     the same as ``wire_len``: a stage sees whole packets, and their length only when they have passed
``wire_len``    the sideband ``size``
``source``      number of the lowest bit of the sideband ``src``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Array, Cat, Const, Mux, Value
from amaranth.lib.data import StructLayout

from sevenm.boundary import RECORD_HEADER, struct
from sevenm.hdl.verdict import BlockShape

NO_RULE = (1 << 32) - 1


def record_layout() -> StructLayout:
    """``sm_record``: byte 0 is bits [7:0]."""
    fields = struct("sm_record").fields
    layout = StructLayout({field.name: 8 * field.unit for field in fields})
    assert layout.size == 8 * RECORD_HEADER, "sm_record has padding"
    return layout


def lowest(bits: Any) -> tuple[Any, Any]:
    """(whether a bit is set, the number of the lowest one, else 0), by halves."""
    bits = Value.cast(bits)
    if len(bits) == 1:
        return bits[0], Const(0, 1)
    half = 1 << (len(bits) - 1).bit_length() - 1
    low, below = lowest(bits[:half])
    high, above = lowest(bits[half:])
    number = Mux(low, below, above)
    return low | high, Cat(number[: (half - 1).bit_length()], ~low & high)


def first_rule(blocks: Sequence[BlockShape], bits: Any) -> tuple[Any, Any]:
    """(whether a rule fired, the lowest number in the Plan of one that did) for what the blocks say."""
    fired: list[Any] = []
    numbers: list[Any] = []
    at, start = 0, 0
    for block in blocks:
        some, number = _first_of(block, bits[at : at + block.width])
        fired.append(some)
        numbers.append(number + start)
        at += block.width
        start += block.rules
    if not fired:
        return Const(0, 1), Const(0, 1)
    some, which = lowest(Cat(fired))
    return some, Array(numbers)[which] if len(numbers) > 1 else numbers[0]


def _first_of(block: BlockShape, bits: Any) -> tuple[Any, Any]:
    if not block.width:
        return Const(0, 1), Const(0, 1)
    if block.mode == "first":
        return bits.any(), bits - 1
    parts = dict(block.parts)
    if "fired" in parts:
        return lowest(bits)
    at = parts["valid0"] + parts["number0"]
    _, bit = lowest(bits[at : at + parts["bits0"]])
    return bits[0], Cat(bit, bits[1:at])
