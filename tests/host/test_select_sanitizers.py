"""Selection and description in C, on packets of any bytes, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import SEED

PARTS = "select.c describe.c pcap_write.c ingress_memory.c"
FAULTS = {
    "an IPv6 header past the end": ("describe.c", "left >= 40", "left >= 8"),
    "ports past the end": ("describe.c", "&& n >= 4)", "&& n >= 3)"),
    "an extension header past the end": ("describe.c", "i < WALK_MAX && n >= at + 8", "i < WALK_MAX && n >= at"),
    "a line past the room": ("select.c", ": SM_LINE_MAX))", ": 0))"),
    "a match that is lost": ("select.c", "s->left |= s->fired", "s->left = s->fired"),
}


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects(build_driver: Callable[..., Any], compiler: str, soak: bool) -> None:
    flags = ["-Wall", "-Wextra", "-Werror"]
    run = build_driver("select_lines.c", compiler, "memory-and-undefined", flags=flags, parts=PARTS)
    done = run(20_000 if soak else 300, SEED)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > 3_000, done.stdout


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_check_is_found_out(
    fault: str, build_driver: Callable[..., Any], faulty: Callable[..., Path]
) -> None:
    file, right, wrong = FAULTS[fault]
    run = build_driver("select_lines.c", "gcc", "memory-and-undefined", faulty(file, right, wrong), parts=PARTS)
    done = run(2_000, SEED)
    assert done.returncode in (1, 2, 66), done.stdout
