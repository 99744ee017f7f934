"""The warm loop allocates nothing and makes no system call, whatever a batch has: counted from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm import boundary

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = ROOT / "tests" / "host" / "csrc"
CSRC = ROOT / "host" / "csrc"
BATCHES = 300
Run = Callable[..., str]
pytestmark = pytest.mark.needs("compiler")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``driver`` and ``count.so``."""
    folder = tmp_path_factory.mktemp("warm")
    boundary.write_header(folder)
    compiler = "gcc" if shutil.which("gcc") else "clang"
    common = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", f"-I{CSRC}", f"-I{folder}", "-D_GNU_SOURCE"]
    sources = [DRIVERS / "loop_warm.c", *sorted(CSRC.glob("*.c"))]
    for command in (
        [*common, "-o", folder / "driver", *sources, "-lpthread"],
        [*common, "-fPIC", "-shared", "-o", folder / "count.so", DRIVERS / "count_allocations.c"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(built: Path) -> Run:
    """``run(before, batch, fault)`` runs the driver after these words of a command line; returns what it printed."""

    def go(before: list[str], batch: int, fault: str = "none") -> str:
        name = f"test-warm-{os.getpid()}"
        command = [*before, built / "driver", name, str(batch), str(BATCHES), fault]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        for end in "01":
            Path(f"/dev/shm/sevenm.{name}-{end}").unlink(missing_ok=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return go


@pytest.mark.parametrize("batch", [256, 16384])
def test_the_warm_loop_allocates_nothing(run: Run, built: Path, batch: int) -> None:
    preload = ["env", f"LD_PRELOAD={built / 'count.so'}"]
    assert run(preload, batch) == "0 allocations\n"
    assert run(preload, batch, "malloc") == f"{2 * BATCHES} allocations\n", "a seeded fault is seen"


@pytest.mark.parametrize("batch", [256, 16384])
def test_the_warm_loop_makes_no_system_call(run: Run, tmp_path: Path, batch: int) -> None:
    trace = tmp_path / "trace"
    strace = ["strace", "-f", "-o", str(trace)]
    if shutil.which("strace") is None or subprocess.run([*strace, "true"], check=False).returncode:
        pytest.skip("strace is not installed, or may not trace here")

    def calls(fault: str) -> list[str]:
        run(strace, batch, fault)
        text = trace.read_text()
        return text[text.index('"begin"') : text.index('write(-1, "end"')].splitlines()[1:-1]

    assert calls("none") == []
    assert len(calls("syscall")) == BATCHES, "a seeded fault is seen"
