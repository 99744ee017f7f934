"""Byte extraction against plain Python."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Module, Signal, Value
from amaranth.sim import Simulator

from sevenm.hdl.extract import aligned, big_endian, little_endian


def evaluate(inputs: list[tuple[Any, int]], *values: Any) -> list[int]:
    """What combinational values are, with signals set."""
    out: list[int] = []
    m = Module()
    results = [Signal(len(Value.cast(v))) for v in values]
    m.d.comb += [result.eq(value) for result, value in zip(results, values, strict=True)]

    async def testbench(ctx: Any) -> None:
        for signal, value in inputs:
            ctx.set(signal, value)
        out.extend(ctx.get(result) for result in results)

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    return out


def test_bytes_are_read_in_either_order() -> None:
    data = bytes(range(1, 9))
    source = Signal(64)
    found = evaluate([(source, int.from_bytes(data, "little"))], big_endian(source, 2, 3), little_endian(source, 2, 3))
    assert found == [0x030405, 0x050403]


@pytest.mark.parametrize("unit", [8, 1])
@pytest.mark.parametrize("seed", range(10))
def test_a_rung_takes_the_units_at_the_selected_offset_and_zeros_outside(unit: int, seed: int) -> None:
    choose = random.Random(seed)
    units = choose.randint(1, 12)
    offsets = [choose.randint(-3, 14) for _ in range(choose.randint(2, 4))]
    length = choose.randint(1, 9)
    values = [choose.randrange(1 << unit) for _ in range(units)]
    source, select = Signal(unit * units), Signal(1 if len(offsets) == 2 else 2)
    word = sum(v << (unit * i) for i, v in enumerate(values))
    for index, offset in enumerate(offsets):
        wanted = sum(values[offset + i] << (unit * i) for i in range(length) if 0 <= offset + i < units)
        (found,) = evaluate([(source, word), (select, index)], aligned(source, select, offsets, length, unit))
        assert found == wanted


@pytest.mark.parametrize(
    ("offsets", "length", "message"),
    [
        ((1,), 4, "a rung chooses from 2 to 4 offsets, not 1"),
        ((1, 2, 3, 4, 5), 4, "a rung chooses from 2 to 4 offsets, not 5"),
        ((1, 2), 0, "length must be positive, not 0"),
    ],
)
def test_bad_rungs_are_refused(offsets: tuple[int, ...], length: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        aligned(Signal(64), Signal(2), offsets, length)
