"""sevenm ring: what is listed and removed, what is refused, and names that --ring does not take."""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.host.ring import RingReader, RingWriter

Sevenm = Callable[..., Any]
pytestmark = pytest.mark.needs("compiler")


def fill(name: str, n: int, policy: str = "drop_newest") -> RingWriter:
    writer = RingWriter.create(name, slots=256, slot_size=96, policy=policy, digest="ab" * 32)
    writer.write(np.zeros(n, writer.dtype))
    return writer


def table(text: str) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in text.splitlines() if line]


def test_rings_are_listed_with_their_counts_and_users(sevenm: Sevenm, prefix: str) -> None:
    mine = f"pid {os.getpid()}"
    fill(f"{prefix}closed", 10).close()
    dead = fill(f"{prefix}dead", 300)
    del dead
    with (
        fill(f"{prefix}open", 1000, "block"),
        RingReader.attach(f"{prefix}open") as reader,
        RingReader.attach(f"{prefix}open", subscriber="audit", policy="drop_oldest"),
    ):
        reader.read(6)
        reader.release()
        done = sevenm("ring", "list", prefix)
    assert (done.code, done.err) == (0, "")
    rows = table(done.out)
    assert rows[0] == ["ring", "producer", "slots", "slot size", "created"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.pop()) for row in rows[1:4])
    assert rows[1:4] == [
        [f"{prefix}closed", "closed", "256", "96"],
        [f"{prefix}dead", "dead", "256", "96"],
        [f"{prefix}open", mine, "256", "96"],
    ]
    assert rows[4:] == [
        ["ring", "subscriber", "policy", "reader", "in ring", "delivered", "undelivered", "lost"],
        [f"{prefix}closed", "(default)", "drop_newest", "none", "10", "10", "0", "0"],
        [f"{prefix}dead", "(default)", "drop_newest", "none", "256", "256", "44 full", "0"],
        [f"{prefix}open", "(default)", "block", mine, "250", "256", "744 reader_gone", "0"],
        [f"{prefix}open", "audit", "drop_oldest", mine, "0", "0", "0", "0"],
    ]


def test_list_as_json_is_all_that_is_known(sevenm: Sevenm, prefix: str) -> None:
    fill(f"{prefix}a", 300).close()
    Path(f"/dev/shm/sevenm.{prefix}b").touch(0o600)
    done = sevenm("ring", "list", prefix, "--json")
    ring, half = json.loads(done.out)
    assert done.code == 0
    assert min(ring.pop(key) for key in ("created_ns", "beat_ns", "beat_age")) > 0
    (subscriber,) = ring.pop("subscribers")
    undelivered = {"full": 44, "reader_gone": 0, "stopped": 0, "corrupt": 0, "timeout": 0}
    assert subscriber == {
        "name": "", "policy": "drop_newest", "pid": None, "delivered": 256, "in_ring": 256, "lost": 0,
        "undelivered": undelivered, "corrupt": False, "start": 0, "latency": None,
    }  # fmt: skip
    assert ring == {
        "name": f"{prefix}a", "kind": "ring", "why": None, "slots": 256, "slot_size": 96, "policy": "drop_newest",
        "layout_hash": 0, "digest": "ab" * 32, "epoch": 1, "reader_epoch": 0, "producer_pid": None, "reader_pid": None,
        "closed": True, "delivered": 256, "consumed": 0, "in_ring": 256, "sent": 300, "lost": 0, "header": True,
        "undelivered": undelivered, "latency": None, "rings": 1,
    }  # fmt: skip
    assert (half["name"], half["kind"]) == (f"{prefix}b", "half-made")


def test_what_is_no_ring_is_listed_apart_and_cannot_spoil_the_terminal(sevenm: Sevenm, prefix: str) -> None:
    os.mkfifo(f"/dev/shm/sevenm.{prefix}fifo")
    Path(f"/dev/shm/sevenm.{prefix}\x1b[31m").touch(0o600)
    done = sevenm("ring", "list", prefix)
    assert (done.code, done.err) == (0, "")
    assert table(done.out) == [
        ["no usable ring", "what it is"],
        [
            f"{prefix}?[31m",
            f'foreign: a ring\'s name must be 1 to 100 of A-Z a-z 0-9 . _ -, not "{prefix}?[31m"',
        ],
        [
            f"{prefix}fifo",
            f"foreign: /dev/shm/sevenm.{prefix}fifo is a FIFO, not a ring; remove it, or take another name",
        ],
    ]


