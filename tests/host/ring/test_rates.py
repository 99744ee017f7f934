"""Rates of rings: differences of counters over time, of rings that come, go and are made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import CAUSES, Entry, RingReader, RingStats, RingWriter, SubscriberStats
from sevenm.host.ring.rates import Watch

pytestmark = pytest.mark.needs("compiler")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_rates_are_what_happened_between_two_looks(prefix: str) -> None:
    clock = Clock()
    watch = Watch(prefix, clock=clock)
    with RingWriter.create(f"{prefix}a", slots=256) as writer, RingReader.attach(f"{prefix}a") as reader:
        writer.write(np.zeros(100, writer.dtype))
        (first,) = watch.look().rates
        assert (first.seconds, first.written, first.read, first.missed) == (0, 0, 0, {})
        assert (first.fill, first.state) == (100 / 256, "open")
        clock.now = 2.0
        writer.write(np.zeros(200, writer.dtype))
        reader.read(50)
        reader.release()
        (second,) = watch.look().rates
        assert (second.seconds, second.written, second.read) == (2.0, 78.0, 25.0)
        assert (second.missed, second.loss) == ({"full": 22.0}, 22.0)
        clock.now = 3.0
        (third,) = watch.look().rates
        assert (third.written, third.read, third.missed) == (0, 0, {})
    assert watch.look().rates[0].state == "closed"


def test_every_subscriber_has_rates_of_its_own(prefix: str) -> None:
    clock = Clock()
    watch = Watch(prefix, clock=clock)
    name = f"{prefix}a"
    with RingWriter.create(name, slots=256) as writer:
        writer.write(np.zeros(10, writer.dtype))
        with RingReader.attach(name, subscriber="late", policy="drop_oldest") as late:
            watch.look()
            writer.write(np.zeros(300, writer.dtype))
            read = len(late.read())
            late.release()
            clock.now = 1.0
            default, named = watch.look().rates
    assert (default.name, default.written, default.missed) == ((name, ""), 246, {"full": 54})
    assert (named.name, named.written, named.read) == ((name, "late"), 300, read)
    assert named.missed == {"lost": 300 - read - named.subscriber.in_ring}


def test_looking_changes_nothing(prefix: str) -> None:
    with RingWriter.create(f"{prefix}a", slots=256) as writer:
        writer.write(np.zeros(100, writer.dtype))
        path = Path(f"/dev/shm/sevenm.{prefix}a")
        before = path.read_bytes()
        watch = Watch(prefix)
        for _ in range(10):
            watch.look()
        assert path.read_bytes() == before


def stats(created_ns: int = 1, delivered: int = 1000) -> RingStats:
    nothing = dict.fromkeys(CAUSES, 0)
    one = SubscriberStats("", "drop_newest", None, delivered, 100, 0, nothing)
    return RingStats(
        "a", 256, 128, "drop_newest", 0, "", 1, 0, None, None, False, created_ns, delivered, delivered - 100, 0,
        nothing, (one,),
    )  # fmt: skip


def test_a_ring_that_is_made_again_begins_anew() -> None:
    clock = Clock()
    there = [stats()]
    watch = Watch(find=lambda prefix: [Entry(one.name, "ring", one, "") for one in there], clock=clock)
    assert watch.look().rates[0].state == "dead"
    clock.now = 1.0
    there[0] = stats(created_ns=2, delivered=5000)
    assert watch.look().rates[0].written == 0
    there.clear()
    assert watch.look().rates == ()
    clock.now = 2.0
    there.append(stats(created_ns=2, delivered=6000))
    assert watch.look().rates[0].written == 0
    clock.now = 3.0
    there[0] = stats(created_ns=2, delivered=6500)
    assert watch.look().rates[0].written == 500


def test_what_is_no_ring_is_told(prefix: str) -> None:
    Path(f"/dev/shm/sevenm.{prefix}half").touch(0o600)
    look = Watch(prefix).look()
    assert look.rates == ()
    assert [(entry.name, entry.kind) for entry in look.others] == [(f"{prefix}half", "half-made")]
