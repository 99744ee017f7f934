# amaranth: UnusedElaboratable=no
"""A look-up with its row writer against the model in plain Python, while rows and banks change."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from sevenm.hdl.tables.lookup import TableLookup
from sevenm.hdl.tables.match import MatchMemory
from sevenm.hdl.tables.model import MemoryModel
from sevenm.hdl.tables.priority import PriorityEncoder
from sevenm.hdl.tables.row_writer import ROW_CYCLES, RowWriter
from sevenm.hdl.tables.shape import CHUNK, MemoryShape, Slot

ROUNDS = 8
SETTLED = 4
"""Cycles after which what was told valid is searched."""


class Bench(wiring.Component):
    """A look-up and the writer of its rows."""

    def __init__(self, shape: MemoryShape, rows: list[Slot]) -> None:
        self.lookup = TableLookup(shape, rows)
        self.writer = RowWriter(shape, rows)
        ports = ("start", "slot", "row", "valid_en", "valid_bank", "valid_word", "valid_bits")
        shapes = {name: self.writer.signature.members[name].shape for name in ports}
        super().__init__(
            {
                "key": In(shape.key_bits),
                "bank": In(1),
                "hit": Out(1),
                "values": Out(max(1, shape.value_bits)),
                "busy": Out(1),
                **{name: In(of) for name, of in shapes.items()},
            }
        )
        self._ports = ports

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.lookup, m.submodules.writer = self.lookup, self.writer
        m.d.comb += [getattr(self.writer, name).eq(getattr(self, name)) for name in self._ports]
        m.d.comb += [
            self.busy.eq(self.writer.busy),
            self.lookup.update.eq(self.writer.update),
            self.lookup.key.eq(self.key),
            self.lookup.bank.eq(self.bank),
            self.hit.eq(self.lookup.hit),
            self.values.eq(self.lookup.values),
        ]
        return m


def random_slot(choose: random.Random, shape: MemoryShape) -> Slot:
    mask = choose.getrandbits(shape.key_bits) | choose.getrandbits(shape.key_bits)
    for _ in range(choose.randrange(4)):
        mask &= choose.getrandbits(shape.key_bits)
    return Slot(choose.getrandbits(shape.key_bits) & mask, mask, choose.getrandbits(shape.value_bits))


def near_key(choose: random.Random, model: MemoryModel) -> int:
    """One that a slot matches, or has a bit that it does not."""
    slot, bits = choose.choice(model.slots), model.shape.key_bits
    key = slot.value | choose.getrandbits(bits) & ~slot.mask
    return key ^ 1 << choose.randrange(bits) if choose.random() < 0.3 else key


@pytest.mark.parametrize(
    ("key_bits", "value_bits", "slots", "rows"),
    [(1, 0, CHUNK, 0), (7, 3, CHUNK, 32), (32, 0, 64, 20), (104, 20, 96, 90), (130, 64, 160, 5)],
)
def test_every_key_finds_what_the_model_finds_while_rows_change(
    key_bits: int, value_bits: int, slots: int, rows: int
) -> None:
    """The searched bank's slots are left alone; the others are written and told valid, and then the bank is switched
    between two keys."""
    choose = random.Random(key_bits)
    shape = MemoryShape(key_bits, value_bits, slots)
    first = [random_slot(choose, shape) for _ in range(rows)]
    dut, model = Bench(shape, first), MemoryModel(shape, first)
    expected: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []
    switches = hits = 0

    async def testbench(ctx: Any) -> None:
        nonlocal switches, hits
        bank = 0

        async def tick(cycles: int = 1) -> None:
            nonlocal hits
            for _ in range(cycles):
                key = near_key(choose, model)
                ctx.set(dut.key, key)
                ctx.set(dut.bank, bank)
                hit, _, values = model.find(key, bank)
                hits += hit
                expected.append((hit, values))
                seen.append((ctx.get(dut.hit), ctx.get(dut.values) if value_bits else 0))
                await ctx.tick()

        await tick(20)
        for _ in range(ROUNDS):
            free = [number for number in range(slots) if not model.valid[bank] >> number & 1]
            for number in choose.sample(free, min(len(free), choose.randrange(1, 4))):
                slot = random_slot(choose, shape)
                ctx.set(dut.slot, number)
                ctx.set(dut.row, {"value": slot.value, "mask": slot.mask, "values": slot.values})
                ctx.set(dut.start, 1)
                model.write(number, slot)
                await tick()
                ctx.set(dut.start, 0)
                assert ctx.get(dut.busy)
                await tick(ROW_CYCLES)
                assert not ctx.get(dut.busy)
            for word in range(shape.chunks):
                bits = choose.getrandbits(CHUNK) & choose.getrandbits(CHUNK)
                for name, value in (("en", 1), ("bank", 1 - bank), ("word", word), ("bits", bits)):
                    ctx.set(getattr(dut, f"valid_{name}"), value)
                model.set_valid(1 - bank, word, bits)
                await tick()
            ctx.set(dut.valid_en, 0)
            await tick(SETTLED)
            bank, switches = 1 - bank, switches + 1
            await tick(30)  # what was looked up in the other bank has come out

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    latency = dut.lookup.latency
    assert seen[latency:] == expected[:-latency]
    assert switches == ROUNDS
    assert 0 < hits < len(expected)


@pytest.mark.parametrize("width", [1, 3, 16, 17, 300])
def test_the_lowest_bit_is_found(width: int) -> None:
    choose = random.Random(width)
    dut = PriorityEncoder(width)
    vectors = [0, 1, 1 << width - 1, *(choose.getrandbits(width) & choose.getrandbits(width) for _ in range(60))]
    vectors += [1 << bit for bit in range(width)]
    seen: list[tuple[int, int]] = []

    async def testbench(ctx: Any) -> None:
        for vector in [*vectors, *[0] * dut.latency]:
            ctx.set(dut.bits, vector)
            seen.append((ctx.get(dut.hit), ctx.get(dut.index)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen[dut.latency :] == [(int(v > 0), (v & -v).bit_length() - 1 if v else 0) for v in vectors]


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^slots are a multiple of 32, at most 8192, not 48$"):
        MemoryShape(8, 0, 48)
    with pytest.raises(ValueError, match=r"^keys have 1 to 1024 bits together, not 0$"):
        MemoryShape(0, 0, 32)
    with pytest.raises(ValueError, match=r"^33 rows do not fit 32 slots$"):
        MatchMemory(MemoryShape(8, 0, 32), [Slot()] * 33)
    with pytest.raises(ValueError, match=r"^33 rows do not fit 32 slots$"):
        MemoryModel(MemoryShape(8, 0, 32), [Slot()] * 33)
