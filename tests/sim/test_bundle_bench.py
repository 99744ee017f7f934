"""The bench of a bundle, started as a person would: from anywhere, with nothing set up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.manifest import Actions

RULES = """
rules r on packet first { rule dns: udp.dstport == 53 => deliver dns, forward 3  rule long: frame.len > 1000 => drop }
rules s on packet all { rule odd: l4.srcport & 1 == 1 => forward 7  rule four: ip => deliver ip }
"""
ACTIONS = Actions("queues", tuple(range(256, 272)), in_band=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = compile_text(RULES, "r").plan
    return write_bundle(
        plan, tmp_path_factory.mktemp("bench") / "bundle", options=CoreOptions("dns_core", actions=ACTIONS)
    )


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "bench" / "run.py"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.needs("iverilog")
def test_it_passes_and_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(folder.rglob("*.[pv]*"))
    done = run(folder, "--packets", "48", "--seed", "3")
    assert (done.returncode, done.stdout, done.stderr) == (0, "icarus: 9 tests, 0 failed\n", "")
    assert [path for path in sorted(folder.rglob("*.[pv]*")) if "__pycache__" not in path.parts] == before


@pytest.mark.needs("g++")
@pytest.mark.needs("make")
def test_frames_alone_pass_under_verilator(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--simulator", "verilator", "--only-frames", "--keep", str(tmp_path / "kept"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "verilator: 1 tests, 0 failed\n", "")
    assert "frame 0: Verdict(" in (tmp_path / "kept" / "test.log").read_text()
    assert "%Warning" not in (tmp_path / "kept" / "build.log").read_text()


@pytest.mark.needs("iverilog")
def test_a_core_that_is_not_of_the_plan_fails(folder: Path, tmp_path: Path) -> None:
    """What it says of drop is turned round."""
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    text = (wrong / "core.v").read_text()
    assert text.count("assign m_verdict_drop =") == 1
    (wrong / "core.v").write_text(text.replace("assign m_verdict_drop =", "assign m_verdict_drop = !"))
    done = run(wrong, "--only-frames")
    assert (done.returncode, done.stdout) == (1, "icarus: 1 tests, 1 failed\n")
    assert "AssertionError: frame 0: Verdict(" in done.stderr


@pytest.mark.needs("iverilog")
def test_the_stage_behind_the_core_does_what_the_plan_says(folder: Path, tmp_path: Path) -> None:
    done = run(folder, "--actions", "--packets", "80")
    assert (done.returncode, done.stdout, done.stderr) == (0, "icarus: 4 tests, 0 failed\n", "")
    wrong = shutil.copytree(folder, tmp_path / "wrong")
    text = (wrong / "core.v").read_text()
    (wrong / "core.v").write_text(text.replace("assign m_verdict_drop =", "assign m_verdict_drop = !"))
    done = run(wrong, "--actions", "--packets", "16")
    assert (done.returncode, done.stdout) == (1, "icarus: 4 tests, 4 failed\n")


@pytest.mark.needs("iverilog")
def test_trouble_is_one_message(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--packets", "7").stderr == "bench: --packets must be at least 8, not 7\n"
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "core.v").write_text("module dns_core(input clk; endmodule\n")
    done = run(broken)
    assert done.returncode == 2
    assert done.stderr.startswith("bench: icarus failed:\n") and "Traceback" not in done.stderr
