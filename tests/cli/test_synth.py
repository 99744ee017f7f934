"""sevenm synth: cost, clock and longest path of a core, as people and programs read them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sevenm.compiler import compile_text
from sevenm.sim.synthesis.synthesize import Synthesis, core_of, synthesize
from sevenm.sim.synthesis.targets import ECP5, XCUP
from tests.sim.synthesis_cores import sums

Sevenm = Any


@pytest.fixture(scope="module")
def known() -> dict[str, Synthesis]:
    """What the commands below find in the cache: they need not wait for programs to be compiled."""
    core = core_of(compile_text(sums("orders"), "orders").plan)
    return {target.name: synthesize(core, target, [1, 2]) for target in (ECP5, XCUP)}


@pytest.fixture
def orders(tmp_path: Path, known: dict[str, Synthesis]) -> Path:
    path = tmp_path / "orders.7m"
    path.write_text(sums("orders"))
    return path


def test_it_shows_cost_clock_latency_and_path(sevenm: Sevenm, orders: Path, known: dict[str, Synthesis]) -> None:
    done, clocks = sevenm("synth", orders, "--seeds", 2), sorted(one.clock_mhz for one in known["ecp5"].placed)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("ECP5-85, speed grade 8, Yosys ")
    sites = known["ecp5"].resources["sites"]
    assert lines[2].split() == ["sites", f"{sites:,.0f}", "83,640", f"{sites / 836.4:.1f}"]
    median = sum(clocks) / 2
    assert lines[8] == f"clock {clocks[0]:.1f} / {median:.1f} / {clocks[1]:.1f} MHz, min / median / max of 2 seeds"
    cycles = known["ecp5"].core.latency_cycles
    assert lines[9] == f"latency {cycles} cycles, {1000 * cycles / median:.1f} ns at the median clock"
    assert lines[10].startswith(f"longest path, seed {known['ecp5'].typical().seed}: ")
    assert lines[11].startswith("  from ") and lines[-1].startswith("  longest wire: ")


def test_the_exit_code_says_whether_the_clock_is_reached(sevenm: Sevenm, orders: Path) -> None:
    for clock, code, word in (("50", 0, "reached"), ("900", 1, "not reached")):
        done = sevenm("synth", orders, "--seeds", 2, "--clock", clock)
        assert (done.code, done.err) == (code, "")
        assert done.out.splitlines()[-1] == f"{clock} MHz is {word}"


def test_json_and_the_report_are_the_same_object(
    sevenm: Sevenm, orders: Path, tmp_path: Path, known: dict[str, Synthesis]
) -> None:
    report = tmp_path / "report.json"
    done = sevenm("synth", orders, "--seeds", 2, "--clock", 900, "--json", "--report", report)
    body = json.loads(done.out)
    assert (done.code, body) == (1, json.loads(report.read_text()))
    assert (body["target"], body["placed"], body["wanted_mhz"], body["reached"]) == ("ecp5", True, 900, False)
    assert body["resources"] == known["ecp5"].resources
    assert [one["seed"] for one in body["seeds"]] == [1, 2]
    assert all(one["critical_path"]["places"] for one in body["seeds"])
    assert body["clock_mhz"]["median"] == pytest.approx(known["ecp5"].clock_mhz, abs=0.01)


def test_ultrascale_figures_are_called_estimates(sevenm: Sevenm, orders: Path) -> None:
    done = sevenm("synth", orders, "--target", "xcup")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("UltraScale+, estimates, Yosys ")
    assert done.out.endswith("cycles; mapped only, so the clock is not known\n")
    asked = sevenm("synth", orders, "--target", "xcup", "--clock", 100)
    assert (asked.code, asked.out) == (2, "")
    assert "--target xcup is mapped and not placed: there is no clock and there are no seeds." in asked.err


def test_a_bundle_gives_the_same_figures(sevenm: Sevenm, orders: Path, tmp_path: Path) -> None:
    assert sevenm("build", orders, "-o", tmp_path / "orders.bundle").code == 0
    outputs = [sevenm("synth", what, "--seeds", 2) for what in (orders, tmp_path / "orders.bundle")]
    assert outputs[0] == outputs[1]


def test_a_rule_that_gateware_cannot_do_is_named(sevenm: Sevenm, tmp_path: Path) -> None:
    file = tmp_path / "again.7m"
    file.write_text(
        "rules r on packet first { rule again: prev(tcp.dstport per ip.src keys 64) == 22 => deliver again }"
    )
    done = sevenm("synth", file)
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("sevenm: rule again asks for state")


def test_a_report_that_cannot_be_written_is_said(sevenm: Sevenm, orders: Path, tmp_path: Path) -> None:
    done = sevenm("synth", orders, "--seeds", 2, "--report", tmp_path / "absent" / "report.json")
    assert (done.code, done.out) == (3, "")
    assert (
        done.err == f"sevenm: {tmp_path}/absent/report.json: the report cannot be written: no such file or directory\n"
    )


def processes_in(folder: Path) -> Iterator[int]:
    """Those whose working folder lies in this one."""
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if link.readlink().is_relative_to(folder):
                yield int(link.parts[2])
        except OSError:
            continue


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_no_process_behind(known: dict[str, Synthesis], tmp_path: Path, number: int) -> None:
    rules = "\n".join(f"  rule r{n}: a == {n} and b < {7 * n} => deliver big" for n in range(1, 400))
    file, temporary = tmp_path / "many.7m", tmp_path / "temporary"
    file.write_text(sums("many").replace("  rule sum", f"{rules}\n  rule sum"))
    temporary.mkdir()
    # Nothing of this core is in the cache, since it is never done.
    process = subprocess.Popen(
        [sys.executable, "-m", "sevenm.cli.main", "synth", file, "--seeds", "64"],
        env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not (running := list(processes_in(temporary))) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert running
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, err.strip()) == (b"", b"")
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    while list(processes_in(temporary)) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(processes_in(temporary)) == []
    if number != signal.SIGKILL:
        assert list(temporary.iterdir()) == []
