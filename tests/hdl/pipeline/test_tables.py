# amaranth: UnusedElaboratable=no
"""Look-ups in a description: the hardware says what the model says, whatever stands before and after them."""

from __future__ import annotations

import random

import pytest

from sevenm.hdl.pipeline import All, Description, First, Pipeline, Rule, Slot, Table, captured, field, mux
from sevenm.hdl.pipeline.description import program
from sevenm.hdl.pipeline.model import decide as model
from sevenm.sim.testbench.amaranth_bench import decide
from sevenm.sim.testbench.packets import Packet, Verdict

PORTS = tuple(Slot(v << 3 & 0xFFFF, 0xFFF8, v % 16 | (v % 3) << 4) for v in range(40, 60))


class Routes(Description):
    """Two tables; one is looked up twice, by what another look-up said and by a field that is not always there."""

    routes = Table(keys=(8, 16), values=((0, 15), (-3, 2)), slots=64, rows=(
        Slot(7 | 80 << 8, 0xFFFFFF, 9 | 5 << 4), Slot(6, 0xFF, 3 | 2 << 4), Slot(7, 7, 1), Slot(0, 3 << 8, 7 | 6 << 4),
    ))  # fmt: skip
    ports = Table(keys=(16,), values=((0, 15), (0, 2)), slots=32, rows=PORTS)
    empty = Table(keys=(4,), slots=32)
    kind = field(at=1, bytes=1)
    number = field(kind & 31, at=2, bytes=2)
    class_of = ports.value(0, number)
    route = routes.value(0, kind, number)
    weight = routes.value(1, class_of + 1, number)
    rule_known = routes.hit(kind, number)
    rule_light = weight < 0
    rule_none = empty.hit(kind[0:4])
    block_route = First(
        Rule(rule_none, drop=True),
        Rule(rule_known & (route > 2), forward_to=(route,)),
        Rule(mux(rule_light, ports.hit(number), captured > 20), forward=(1,)),
    )
    block_all = All(Rule(rule_light), Rule(ports.value(1, number) == 2), Rule(weight + 2 == class_of))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_look_ups_say_what_the_model_says(levels: int) -> None:
    choose = random.Random(levels)
    packets = []
    for _ in range(250):
        kind = choose.choice([0, 1, 6, 7, 8, 31])
        data = bytearray(choose.randbytes(choose.randrange(1, 60)))
        data[1:2] = bytes([kind])
        data[kind % 32 + 2 : kind % 32 + 4] = choose.choice([80, 320, 400, 479, 480, 5]).to_bytes(2, "big")
        packets.append(Packet(bytes(data)))
    what = program(Routes)
    wanted = [Verdict(**model(what, p.data)) for p in packets]
    assert decide(Pipeline(Routes, levels=levels), packets) == wanted
    assert {v.forward for v in wanted} >= {0, 2, 1 << 7, 1 << 9}
    assert {bit for v in wanted for bit in range(3) if v.blocks >> 2 + bit & 1} == {0, 1, 2}


def test_equal_look_ups_are_one_memory() -> None:
    nets = Pipeline(Routes).placed.nets.nets
    assert sum(net.op == "lookup" for net in nets) == 4


def test_bad_look_ups_are_refused() -> None:
    table = Table(keys=(8,), values=((0, 1),), slots=32)
    with pytest.raises(ValueError, match=r"^a table of 1 keys is not looked up by 2$"):
        table.hit(1, 2)
    with pytest.raises(ValueError, match=r"^a table of 1 columns has none of number 1$"):
        table.value(1, 2)
    with pytest.raises(ValueError, match=r"^a column holds 0, what it is without a match, unlike one of \[\(1, 2\)\]$"):
        Table(keys=(8,), values=((1, 2),), slots=32)

    class Foreign(Description):
        kind = field(at=1, bytes=1)
        block = First(Rule(table.hit(kind)))

    with pytest.raises(ValueError, match=r"^hit\(kind\) reads a table that is none of the description$"):
        program(Foreign)
