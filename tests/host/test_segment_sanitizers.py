"""Segments that C builds, of rows of every kind and width, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import SEED

FAULTS = {
    "a vector past the room": ("if (bytes > b->room - b->used)\n        return 0;", ""),
    "an array past the room": ("if (bytes > b->room - b->used)\n        return NULL;", ""),
    "a search that steps past the end": ("count + 2 * half", "count"),
    "a row that does not end": ("if (last < top) {", "if (last + 1 < top) {"),
    "an interval that is left out": ("work->place[count - 1] != place", "work->place[count - 1] < place"),
    "a search that is a step short": ("half = 2 * half + 1;", "half = half + 1;"),
    "a mask that is no prefix": ("if (open & (open + 1))", "if (open & (open + 1) & 1)"),
    "too many rows": ("rows->rows > ROWS ||", ""),
}


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects(build_driver: Callable[..., Any], compiler: str, soak: bool) -> None:
    flags = ["-Wall", "-Wextra", "-Werror"]
    run = build_driver("segment_build.c", compiler, "memory-and-undefined", flags=flags, parts="segment.c")
    done = run(20_000 if soak else 200, SEED)
    assert (done.returncode, done.stderr) == (0, "")
    searched, refused = map(int, done.stdout.split())
    assert searched > 200_000 and refused > 100, done.stdout


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_out(fault: str, build_driver: Callable[..., Any], faulty: Callable[..., Path]) -> None:
    run = build_driver(
        "segment_build.c", "gcc", "memory-and-undefined", faulty("segment.c", *FAULTS[fault]), parts="segment.c"
    )
    done = run(200, SEED)
    assert done.returncode in (1, 2, 66), done.stdout


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("compared", [True, False])
def test_vectors_of_one_hash_are_told_apart_by_their_bits(
    compared: bool, build_driver: Callable[..., Any], faulty: Callable[..., Path]
) -> None:
    csrc = faulty("segment.c", "v->hash ^= mixed(row);", "v->hash ^= row & 1, (void)mixed;")
    if not compared:
        text = (csrc / "segment.c").read_text()
        assert text.count("left && *known == v->bits[__builtin_ctzll(left)]") == 1
        (csrc / "segment.c").write_text(text.replace("left && *known == v->bits[__builtin_ctzll(left)]", "left"))
    run = build_driver("segment_build.c", "gcc", "memory-and-undefined", csrc, parts="segment.c")
    assert (run(60, SEED).returncode == 0) == compared
