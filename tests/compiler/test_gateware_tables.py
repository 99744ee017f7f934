# amaranth: UnusedElaboratable=no
"""Tables of rule files in a core: wired or in memories, and what fits neither."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.emit import emit_source, load_source
from sevenm.compiler.backends.gateware.memories import TablesTooLarge, memory_slots
from sevenm.compiler.backends.gateware.verilog import to_verilog
from sevenm.sim.random_tables import near_keys, random_table
from sevenm.sim.testbench.amaranth_bench import play
from sevenm.sim.testbench.expected import expected_verdicts
from sevenm.sim.testbench.packets import Packet
from sevenm.sim.verilate import Toolchain

FLOWS = """
schema Flow v1 size 64 @endian(big) { src: ip4  class: u8  kind: u8 }
table acl : (ip4 lpm, u8 range, u8 ternary) -> (out: port, mark: u63) max 16 { }
table few : u8 max 16 { }
rules r on Flow all {
  rule marked: (src, class, kind) in acl and acl[src, class, kind].mark > 2 => forward acl[src, class, kind].out
  rule again:  class in few and (src, kind, class) in acl => drop
}
"""


@pytest.mark.parametrize("rows", ["memory", "wired"])
def test_a_core_decides_by_its_first_rows_however_it_keeps_them(rows: str) -> None:
    choose = random.Random(4)
    plan = compile_text(FLOWS, "flows").plan
    tables = [
        random_table(choose, [(key.kind, key.width) for key in table.keys], 12, name=table.name)
        for table in plan.tables
    ]
    given = [
        table.with_rows(row._replace(values=(choose.randrange(16), choose.randrange(9))[: len(table.values)])
                        for row in other.rows)
        for table, other in zip(plan.tables, tables, strict=True)
    ]  # fmt: skip
    plan = plan.with_rows(given)
    keys = near_keys(choose, plan.tables[0], 120)
    data = [a.to_bytes(4, "big") + bytes((b, c)) for a, b, c in keys]
    packets = [Packet(record.ljust(64, b"\0")) for record in data]
    source = emit_source(plan, rows=rows)
    run = play(load_source(source).Core(), packets)
    wanted = expected_verdicts(plan, packets)
    assert [one.verdict for one in run.marked] == wanted
    assert {verdict.blocks for verdict in wanted} >= {0, 1}
    cycles = [one.first_cycle - at for one, at in zip(run.marked, run.accepted, strict=True)]
    assert cycles == [source.latency_cycles] * len(packets)


def test_tables_of_more_comparisons_than_a_core_is_made_of_are_memories_or_refused() -> None:
    """By the table with which they are too many: 400 rows of five keys are not, and 49 of one beside them are."""
    rows = "\n".join(f"(10.0.{at >> 8}.{at & 255}, *, *, *, *)" for at in range(400))
    text = f"table acl : (ip4 range, ip4 range, u16 range, u16 range, u8 range) max 400 {{\n{rows}\n}}\n"
    ports = "\n".join(str(at) for at in range(49))
    text += f"table ports : u16 max 64 {{\n{ports}\n}}\n"
    text += "rules r on packet first {\n"
    text += "  rule a: (ip.src, ip.dst, tcp.srcport, tcp.dstport, ip.proto) in acl => drop\n"
    text += "  rule b: udp.dstport in ports => drop\n}\n"
    plan = compile_text(text, "acl").plan
    with pytest.raises(TablesTooLarge) as error:
        memory_slots(plan, "wired")
    assert str(error.value) == (
        "with the 49 rows of 1 key of table ports there are 2049 comparisons, and gateware has at most 2048; give the "
        "table fewer rows, keep it in a memory, or put the rule into a file of its own for the host"
    )
    assert memory_slots(plan) == (800, 0)
    assert memory_slots(plan, "memory") == (800, 128)
    acl, ports_table = plan.tables
    fewer = plan.with_rows([acl, ports_table.with_rows(ports_table.rows[:-1])])
    assert memory_slots(fewer) == memory_slots(fewer, "wired") == (0, 0)


@pytest.mark.parametrize(
    ("key", "most", "rows", "message"),
    [
        ("u16", 5000, "memory", "table t needs 10016 slots for 5000 entries, and a memory has at most 8192; give the "
         "table a smaller max, or put the rule into a file of its own for the host"),
        ("u128", 4096, "memory", "with the 8192 slots of table t, of 128 bits, the memories have 1048576 bits of keys, "
         "and gateware has at most 524288; give the table a smaller max, or put the rule into a file of its own for "
         "the host"),
    ],
)  # fmt: skip
def test_a_memory_that_does_not_fit_is_refused_by_name(key: str, most: int, rows: str, message: str) -> None:
    text = f"schema Flow v1 size 64 @endian(big) {{ a: {key} }}\ntable t : {key} max {most} {{ 1 }}\n"
    plan = compile_text(f"{text}rules r on Flow first {{ rule x: a in t => drop }}\n", "x").plan
    with pytest.raises(TablesTooLarge) as error:
        emit_source(plan, rows=rows)
    assert str(error.value) == message
    assert memory_slots(plan) == (0,)


@pytest.mark.needs("g++")
def test_verilator_finds_nothing_in_a_core_with_memories(tmp_path: Path) -> None:
    (tmp_path / "core.v").write_text(to_verilog(compile_text(FLOWS, "flows").plan, rows="memory"))
    tools = Toolchain.find()
    done = subprocess.run(
        [str(tools.verilator), "--lint-only", "-Wall", "-Wno-DECLFILENAME", "-Wno-PROCASSINIT", "-Wno-UNUSEDSIGNAL",
         "core.v"],
        cwd=tmp_path, env={"VERILATOR_ROOT": str(tools.root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