def test_nothing_to_list_is_said(sevenm: Sevenm, prefix: str) -> None:
    done = sevenm("ring", "list", prefix)
    assert (done.code, done.out, done.err) == (0, "", f"no ring's name begins with {prefix}\n")
    assert json.loads(sevenm("ring", "list", prefix, "--json").out) == []


def test_several_rings_are_removed(sevenm: Sevenm, prefix: str) -> None:
    names = [f"{prefix}{channel}" for channel in "ab"]
    for name in names:
        fill(name, 10).close()
    done = sevenm("ring", "rm", *names)
    assert (done.code, done.out, done.err) == (0, f"removed {names[0]}\nremoved {names[1]}\n", "")
    assert sevenm("ring", "list", prefix).out == ""


def test_a_ring_in_use_is_refused_and_the_others_are_removed(sevenm: Sevenm, prefix: str) -> None:
    used, idle, absent = (f"{prefix}{channel}" for channel in ("used", "idle", "absent"))
    fill(idle, 1).close()
    with fill(used, 1):
        done = sevenm("ring", "rm", used, absent, idle)
        assert (done.code, done.out) == (3, f"removed {idle}\n")
        assert done.err == (
            f"sevenm: ring {used} is taken by a living producer (pid {os.getpid()}); end it, or say --force\n"
            f"sevenm: there is no ring {absent} (it is made by its producer, in /dev/shm/sevenm.{absent})\n"
        )
        done = sevenm("ring", "rm", "--force", used)
        assert (done.code, done.out, done.err) == (0, f"removed {used}\n", "")
    assert not Path(f"/dev/shm/sevenm.{used}").exists()


def test_a_ring_that_is_read_is_refused(sevenm: Sevenm, prefix: str) -> None:
    fill(f"{prefix}a", 1).close()
    with RingReader.attach(f"{prefix}a"):
        done = sevenm("ring", "rm", f"{prefix}a")
    assert done.code == 3
    assert done.err == (
        f"sevenm: ring {prefix}a is taken by a living reader (pid {os.getpid()}); end it, or say --force\n"
    )


def test_a_name_that_no_ring_can_have_is_wrong_usage(sevenm: Sevenm) -> None:
    done = sevenm("ring", "rm", "a/b")
    assert done.code == 2
    assert done.err == 'sevenm: a ring\'s name must be 1 to 100 of A-Z a-z 0-9 . _ -, not "a/b"\n'


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "--ring needs a PREFIX, not an empty one: rings are named PREFIX.CHANNEL"),
        (
            "a b",
            "--ring names rings PREFIX.CHANNEL, and a ring's name must be 1 to 100 of A-Z a-z 0-9 . _ -, "
            'not "a b.web" (7 characters)',
        ),
        (
            "x" * 97,
            "--ring names rings PREFIX.CHANNEL, and a ring's name must be 1 to 100 of A-Z a-z 0-9 . _ -, "
            f'not "{"x" * 97}.we"… (101 characters)',
        ),
    ],
)
def test_a_prefix_that_makes_no_ring_name_is_wrong_usage(
    sevenm: Sevenm, rules: Path, office: Path, bad: str, message: str
) -> None:
    done = sevenm("run", rules, "-r", office, "--engine", "reference", "--ring", bad)
    assert (done.code, done.out, done.err) == (2, "", f"sevenm: {message}\n")


def test_a_prefix_may_be_as_long_as_its_longest_ring_name_allows(sevenm: Sevenm, rules: Path, office: Path) -> None:
    prefix = f"test-{uuid.uuid4().hex}".ljust(96, "x")
    try:
        done = sevenm("run", rules, "-r", office, "--engine", "reference", "--ring", prefix)
        assert done.code == 0
        assert f"{prefix}.web" in done.err
    finally:
        for path in Path("/dev/shm").glob(f"sevenm.{prefix}.*"):
            path.unlink()
