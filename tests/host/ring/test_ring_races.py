"""A name that is removed and made anew between any two system calls: nobody is misled, and nobody's ring is lost.

``ring_steps.c`` lets two openers, makers and removers of one name take turns at every system call, in every order with
up to three changes of turn, and at random. Each fault that is put into a copy of the C is found.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.ring import Ring, RingAbsent, RingReader

ROOT = Path(__file__).resolve().parents[3]
CSRC = ROOT / "host" / "csrc"
DRIVER = (ROOT / "tests" / "host" / "csrc" / "ring_steps.c").read_text()
SCENARIOS = re.findall(r'^    \{"([a-z -]+)", ', DRIVER, re.MULTILINE)
CALLS = re.findall(r"(?:^STEPPED\(.*?, |__wrap_)(\w+)(?=, \(|\(.*\{$)", DRIVER, re.MULTILINE)
WRAP = [f"-Wl,--wrap={call}" for call in CALLS]

FAULTS = {
    "the size is taken before the magic number": (
        "ring_open.c",
        r"(    int code = sm_ring_file_magic.*?)(    if \(fstat.*?\n)",
        r"\2\1",
        "observe while the ring is made",
    ),
    "a file that has lost its name is attached": (
        "ring_file.c",
        r"\n    return bound\(file\) \? SM_RING_OK : AGAIN;",
        "return SM_RING_OK;",
        "take over while the ring is made anew",
    ),
    "a name that is gone is an error of the system": (
        "ring_file.c",
        r"return bound\(file\) \? code : AGAIN;",
        "return code;",
        "attach while the ring is removed by force",
    ),
    "a remover in passing looks like a living reader": (
        "ring_file.c",
        r"return passing\(file, byte\) \|\| !bound\(file\) \? AGAIN : ",
        "return ",
        "attach while the ring is made anew",
    ),
    "what is removed is not looked at again": (
        "ring_file.c",
        r"!got \|\| !bound\(file\)",
        "!got",
        "remove while the ring is made anew",
    ),
    "two removers by force are not kept apart": (
        "ring_file.c",
        r"int got = lock\(file->fd, SM_BYTE_REMOVER, 1\)",
        "int got = 1",
        "remove by force while the ring is made anew",
    ),
    "making that fails leaves what it made": (
        "ring_open.c",
        r"if \(fresh && code == SM_RING_OS\)",
        "if (0)",
        "attach to a ring that could not be made",
    ),
    "making that fails removes the name whatever it means": (
        "ring_file.c",
        r"got > 0 && bound\(file\)",
        "got > 0",
        "making fails while another makes the ring",
    ),
    "two choose their lanes at once": (
        "ring_file.c",
        r"int got = lock\(file->fd, SM_BYTE_CHOICE, 1\)",
        "int got = 1",
        "two subscribers of one name",
    ),
    "the lane is said to be chosen before its name is there": (
        "ring_open.c",
        r"    /\* A lane's memory is its subscriber's to get.*?\*/",
        "if (r) sm_ring_file_chosen(r->fd);",
        "two subscribers of one name",
    ),
}
"""What is wrong: the file, the text and what it becomes, and the scenario that shows it."""

pytestmark = pytest.mark.needs("compiler")


def compiler() -> str:
    return "gcc" if shutil.which("gcc") else "clang"


@pytest.fixture(scope="module", params=["thread", "memory-and-undefined"])
def steps(request: pytest.FixtureRequest, build_driver: Callable[..., Any]) -> Any:
    return build_driver("ring_steps.c", compiler(), request.param, flags=WRAP)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_order_of_system_calls_misleads_anybody(steps: Any, name: str, scenario: str, soak: bool) -> None:
    done = steps(name, SCENARIOS.index(scenario), 100_000 if soak else 200, 1)
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(rf"{scenario}: (\d+) schedules\n", done.stdout)
    assert found is not None, done.stdout
    assert int(found[1]) > 300


@pytest.mark.parametrize("fault", FAULTS)
def test_seeded_fault_is_found(build_driver: Callable[..., Any], name: str, tmp_path: Path, fault: str) -> None:
    file, good, bad, scenario = FAULTS[fault]
    csrc = shutil.copytree(CSRC, tmp_path / "csrc")
    text, count = re.subn(good, bad, (csrc / file).read_text(), flags=re.DOTALL)
    assert count == 1
    (csrc / file).write_text(text)
    done = build_driver("ring_steps.c", compiler(), None, csrc, WRAP)(name, SCENARIOS.index(scenario), 0, 1)
    assert done.returncode == 3, done.stdout
    assert done.stdout.startswith(f"{scenario}: ")


def test_attaching_with_a_timeout_finds_the_ring_or_says_that_there_is_none(name: str) -> None:
    """Another process makes and removes it all the time; nothing else than these may come of it."""
    churn = (
        "import sys; from sevenm.host.ring import Ring, RingError, RingWriter\n"
        "print('here', flush=True)\n"
        "while True:\n"
        "    RingWriter.create(sys.argv[1], slots=256, slot_size=64).close()\n"
        "    Ring.unlink(sys.argv[1], force=True)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", churn, name], stdout=subprocess.PIPE)
    found = {"there": 0, "absent": 0}
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"here\n"
        for turn in range(3000):
            try:
                RingReader.attach(name, subscriber="one" if turn % 2 else "", timeout=turn % 3 * 0.001).close()
                found["there"] += 1
            except RingAbsent:
                found["absent"] += 1
            with suppress(RingAbsent):
                Ring.stats(name)
        assert other.poll() is None
    finally:
        other.kill()
        other.communicate()
    assert all(found.values()), found
