"""The ring's C under the thread, address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from sevenm import boundary

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "host" / "csrc"
DRIVER = Path(__file__).with_name("csrc") / "ring_threads.c"
SANITIZERS = {"thread": "thread", "memory-and-undefined": "address,undefined"}
OPTIONS = {
    "TSAN_OPTIONS": "halt_on_error=1 exitcode=66",
    "ASAN_OPTIONS": "halt_on_error=1 exitcode=66 detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1 print_stacktrace=1",
}


def build(folder: Path, compiler: str, kind: str, csrc: Path = CSRC) -> Path:
    program = folder / f"driver-{compiler}"
    command = [compiler, "-std=c11", "-O1", "-g", "-D_GNU_SOURCE", f"-fsanitize={kind}", "-fno-sanitize-recover=all"]
    boundary.write_header(folder)
    parts = [str(DRIVER), *map(str, sorted(csrc.glob("ring*.c")))]
    done = subprocess.run(
        [*command, f"-I{csrc}", f"-I{folder}", "-o", str(program), *parts, "-lpthread", "-lrt"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The thread sanitizer of older compilers cannot place its shadow under this kernel's address randomisation.
    fixed = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
    return subprocess.run(
        [*fixed, str(program), *arguments], capture_output=True, text=True, timeout=120, env=os.environ | OPTIONS
    )


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects(tmp_path: Path, compiler: str, sanitizer: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program = build(tmp_path, compiler, SANITIZERS[sanitizer])
    for policy, delivered in enumerate(["", "100000"]):
        name = f"test-sanitizer-{os.getpid()}-{policy}"
        done = run(program, name, "100000", str(policy), "12345")
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(" of 100000 delivered and received\n")
        assert done.stdout.startswith(delivered)


@pytest.mark.needs("compiler")
def test_the_thread_sanitizer_sees_a_ring_without_ordering(tmp_path: Path) -> None:
    """That the runs above can fail: indices stored without release order, which x86 alone would forgive."""
    compiler = "gcc" if shutil.which("gcc") else "clang"
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text = (csrc / "ring.h").read_text()
    assert text.count("memory_order_release") == 2
    (csrc / "ring.h").write_text(text.replace("memory_order_release", "memory_order_relaxed"))
    program = build(tmp_path, compiler, "thread", csrc)
    name = f"test-broken-{os.getpid()}"
    done = run(program, name, "100000", "1", "12345")
    Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)
    assert done.returncode == 66
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
