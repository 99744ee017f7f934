"""Writes rows into the memories of a table, one after the other, while they are searched.

One idea: four slots share a small memory, so who writes one writes the bits of all four. What they are is kept here in
a memory of its own, in four parts that are read at once: 16 cycles, one for each value of a nibble, write the four rows
again as they are, but for the new one. The other three do not change, so they may be searched meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .shape import GROUP, STRIDE, MemoryShape, Slot, update_layout

NIBBLES = 1 << STRIDE
LANE_BITS = (GROUP - 1).bit_length()
ROW_CYCLES = 2 + NIBBLES + 3
"""From ``start`` until the row is in the memories and another one may start: out of the own memory, the nibbles, into
the memories' registers and past them."""


def row_layout(shape: MemoryShape) -> StructLayout:
    """A row as it is written: of each stride its value and mask, then the values."""
    return StructLayout(
        {
            "value": STRIDE * shape.strides,
            "mask": STRIDE * shape.strides,
            "values": max(1, shape.value_bits),
        }
    )


class RowWriter(wiring.Component):
    """Takes a row while ``busy`` is 0; it is written when ``busy`` is 0 again.

    Members
    -------
    start : In(1), slot : In(range(slots)), row : In(row_layout(shape))
    valid_en, valid_bank, valid_word, valid_bits : In     go on to the memories; not while ``busy``
    busy : Out(1)
    update : Out(update_layout(shape))

    ``rows`` are in the first slots before anything is written.
    """

    def __init__(self, shape: MemoryShape, rows: Sequence[Slot] = ()) -> None:
        self.shape = shape
        self.rows = tuple(rows)
        layout = update_layout(shape)
        names = ("valid_en", "valid_bank", "valid_word", "valid_bits")
        super().__init__(
            {
                "start": In(1),
                "slot": In((shape.slots - 1).bit_length()),
                "row": In(row_layout(shape)),
                **{name: In(layout[name].shape) for name in names},
                "busy": Out(1),
                "update": Out(layout),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.shape
        left = Signal(range(ROW_CYCLES + 1))
        group = Signal(range(shape.groups), reset_less=True)
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(self.start):
            m.d.sync += [left.eq(ROW_CYCLES), group.eq(self.slot[LANE_BITS:])]
        m.d.comb += self.busy.eq(left != 0)

        parts = [self._kept(m, lane, group) for lane in range(GROUP)]
        nibble, writes = Signal(STRIDE), Signal()
        # The first nibble is written when the rows have come out of their memory.
        last = ROW_CYCLES - 2 - NIBBLES
        m.d.comb += [nibble.eq(left - 1 - last), writes.eq((left > last) & (left <= last + NIBBLES))]
        bits = []
        for stride in range(shape.strides):
            at = slice(STRIDE * stride, STRIDE * (stride + 1))
            bits += [~(((part.value[at] ^ nibble) & part.mask[at]).any()) for part in parts]
        update = Signal(update_layout(shape), name="update_q", reset_less=True)
        started = self.start & (left == 0)
        m.d.sync += [
            update.row_en.eq(writes),
            update.row_group.eq(group),
            update.row_nibble.eq(nibble),
            update.row_bits.eq(Cat(bits)),
            update.valid_en.eq(self.valid_en),
            update.valid_bank.eq(self.valid_bank),
            update.valid_word.eq(self.valid_word),
            update.valid_bits.eq(self.valid_bits),
            update.value_en.eq(started),
            update.value_slot.eq(self.slot),
            update.value_bits.eq(self.row["values"]),
        ]
        m.d.comb += self.update.eq(update)
        return m

    def _kept(self, m: Module, lane: int, group: Signal) -> Any:
        """The row of a group in this lane."""
        shape, width = self.shape, STRIDE * self.shape.strides
        init = [row.value | row.mask << width for row in self.rows[lane::GROUP]]
        memory = Memory(shape=2 * width, depth=shape.groups, init=init)
        m.submodules[f"lane{lane}"] = memory
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.start & ~self.busy & (self.slot[:LANE_BITS] == lane)),
            write.addr.eq(self.slot[LANE_BITS:]),
            write.data.eq(Cat(self.row.value, self.row.mask)),
            read.addr.eq(group),
        ]
        return _Row(read.data[:width], read.data[width:])


class _Row:
    def __init__(self, value: Any, mask: Any) -> None:
        self.value = value
        self.mask = mask
