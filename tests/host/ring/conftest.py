"""What the tests of rings share: a name of their own, which is gone afterwards, and C programs under the sanitizers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CSRC = ROOT / "host" / "csrc"
DRIVERS = ROOT / "tests" / "host" / "csrc"
SANITIZERS = {"thread": "thread", "memory-and-undefined": "address,undefined"}
OPTIONS = {
    "TSAN_OPTIONS": "halt_on_error=1 exitcode=66",
    "ASAN_OPTIONS": "halt_on_error=1 exitcode=66 detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1 print_stacktrace=1",
}
Driver = Callable[..., "subprocess.CompletedProcess[str]"]
Build = Callable[..., Driver]


@pytest.fixture
def name() -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex}"
    yield name
    path = Path(f"/dev/shm/sevenm.{name}")
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def build_driver(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build_driver("ring_threads.c", "gcc", "thread")(arguments)`` runs a program over the ring's C.

    The sanitizer may be None. ``csrc``: another folder of the ring's sources. ``flags``: for the compiler. Skips where
    the sanitizer is absent.
    """

    def build(source: str, compiler: str, kind: str | None, csrc: Path = CSRC, flags: Sequence[str] = ()) -> Driver:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        folder = tmp_path_factory.mktemp("driver")
        command = [compiler, "-std=c11", "-O1", "-g", "-D_GNU_SOURCE", f"-I{csrc}"]
        if kind is not None:
            command += [f"-fsanitize={SANITIZERS[kind]}", "-fno-sanitize-recover=all"]
        (folder / "empty.c").write_text("int main(void) { return 0; }\n")
        if subprocess.run(
            [*command, "-o", "empty", "empty.c"], cwd=folder, capture_output=True, check=False
        ).returncode:
            pytest.skip(f"{compiler} has no runtime of its {kind} sanitizer (Debian: libclang-rt-dev)")
        parts = [DRIVERS / source, *sorted(csrc.glob("ring*.c"))]
        program = folder / "driver"
        done = subprocess.run(
            [*command, *flags, "-o", program, *parts, "-lpthread"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            # The thread sanitizer of older compilers cannot place its shadow under this kernel's address randomisation.
            fixed = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
            return subprocess.run(
                [*fixed, program, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                env=os.environ | OPTIONS, check=False,
            )  # fmt: skip

        return run

    return build
