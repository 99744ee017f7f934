"""The ring's C under the thread, address and undefined-behaviour sanitizers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CSRC = Path(__file__).resolve().parents[3] / "host" / "csrc"
pytestmark = pytest.mark.needs("compiler")


@pytest.mark.parametrize("sanitizer", ["thread", "memory-and-undefined"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects(build_driver: Callable[..., Any], name: str, compiler: str, sanitizer: str) -> None:
    run = build_driver("ring_threads.c", compiler, sanitizer)
    for policy, delivered in enumerate(["", "100000", "100000"]):
        done = run(name, 100000, policy, 12345)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(" of 100000 delivered and received\n")
        assert done.stdout.startswith(delivered)


def test_the_thread_sanitizer_sees_a_ring_without_ordering(
    build_driver: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    """That the runs above can fail: indices stored without release order, which x86 alone would forgive."""
    compiler = "gcc" if shutil.which("gcc") else "clang"
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text = (csrc / "ring.h").read_text()
    assert text.count("memory_order_release") == 2
    (csrc / "ring.h").write_text(text.replace("memory_order_release", "memory_order_relaxed"))
    done = build_driver("ring_threads.c", compiler, "thread", csrc)(name, 100000, 1, 12345)
    assert done.returncode == 66
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
