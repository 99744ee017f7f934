"""The core under cocotb, on Verilator and on Icarus: one beat a cycle, the stated latency, back-pressure."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.emit import emit_source
from sevenm.compiler.backends.gateware.options import TOP
from sevenm.compiler.backends.gateware.verilog import to_verilog
from sevenm.compiler.plan import Plan
from sevenm.sim.testbench.simulators import Bench, missing, run_bench

RULES = """
rules edge on packet first {
  rule web:    tcp.dstport in {80, 443, 8000..8080}     => deliver web
  rule bogon:  ip.src in {10.0.0.0/8, 192.168.0.0/16}   => drop
  rule voice:  vlan.id == 7 and udp                     => forward 3, deliver voice
  rule six:    ipv6.src in {fe80::/10} or icmpv6        => forward 5
  rule option: ip.hdr_len > 20 and not tcp              => deliver web, deliver voice
  rule length: frame.len > 1000                         => forward 1
  default => drop
}
rules extra on packet all {
  rule frag: ip.frag_offset > 0 => deliver voice
  rule odd:  l4.srcport & 1 == 1 => forward 9
}
"""
TESTS = 8
"""Tests in the cocotb module, each parameter set counted."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_text(RULES, "cocotb").plan


def simulate(simulator: str, plan: Plan, folder: Path, packets: int) -> None:
    if why := missing(simulator):
        pytest.skip(why)
    verilog, plan_file = folder / "core.v", folder / "plan.json"
    verilog.write_text(to_verilog(plan))
    plan.save(plan_file)
    bench = Bench([verilog], TOP, plan_file, emit_source(plan).latency_cycles, packets)
    assert run_bench(bench, simulator, folder) == (TESTS, 0), (folder / "test.log").read_text()[-4000:]


@pytest.mark.needs("g++")
@pytest.mark.needs("make")
def test_the_core_under_verilator(plan: Plan, tmp_path: Path, soak: bool) -> None:
    simulate("verilator", plan, tmp_path, 50_000 if soak else 4000)


@pytest.mark.needs("iverilog")
def test_the_core_under_icarus(plan: Plan, tmp_path: Path, soak: bool) -> None:
    simulate("icarus", plan, tmp_path, 800 if soak else 240)
