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


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_copies_of_processors_without_wide_moves(build_driver: Callable[..., Any], name: str, compiler: str) -> None:
    done = build_driver("ring_threads.c", compiler, None, flags=["-DSM_PORTABLE"])(name, 100000, 1, 12345)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "100000 of 100000 delivered and received\n")


def test_the_thread_sanitizer_sees_a_ring_without_ordering(
    build_driver: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    """That the runs above can fail: indices stored without release order, which x86 alone would forgive."""
    compiler = "gcc" if shutil.which("gcc") else "clang"
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text = (csrc / "ring.h").read_text()
    assert text.count("memory_order_release") == 1
    (csrc / "ring.h").write_text(text.replace("memory_order_release", "memory_order_relaxed"))
    done = build_driver("ring_threads.c", compiler, "thread", csrc)(name, 100000, 1, 12345)
    assert done.returncode == 66
    assert "WARNING: ThreadSanitizer: data race" in done.stderr


LONG = ["-DSM_SPINS=1", "-DSM_SLICE_US=60000000"]
"""Nobody spins, and nothing but the other side ends a sleep."""


@pytest.mark.parametrize("sanitizer", [None, "memory-and-undefined"])
def test_no_wake_up_is_lost(build_driver: Callable[..., Any], name: str, sanitizer: str | None) -> None:
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("ring_ping.c", compiler, sanitizer, flags=LONG)(name, 20000, 200000)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "20000 turns\n")


def test_a_lost_wake_up_would_be_found(build_driver: Callable[..., Any], name: str, tmp_path: Path) -> None:
    """Who was woken once is never woken again."""
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text = (csrc / "ring_bell.c").read_text()
    assert text.count("lane->rung == wanted") == 1
    (csrc / "ring_bell.c").write_text(text.replace("lane->rung == wanted", "lane->rung"))
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("ring_ping.c", compiler, None, csrc, LONG)(name, 1000, 100000)
    assert (done.returncode, "ring_ping.c:" in done.stderr) == (2, True), "a wait ended by its time"


ANY = [*LONG, "-DSM_ASK_US=60000000"]
"""Nor does a look at the producers."""


@pytest.mark.parametrize("sanitizer", [None, "thread", "memory-and-undefined"])
def test_no_wake_up_of_several_rings_is_lost(
    build_driver: Callable[..., Any], name: str, sanitizer: str | None
) -> None:
    compiler = "gcc" if shutil.which("gcc") else "clang"
    run = build_driver("ring_any.c", compiler, sanitizer, flags=ANY if sanitizer is None else LONG)
    for rings, records in ((1, 3000), (5, 3000), (64, 100)):
        done = run(name, rings, records)
        assert (done.returncode, done.stderr, done.stdout) == (0, "", f"{rings * records} records of {rings} rings\n")


def test_a_lost_wake_up_of_several_rings_would_be_found(
    build_driver: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    """It sleeps without having said so to the last of the rings."""
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text = (csrc / "ring_wait_any.c").read_text()
    wants = "i < n; i++)\n        atomic_store_explicit(&rings[i]->lanes->shared->reader_wants, rings"
    assert text.count(wants) == 1
    (csrc / "ring_wait_any.c").write_text(text.replace(wants, wants.replace("n;", "n - 1;", 1)))
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("ring_any.c", compiler, None, csrc, ANY)(name, 1, 3000)
    assert (done.returncode, "ring_any.c:" in done.stderr) == (2, True), "a wait ended by its time"
