"""Every byte of a ring's header and of its lanes' blocks, scribbled on between any two calls and while they run.

One idea: nobody leaves the ring's memory, hangs, or hands out records of a lane that is at fault, whatever stands in
shared memory; and who scribbles on one lane's block spoils that lane only: the others' records and accounts stay exact.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.conftest import SEED, Build

pytestmark = pytest.mark.needs("compiler")
ROUNDS = 300
LONGER = 200
"""As many times the rounds in the long run."""


@pytest.fixture(autouse=True)
def named(ring: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZ_RING", ring)


@pytest.mark.parametrize("inputs", ["seeded", "libFuzzer"])
def test_no_byte_of_the_header_leads_astray(inputs: str, make_fuzzer: Build, soak: bool) -> None:
    done = make_fuzzer("fuzz_ring.c", inputs)(ROUNDS * (LONGER if soak else 1))
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(r"(\d+) records, (\d+) lost, (\d+) corrupt, (\d+) refused\n", done.stdout)
    assert said is not None, done.stdout
    assert inputs != "seeded" or all(int(count) > 0 for count in said.groups()), "each of these came about"


FAULTS = {
    "a reader's index that is believed": ("ring_lanes.c", "lane->mine - theirs > lane->mine - lane->theirs", "0"),
    "a reader's index at its coming": ("ring_lanes.c", "if (lane->mine - consumed > r->slots)", "if (0)"),
    "a policy that there is not": ("ring_lanes.c", "*policy < SM_RING_POLICIES && ", ""),
    "a producer's index that is believed": (
        "ring_read.c",
        "if (written - lane->mine > r->slots || written - lane->mine < lane->theirs - lane->mine) return broken(lane);",
        "",
    ),
    "records of a lane at fault": ("ring.h", " || __builtin_expect(there > r->slots, 0)", ""),
    "a name without an end": ("ring_stats.c", "out->name[SM_LANE_NAME - 1] = 0;", ""),
    "a count in another lane": ("ring_lanes.c", "= &lane->shared->undelivered", "= &r->lanes->shared->undelivered"),
    "a geometry that is believed": ("ring_open.c", "if (size == wanted) return SM_RING_OK;", "return SM_RING_OK;"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_check_is_found_out(fault: str, build_driver: Build, faulty: Callable[..., Path]) -> None:
    csrc = faulty(*FAULTS[fault])
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("fuzz_ring.c", compiler, "memory-and-undefined", csrc)(ROUNDS * 10, SEED)
    assert done.returncode in (2, 66, -11) or "runtime error" in done.stderr, done.stdout
