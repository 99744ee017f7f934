"""Rules are exchanged under full load, under the sanitizers: nothing lost, repeated, or half old and half new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs("compiler")
SANITIZERS = ["thread", "memory-and-undefined"]
SWAPS = 1000


@pytest.fixture
def ring() -> Iterator[str]:
    name = f"test-loop-{os.getpid()}"
    yield name
    Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


@pytest.mark.parametrize("burst", [256, 16384])
@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_a_thousand_swaps_under_load(
    build_driver: Callable[..., Any], ring: str, sanitizer: str, burst: int, soak: bool
) -> None:
    run = build_driver("loop_swap.c", "gcc" if shutil.which("gcc") else "clang", sanitizer, parts="*.c")
    swaps = SWAPS * (100 if soak else 1)
    done = run(ring, swaps, burst)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{swaps} swaps, nothing lost\n"


FAULTS = {
    "a program that is used without saying so": (
        "atomic_store_explicit(&loop->used, program, memory_order_seq_cst);",
        "",
    ),
    "a program that is published without its contents": (
        "atomic_store_explicit(&loop->published, program, memory_order_seq_cst);",
        "atomic_store_explicit(&loop->published, program, memory_order_relaxed);",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_loop_is_found_out(
    fault: str, build_driver: Callable[..., Any], ring: str, faulty: Callable[..., Path]
) -> None:
    """That the runs above can fail: by the sanitizer, or where it comes to that first, by what the driver checks."""
    csrc = faulty("loop.c", *FAULTS[fault])
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("loop_swap.c", compiler, "thread", csrc, parts="*.c")(ring, SWAPS, 256)
    assert done.returncode in (2, 66)
    assert "ThreadSanitizer: data race" in done.stderr or "loop_swap.c:" in done.stderr
