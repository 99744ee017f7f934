"""A ternary match memory: which of many rows is the first that a key matches, one key a cycle.

One idea: each stride of four key bits is the address of a small memory that has one bit for each row, "these four bits
are what the row asks for"; a row matches where the bits of all strides are 1 (StrideBV: Ganegedara and Prasanna, 2012).
What it costs does not depend on what the rows are, and a row is rewritten in 16 cycles.

The memory is cut into chunks of 32 slots, each with its own copy of the key (``fo_key``) and of what is written, for a
key bit that leads to the memories of every row is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from .priority import PriorityEncoder, priority_latency
from .shape import CHUNK, GROUP, STRIDE, MemoryShape, Slot, nibble_matches, update_layout

PART = 4
"""Strides that are put together before a register."""
MATCH_CYCLES = 3
"""Into the key's copies, out of the memories, all strides together."""


def match_latency(shape: MemoryShape) -> int:
    """Cycles from a key to the number of its slot."""
    return MATCH_CYCLES + priority_latency(shape.slots)


class MatchMemory(wiring.Component):
    """``hit`` and ``index`` belong to the key and bank of ``latency`` cycles before.

    Members
    -------
    key : In(key_bits), bank : In(1)     what is looked up, and among the slots of which bank
    update : In(update_layout(shape))    seen by what is looked up two cycles later and after that
    hit : Out(1)
    index : Out(range(slots))            the lowest slot that matches, 0 where none does

    ``rows`` are in the first slots, valid in both banks, before anything is written. A reset changes nothing in it.
    """

    def __init__(self, shape: MemoryShape, rows: Sequence[Slot] = ()) -> None:
        if len(rows) > shape.slots:
            raise ValueError(f"{len(rows)} rows do not fit {shape.slots} slots")
        self.shape = shape
        self.rows = tuple(rows)
        self.latency = match_latency(shape)
        super().__init__(
            {
                "key": In(shape.key_bits),
                "bank": In(1),
                "update": In(update_layout(shape)),
                "hit": Out(1),
                "index": Out((shape.slots - 1).bit_length()),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.priority = priority = PriorityEncoder(self.shape.slots)
        for number in range(self.shape.chunks):
            chunk = _Chunk(self.shape, number, self.rows[CHUNK * number : CHUNK * (number + 1)])
            m.submodules[f"chunk{number}"] = chunk
            m.d.comb += [
                chunk.key.eq(self.key),
                chunk.bank.eq(self.bank),
                chunk.update.eq(self.update),
                priority.bits[CHUNK * number : CHUNK * (number + 1)].eq(chunk.matches),
            ]
        m.d.comb += [self.hit.eq(priority.hit), self.index.eq(priority.index)]
        return m


class _Chunk(wiring.Component):
    """CHUNK slots: ``matches`` has one bit for each, MATCH_CYCLES after the key."""

    def __init__(self, shape: MemoryShape, number: int, rows: Sequence[Slot]) -> None:
        self.shape = shape
        self.number = number
        self.rows = tuple(rows)
        super().__init__(
            {
                "key": In(shape.key_bits),
                "bank": In(1),
                "update": In(update_layout(shape)),
                "matches": Out(CHUNK),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        key = Signal(self.shape.key_bits, name="fo_key", reset_less=True)
        bank = Signal(2, reset_less=True)
        m.d.sync += [key.eq(self.key), bank.eq(Cat(self.bank, bank[0]))]
        strides = self._strides(m, key)
        parts = []
        for at in range(0, len(strides), PART):
            part = Signal(CHUNK, name=f"part{at // PART}", reset_less=True)
            m.d.sync += part.eq(reduce(and_, strides[at : at + PART]))
            parts.append(part)
        parts.append(Mux(bank[1], *self._valid(m)))
        matches = Signal(CHUNK, name="matches_q", reset_less=True)
        m.d.sync += matches.eq(reduce(and_, parts))
        m.d.comb += self.matches.eq(matches)
        return m

    def _strides(self, m: Module, key: Signal) -> list[Any]:
        """For each stride, which slots the key's bits suit."""
        update, lanes = self.update, CHUNK // GROUP
        enable = Signal(lanes, name="fo_row_en", reset_less=True)
        nibble = Signal(STRIDE, name="fo_row_nibble", reset_less=True)
        bits = Signal(GROUP * self.shape.strides, name="fo_row_bits", reset_less=True)
        lane_bits = (lanes - 1).bit_length()
        at, chunk = update.row_group[:lane_bits], update.row_group[lane_bits:]
        here = update.row_en & (chunk == self.number) if self.shape.chunks > 1 else update.row_en
        m.d.sync += [
            enable.eq(Cat(here & (at == lane) for lane in range(lanes))),
            nibble.eq(update.row_nibble),
            bits.eq(update.row_bits),
        ]
        out = []
        for stride in range(self.shape.strides):
            memory = Memory(shape=CHUNK, depth=1 << STRIDE, init=self._init(stride), attrs={"ram_style": "distributed"})
            m.submodules[f"stride{stride}"] = memory
            write, read = memory.write_port(granularity=GROUP), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(enable),
                write.addr.eq(nibble),
                write.data.eq(bits[GROUP * stride : GROUP * (stride + 1)].replicate(lanes)),
                read.addr.eq(key[STRIDE * stride : STRIDE * (stride + 1)]),
            ]
            out.append(read.data)
        return out

    def _init(self, stride: int) -> list[int]:
        slots = [*self.rows, *[Slot()] * (CHUNK - len(self.rows))]
        return [
            sum(nibble_matches(slot, stride, nibble) << number for number, slot in enumerate(slots))
            for nibble in range(1 << STRIDE)
        ]

    def _valid(self, m: Module) -> tuple[Signal, Signal]:
        """The slots that are valid in bank 1, and in bank 0."""
        update, first = self.update, (1 << len(self.rows)) - 1
        here = Signal(2, name="valid_here", reset_less=True)
        bits = Signal(CHUNK, name="fo_valid_bits", reset_less=True)
        mine = update.valid_en & (update.valid_word == self.number)
        m.d.sync += [here.eq(Mux(mine, Mux(update.valid_bank, 2, 1), 0)), bits.eq(update.valid_bits)]
        banks = [Signal(CHUNK, name=f"valid{bank}", init=first, reset_less=True) for bank in range(2)]
        for bank, valid in enumerate(banks):
            with m.If(here[bank]):
                m.d.sync += valid.eq(bits)
        return banks[1], banks[0]
