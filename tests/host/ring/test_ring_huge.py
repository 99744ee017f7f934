"""Huge pages: got where the file system has them, and without them nothing changes but speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.native import native
from sevenm.host.ring import RingReader, RingWriter

pytestmark = pytest.mark.needs("compiler")

ROOT = Path(__file__).resolve().parents[3]
HUGE = 2 << 20
SLOTS = 32768
"""Of 96 bytes: a lane of 3 MiB, which begins at a multiple of a huge page and fills one and a half."""
PROGRAM = """
import sys
import numpy as np
from sevenm.host.ring import RingReader, RingWriter
with RingWriter.create("huge", slots=32768, slot_size=96, policy="block") as writer:
    readers = [RingReader.attach("huge"), RingReader.attach("huge", subscriber="one", policy="drop_oldest")]
    batch = np.zeros(30000, writer.dtype)
    total = 0
    for turn in range(4):
        batch["ts_ns"] = np.arange(turn * 30000, (turn + 1) * 30000)
        writer.write(batch)
        for reader in readers:
            while len(records := reader.read()):
                total += int(records["ts_ns"].sum())
            reader.release()
    print(total, writer.huge, *(reader.huge for reader in readers))
"""
MOUNT = 'mount -t tmpfs -o huge="$1",size=1g tmpfs /dev/shm && exec "$2" -c "$3"'


def run(huge: str) -> list[int]:
    """The program, in a /dev/shm of its own with this option."""
    command = ["unshare", "--mount", "sh", "-c", MOUNT, "sh", huge, sys.executable, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ})
    if done.returncode == 32:
        pytest.skip(f"huge pages are absent: no tmpfs with huge={huge} can be mounted here")
    assert (done.returncode, done.stderr) == (0, "")
    return [int(number) for number in done.stdout.split()]


@pytest.mark.needs("namespaces")
@pytest.mark.parametrize("option", ["advise", "within_size", "always"])
def test_they_are_got_where_there_are_some(option: str) -> None:
    total, writer, default, named = run(option)
    assert total == 2 * sum(range(120000))
    assert min(writer, default, named) >= HUGE


@pytest.mark.needs("namespaces")
def test_without_them_the_same_is_read() -> None:
    assert run("never") == [2 * sum(range(120000)), 0, 0, 0]


def test_large_lanes_lie_at_huge_pages_and_small_ones_do_not_care(name: str) -> None:
    ffi, _ = native()
    with (
        RingWriter.create(name, slots=SLOTS, slot_size=96) as writer,
        RingReader.attach(name, subscriber="one") as one,
        RingReader.attach(name, subscriber="two") as two,
    ):
        assert Path(f"/dev/shm/sevenm.{name}").stat().st_size == HUGE + 16 * 2 * HUGE
        for lane in (writer.handle.lanes[1], writer.handle.lanes[2], one.handle.lanes[0], two.handle.lanes[0]):
            assert int(ffi.cast("uintptr_t", lane.base)) % HUGE == 0
        writer.write(np.ones(10, writer.dtype))
        assert [int(reader.read()["ts_ns"].sum()) for reader in (one, two)] == [10, 10]
        assert Path(f"/dev/shm/sevenm.{name}").stat().st_blocks * 512 == 65536 + 3 * (SLOTS * 96)
