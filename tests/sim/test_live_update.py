"""Rows are written into a core under full traffic: every frame's verdict is that of the generation it carries."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.emit import emit_source
from sevenm.compiler.backends.gateware.target import for_gateware
from sevenm.compiler.backends.gateware.verilog import to_verilog
from sevenm.compiler.plan import Plan, Table
from sevenm.host.card.driver import CardError, CardTables
from sevenm.registers import BY_NAME
from sevenm.sim import live
from sevenm.sim.live import Traffic, Went
from sevenm.sim.random_tables import random_key, with_random_rows
from sevenm.sim.testbench.expected import verdicts
from sevenm.sim.testbench.packets import Packet

RULES = """
schema Flow v1 size 64 @endian(big) { src: ip4  class: u8  kind: u8  port: u16 }
table acl : (ip4 lpm, u8 range, u8 ternary) -> (out: port, mark: u8) max 40 { (10.0.0.0/8, 1..3, 5 & 7): (3, 9) }
table ports : u16 -> u8 max 12 { 80: 1 }
rules r on Flow first {
  rule marked: (src, class, kind) in acl and acl[src, class, kind].mark > 99 => forward acl[src, class, kind].out
  rule port: port in ports and ports[port] > 7 => drop
  rule listed: (src, class, kind) in acl => forward 2
}
"""
UPDATES, UPDATES_SOAK = 300, 10_000
FRAMES = 97


@dataclass(frozen=True)
class Card:
    """A core of RULES with its tables in memories, as a program."""

    program: Path
    plan: Plan
    seen: Plan
    slots: tuple[int, ...]

    def tables(self) -> CardTables:
        rows = [table.rows for table in self.plan.tables]
        return CardTables.of(self.plan.tables, rows, self.slots, self.plan.structure)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    plan = compile_text(RULES, "flows").plan
    source = emit_source(plan, rows="memory")
    assert source.slots == (96, 32)
    program = live.build(to_verilog(plan, rows="memory"), tmp_path_factory.mktemp("live"))
    return Card(program, plan, for_gateware(plan, rows="memory"), source.slots)


def frames(choose: random.Random) -> list[Packet]:
    """Of one to four beats."""

    def one() -> bytes:
        fields = ((32, 4), (8, 1), (8, 1), (16, 2))
        record = b"".join(random_key(choose, bits).to_bytes(size, "big") for bits, size in fields).ljust(64, b"\0")
        return record + choose.randbytes(choose.choice([0, 0, 0, 1, 64, 130]))

    return [Packet(one()) for _ in range(FRAMES)]


def changed(choose: random.Random, table: Table) -> Table:
    """Other rows: some of them, all of them, none, or in another order."""
    way = choose.random()
    if way < 0.1:
        return with_random_rows(choose, table, choose.randrange(table.most // 2))
    if way < 0.13:
        return table.with_rows(())
    rows = list(table.rows)
    for _ in range(choose.randrange(1, 4)):
        if rows and choose.random() < 0.5:
            del rows[choose.randrange(len(rows))]
        if len(rows) < table.most // 2:
            new = with_random_rows(choose, table, 1).rows
            rows[(at := choose.randrange(len(rows) + 1)) : at] = [
                r for r in new if r.keys not in {x.keys for x in rows}
            ]
    return table.with_rows(rows)


def generations(choose: random.Random, card: Card, count: int) -> tuple[list[list[Table]], list[tuple[int, int]]]:
    """The tables of each generation, the bundle's first, and the writes that bring them about."""
    driver, tables = card.tables(), list(card.plan.tables)
    made, writes = [tables], []
    while len(made) <= count:
        tables = [changed(choose, table) if choose.random() < 0.7 else table for table in made[-1]]
        try:
            update = driver.update({n: table.rows for n, table in enumerate(tables)}, len(made))
        except CardError:
            continue  # ranges of many prefixes: there is no place for them now
        writes += update.writes
        driver.done(update)
        made.append(tables)
    return made, writes


def compare(card: Card, sent: list[Packet], made: list[list[Table]], went: Went) -> None:
    """Frames in their order, generations in theirs, and each verdict that of its rows."""
    out = went.out
    assert np.array_equal(out["frame"], np.arange(len(out)) % len(sent)), "frames are missing or out of order"
    assert out["generation"][0] == 0 and out["generation"][-1] == len(made) - 1
    assert np.all(np.diff(out["generation"].astype(np.int64)) >= 0), "an older generation came after a newer one"
    for generation in np.unique(out["generation"]):
        part = out[out["generation"] == generation]
        numbers = np.unique(part["frame"])
        wanted = verdicts(card.seen.with_rows(made[generation]), [sent[n] for n in numbers])
        for number, verdict in zip(numbers, wanted, strict=True):
            for record in part[part["frame"] == number]:
                found = {name: int(record[name]) for name in ("blocks", "forward", "drop", "punt")}
                assert found == {name: getattr(verdict, name) for name in found}, (int(generation), int(number))


@pytest.mark.parametrize("traffic", [Traffic(), Traffic(offered=70, taken=60, gap=9)])
def test_every_frame_is_decided_by_the_rows_of_its_generation(card: Card, traffic: Traffic, soak: bool) -> None:
    choose = random.Random(traffic.gap)
    sent = frames(choose)
    made, writes = generations(choose, card, UPDATES_SOAK if soak else UPDATES)
    went = live.run(card.program, [packet.data for packet in sent], writes, traffic)
    assert went.refused == 0
    compare(card, sent, made, went)
    if traffic == Traffic():
        # A beat every cycle, whatever is written meanwhile: the rest is the way through the core.
        beats = np.array([-(-len(packet.data) // 64) for packet in sent])
        assert beats[went.out["frame"]].sum() >= went.cycles - 40
    assert len(np.unique(went.out["generation"])) > 0.9 * len(made)
    assert 0 < np.count_nonzero(went.out["drop"]) < len(went.out)


def test_a_fault_in_the_writes_is_seen(card: Card) -> None:
    """A row that is told valid too early, or never written, is a wrong verdict."""
    choose = random.Random(5)
    sent = frames(choose)
    made, writes = generations(choose, card, 60)
    slots = [at for at, (address, _) in enumerate(writes) if address == BY_NAME["slot"].address()]
    left_out = [write for at, write in enumerate(writes) if at != slots[len(slots) // 2]]
    went = live.run(card.program, [packet.data for packet in sent], left_out, Traffic())
    with pytest.raises(AssertionError):
        compare(card, sent, made, went)
