# amaranth: UnusedElaboratable=no
"""The control port: registers of the one map, refusals, what a row costs, and when a switch is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.sim import Simulator

from sevenm import registers
from sevenm.hdl.tables.control import TableControl
from sevenm.hdl.tables.row_writer import ROW_CYCLES
from sevenm.hdl.tables.shape import MemoryShape, Slot, TableMemory
from sevenm.host.card import driver
from sevenm.host.card.driver import CardError
from sevenm.registers import BY_NAME, REGISTERS
from sevenm.sim.testbench.card import read, write

STRUCTURE = "00112233445566778899aabbccddeeff" * 2
ROWS = (Slot(5, 15, 1), Slot(7, 15, 2))
TABLES = (
    TableMemory(MemoryShape(104, 16, 64), ROWS),
    TableMemory(MemoryShape(4, 0, 96)),
)


def run(bench: Callable[[Any, Any], Any], drain: int = 10) -> None:
    dut = TableControl(TABLES, STRUCTURE, drain)

    async def testbench(ctx: Any) -> None:
        await bench(ctx, dut)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def test_registers_read_what_the_map_says() -> None:
    async def bench(ctx: Any, dut: Any) -> None:
        port = dut.s_axil
        seen = {one.name: [await read(ctx, port, one.address(w)) for w in range(one.words)] for one in REGISTERS
                if one.access == "r"}  # fmt: skip
        assert seen == {
            "id": [registers.IDENTITY], "bank": [0], "generation": [0], "tables": [2], "slots": [64],
            "digest": [0x00112233, 0x44556677, 0x8899AABB, 0xCCDDEEFF] * 2,
        }  # fmt: skip
        await write(ctx, port, BY_NAME["table"].address(), 1)
        assert await read(ctx, port, BY_NAME["slots"].address()) == 96
        for one in REGISTERS:
            if one.access == "w":
                with pytest.raises(CardError, match=r"^the core has nothing to read at "):
                    await read(ctx, port, one.address())

    run(bench)


def test_what_cannot_be_done_is_refused() -> None:
    async def bench(ctx: Any, dut: Any) -> None:
        port = dut.s_axil
        slot, valid = BY_NAME["slot"], BY_NAME["valid"]
        refused = [
            (slot.address(), 0), (slot.address(), 1), (slot.address(), 64), (slot.address(), 1 << 31),
            (valid.address(2), 1), (BY_NAME["table"].address(), 2), (BY_NAME["id"].address(), 1), (0x3FC, 1),
            (BY_NAME["row"].address(9), 1),
        ]  # fmt: skip
        for address, data in refused:
            with pytest.raises(CardError, match=rf"^the core refuses {data:#x} at {address:#x}$"):
                await write(ctx, port, address, data)
        await write(ctx, port, slot.address(), 2)
        assert await read(ctx, port, BY_NAME["bank"].address()) == 0
        # What was valid in the bank before may be written when another bank is searched.
        await write(ctx, port, valid.address(0), 0)
        await write(ctx, port, BY_NAME["commit"].address(), 7)
        assert await read(ctx, port, BY_NAME["bank"].address()) == 1
        assert await read(ctx, port, BY_NAME["generation"].address()) == 7
        await write(ctx, port, slot.address(), 0)

    run(bench)


def test_a_row_takes_at_most_64_cycles_and_what_the_driver_says() -> None:
    """104 bits of keys, 16 of values: nine words, and the slot; until the next slot can be written."""

    async def bench(ctx: Any, dut: Any) -> None:
        port, row, slot = dut.s_axil, BY_NAME["row"], BY_NAME["slot"]
        taken = []
        for number in range(4):
            before = 0
            for word in range(9):
                before += await write(ctx, port, row.address(word), word)
            taken.append(before + await write(ctx, port, slot.address(), 8 + number))
        await write(ctx, port, slot.address(), 20)
        assert driver.ROW_CYCLES == ROW_CYCLES
        assert taken[0] == 10 * driver.WRITE_CYCLES
        # Behind it comes the time in which the row itself is written, unless the next words fill it.
        assert max(taken) + ROW_CYCLES <= 64

    run(bench)


def test_nothing_is_written_until_frames_of_the_bank_before_are_through() -> None:
    async def bench(ctx: Any, dut: Any) -> None:
        port = dut.s_axil
        await write(ctx, port, BY_NAME["commit"].address(), 1)
        assert await write(ctx, port, BY_NAME["valid"].address(0), 3) > 30
        # Words of a row are nobody's yet.
        await write(ctx, port, BY_NAME["commit"].address(), 2)
        assert await write(ctx, port, BY_NAME["row"].address(0), 3) == driver.WRITE_CYCLES

    run(bench, drain=32)


def test_the_map_names_no_address_twice() -> None:
    words = [one.address(word) for one in REGISTERS for word in range(one.words)]
    assert len(set(words)) == len(words)
    assert max(words) < 1 << registers.ADDRESS_BITS
    with pytest.raises(ValueError, match=r"^register row has 128 words, none of number 128$"):
        BY_NAME["row"].address(128)
    with pytest.raises(ValueError, match=r"^a structure's digest has 64 hexadecimal digits, not 3$"):
        registers.digest_words("abc")
