"""A look-up: whether a key is in a table, and the values of the row that counts.

One idea: the number of the slot that matched is the address of its values; so rows may have any, and a row without a
match has none, which is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .match import MatchMemory, match_latency
from .shape import MemoryShape, Slot, update_layout

VALUE_CYCLES = 1
"""Out of the values' memory."""


def lookup_latency(shape: MemoryShape) -> int:
    """Cycles from a key to its hit and values."""
    return match_latency(shape) + (VALUE_CYCLES if shape.value_bits else 0)


class TableLookup(wiring.Component):
    """One key a cycle; what comes out belongs to the key and bank of ``latency`` cycles before.

    Members
    -------
    key : In(key_bits), bank : In(1), update    as in MatchMemory
    hit : Out(1)
    values : Out(value_bits)                    the columns as one word, 0 where nothing matches; at least one bit
    """

    def __init__(self, shape: MemoryShape, rows: Sequence[Slot] = ()) -> None:
        self.shape = shape
        self.rows = tuple(rows)
        self.latency = lookup_latency(shape)
        super().__init__(
            {
                "key": In(shape.key_bits),
                "bank": In(1),
                "update": In(update_layout(shape)),
                "hit": Out(1),
                "values": Out(max(1, shape.value_bits)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.match = match = MatchMemory(self.shape, self.rows)
        m.d.comb += [match.key.eq(self.key), match.bank.eq(self.bank), match.update.eq(self.update)]
        if not self.shape.value_bits:
            m.d.comb += self.hit.eq(match.hit)
            return m
        memory = Memory(shape=self.shape.value_bits, depth=self.shape.slots, init=[row.values for row in self.rows])
        m.submodules.values = memory
        write, read = memory.write_port(), memory.read_port()
        hit = Signal(name="hit_q", reset_less=True)
        m.d.sync += hit.eq(match.hit)
        m.d.comb += [
            write.en.eq(self.update.value_en),
            write.addr.eq(self.update.value_slot),
            write.data.eq(self.update.value_bits),
            read.addr.eq(match.index),
            self.hit.eq(hit),
            self.values.eq(Mux(hit, read.data, Const(0, self.shape.value_bits))),
        ]
        return m
