"""Rates of rings: differences of counters over time, of rings that come, go and are made again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import CAUSES, Entry, RingReader, RingStats, RingWriter
from sevenm.host.ring.rates import Watch

pytestmark = pytest.mark.needs("compiler")


@pytest.fixture
def prefix() -> Iterator[str]:
    prefix = f"rates-{uuid.uuid4().hex[:12]}."
    yield prefix
    for path in Path("/dev/shm").glob(f"sevenm.{prefix}*"):
        path.unlink()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rates_are_what_happened_between_two_looks(prefix: str) -> None:
    clock = Clock()
    watch = Watch(prefix, clock=clock)
    with RingWriter.create(f"{prefix}a", slots=256) as writer, RingReader.attach(f"{prefix}a") as reader:
        writer.write(np.zeros(100, writer.dtype))
        (first,) = watch.look().rings
        assert (first.seconds, first.delivered, first.read, first.undelivered) == (0, 0, 0, {})
        assert (first.fill, first.state) == (100 / 256, "open")
        clock.now = 2.0
        writer.write(np.zeros(200, writer.dtype))
        reader.read(50)
        reader.release()
        (second,) = watch.look().rings
        assert (second.seconds, second.delivered, second.read) == (2.0, 78.0, 25.0)
        assert (second.undelivered, second.lost) == ({"full": 22.0}, 22.0)
        clock.now = 3.0
        (third,) = watch.look().rings
        assert (third.delivered, third.read, third.undelivered) == (0, 0, {})
    assert watch.look().rings[0].state == "closed"


def test_looking_changes_nothing(prefix: str) -> None:
    with RingWriter.create(f"{prefix}a", slots=256) as writer:
        writer.write(np.zeros(100, writer.dtype))
        path = Path(f"/dev/shm/sevenm.{prefix}a")
        before = path.read_bytes()
        watch = Watch(prefix)
        for _ in range(10):
            watch.look()
        assert path.read_bytes() == before


def stats(**more: object) -> RingStats:
    plain = RingStats(
        "a", 256, 128, "drop_newest", 0, "", 1, 0, None, None, False, 1, 1000, 900, dict.fromkeys(CAUSES, 0)
    )
    return replace(plain, **more)  # type: ignore[arg-type] - names of the dataclass


def test_a_ring_that_is_made_again_begins_anew() -> None:
    clock = Clock()
    there = [stats()]
    watch = Watch(find=lambda prefix: [Entry(one.name, "ring", one, "") for one in there], clock=clock)
    assert watch.look().rings[0].state == "dead"
    clock.now = 1.0
    there[0] = stats(created_ns=2, delivered=5000)
    assert watch.look().rings[0].delivered == 0
    there.clear()
    assert watch.look().rings == ()
    clock.now = 2.0
    there.append(stats(created_ns=2, delivered=6000))
    assert watch.look().rings[0].delivered == 0
    clock.now = 3.0
    there[0] = stats(created_ns=2, delivered=6500)
    assert watch.look().rings[0].delivered == 500


def test_what_is_no_ring_is_told(prefix: str) -> None:
    Path(f"/dev/shm/sevenm.{prefix}half").touch(0o600)
    look = Watch(prefix).look()
    assert look.rings == ()
    assert [(entry.name, entry.kind) for entry in look.others] == [(f"{prefix}half", "half-made")]
