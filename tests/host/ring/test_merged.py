"""One reader over the rings of several writers: in turn, each in its order, until all have ended; sums that add up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.native import native
from sevenm.host.ring import (
    MergedReader,
    ProducerGone,
    RingAbsent,
    RingMismatch,
    RingReader,
    RingTaken,
    RingWriter,
    entries,
    sets,
)
from sevenm.host.ring.merged import RUN_MAX

pytestmark = pytest.mark.needs("compiler")
DATA = np.dtype([("number", "<u8"), ("rest", "u1", 24)])


@pytest.fixture
def writers(ring: str) -> Iterator[list[RingWriter]]:
    with ExitStack() as stack:
        yield [stack.enter_context(made(f"{ring}.{worker}")) for worker in range(3)]


def made(name: str, slots: int = 8192) -> RingWriter:
    return RingWriter.create(name, slots, 64, data_dtype=DATA)


def records(writer: RingWriter, first: int, n: int) -> np.ndarray:
    out = np.zeros(n, writer.dtype)
    out["data"]["number"] = np.arange(first, first + n)
    return out


def test_each_ring_keeps_its_order_and_has_its_turn(writers: list[RingWriter], ring: str) -> None:
    got: dict[int, list[int]] = {0: [], 1: [], 2: []}
    turns: list[int] = []
    with MergedReader.attach(ring, DATA) as reader:
        for round_ in range(20):
            writers[0].write(records(writers[0], RUN_MAX * round_, RUN_MAX))
            for worker in (1, 2):
                writers[worker].write(records(writers[worker], 10 * round_, 10))
            while len(some := reader.read(3000)):
                turns.append(reader.worker)
                got[reader.worker] += some["data"]["number"].tolist()
        assert got == {0: list(range(20 * RUN_MAX)), 1: list(range(200)), 2: list(range(200))}
        # However full ring 0 is, the others are read before its next run.
        assert turns[:4] == [0, 1, 2, 0] and turns.count(0) == 40
        stats = reader.stats()
        assert (stats.name, stats.rings, stats.slots) == (ring, 3, 3 * 8192)
        assert stats.delivered == stats.consumed == 20 * (RUN_MAX + 20)


def test_a_batch_is_given_back_in_part_and_read_again(writers: list[RingWriter], ring: str) -> None:
    with MergedReader.attach(ring, DATA) as reader:
        for writer in writers[:2]:
            writer.write(records(writer, 0, 10))
        assert reader.read()["data"]["number"].tolist() == list(range(10)) and reader.worker == 0
        reader.release(4)
        assert len(reader.read()) == 10 and reader.worker == 1
        assert reader.read()["data"]["number"].tolist() == list(range(4, 10)) and reader.worker == 0
        with pytest.raises(ValueError, match="limit must be at least 1"):
            reader.read(0)


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_a_sleeping_reader_is_woken_by_any_ring(writers: list[RingWriter], ring: str, policy: str) -> None:
    """As often as each of them writes, and sooner than it would look by itself."""
    slept: list[float] = []
    with MergedReader.attach(ring, DATA, subscriber="sleeper", policy=policy) as reader:
        for writer in writers:
            writer.write(records(writer, 0, 1))  # takes notice of the subscriber
        while reader.wait(0.05):
            reader.read()
        for number in range(30):
            writer = writers[number % 3]
            moment: list[float] = []

            def write(writer: RingWriter = writer, moment: list[float] = moment) -> None:
                time.sleep(0.003)
                moment.append(time.monotonic())
                writer.write(records(writer, 7, 1))

            helper = threading.Thread(target=write)
            helper.start()
            assert reader.wait(10)
            slept.append(time.monotonic() - moment[0])
            assert len(reader.read()) == 1 and reader.worker == number % 3
            helper.join()
        begun = time.monotonic()
        assert not reader.wait(0.05) and 0.05 <= time.monotonic() - begun < 5
    assert sorted(slept)[15] < 0.015, "woken, where a look comes every 20 ms"


def test_it_ends_when_all_have_closed_and_one_that_died_is_told_of_last(ring: str) -> None:
    first, second = made(f"{ring}.0"), made(f"{ring}.1")
    with MergedReader.attach(ring, DATA) as reader:
        first.write(records(first, 0, 5))
        first.close()
        assert [len(reader.read()) for _ in range(2)] == [5, 0]
        assert not reader.wait(0.01) and not reader.ended
        second.write(records(second, 0, 3))
        second.close()
        assert [len(batch) for batch in reader] == [3]
        assert reader.ended and len(reader.read()) == 0 and not reader.wait()
    first, second = made(f"{ring}.0"), made(f"{ring}.1")
    with MergedReader.attach(ring, DATA) as reader:
        first.disown()  # as if its process had died
        second.write(records(second, 0, 3))
        assert reader.wait() and len(reader.read()) == 3 and not reader.wait(0.01)
        second.close()
        with pytest.raises(ProducerGone, match=rf"the producer of ring {ring}\.0 died without closing it"):
            reader.wait()


def test_in_an_event_loop(writers: list[RingWriter], ring: str) -> None:
    async def all_of_it(reader: MergedReader) -> int:
        return sum([len(batch) async for batch in reader])

    def write() -> None:
        for writer in writers:
            time.sleep(0.01)
            writer.write(records(writer, 0, 7))
            writer.close()

    with MergedReader.attach(ring, DATA) as reader:
        helper = threading.Thread(target=write)
        helper.start()
        assert asyncio.run(all_of_it(reader)) == 21
        helper.join()


def test_a_name_is_that_of_a_ring_or_else_of_a_set(ring: str) -> None:
    with pytest.raises(RingAbsent):
        MergedReader.attach(ring)
    with made(f"{ring}.1"), pytest.raises(RingAbsent):
        MergedReader.attach(ring)  # that of worker 0 is made last
    with made(f"{ring}.0"), made(f"{ring}.1"):
        with RingReader.attach(f"{ring}.1"), pytest.raises(RingTaken):
            MergedReader.attach(ring)
        with MergedReader.attach(ring) as reader:  # nothing of it was held
            assert [one.name for one in reader.readers] == [f"{ring}.0", f"{ring}.1"]
        with made(ring), MergedReader.attach(ring) as reader:
            assert [one.name for one in reader.readers] == [ring]
            assert reader.stats().rings == 1
        Path(f"/dev/shm/sevenm.{ring}").unlink()
        with RingWriter.create(f"{ring}.2", 256, 128), pytest.raises(RingMismatch, match="are not of one run"):
            MergedReader.attach(ring)


def test_as_many_rings_as_can_be_waited_for(ring: str) -> None:
    with ExitStack() as stack:
        for worker in range(sets.RINGS_MAX + 1):
            stack.enter_context(RingWriter.create(f"{ring}.{worker}", 256, 64))
        assert len(sets.members(ring)) == sets.RINGS_MAX == native().lib.SM_WAIT_ANY_MAX
        reader = stack.enter_context(MergedReader.attach(ring))
        assert not reader.wait(0.001)
        with pytest.raises(ValueError, match="1 to 64 rings are read together, not 65"):
            MergedReader(ring, [*reader.readers, reader.readers[0]])


def test_a_reader_waits_for_the_rings_to_be_made(ring: str) -> None:
    def make() -> None:
        for worker in (1, 0):
            time.sleep(0.02)
            kept.append(made(f"{ring}.{worker}"))

    kept: list[RingWriter] = []
    helper = threading.Thread(target=make)
    helper.start()
    with MergedReader.attach(ring, timeout=10) as reader:
        assert len(reader.readers) == 2
    helper.join()


def test_sets_are_listed_as_the_sums_of_their_rings(writers: list[RingWriter], ring: str) -> None:
    with made(f"{ring}.x.1"), made(f"{ring}.y"), MergedReader.attach(ring, subscriber="late") as reader:
        for number, writer in enumerate(writers):
            writer.write(records(writer, 0, 10 + number))
        while len(reader.read(5)):
            pass
        found = {entry.name: entry.stats for entry in sets.folded(entries(ring))}
        assert list(found) == [ring, f"{ring}.x.1", f"{ring}.y"]
        stats = found[ring]
        assert stats is not None
        each = [entry.stats for entry in entries(ring) if entry.stats is not None and entry.name in sets.members(ring)]
        assert stats.rings == len(each) == 3
        assert stats.delivered == sum(one.delivered for one in each) == 2 * 33
        assert [(one.name, one.delivered, one.read, one.in_ring) for one in stats.subscribers] == [
            ("", 33, 0, 33), ("late", 33, 33, 0)
        ]  # fmt: skip
        assert not stats.closed and stats.producer_pid is not None
        writers[0].close()
        after = sets.folded(entries(ring))[0].stats
        assert after is not None and not after.closed
    half = [entry for entry in entries(ring) if not entry.name.endswith(".0")]
    assert sets.folded(half) == half, "the rings of worker 1 and 2 alone are no channel"


def test_latencies_of_a_set_are_those_of_its_slowest_ring(writers: list[RingWriter], ring: str) -> None:
    for number, writer in enumerate(writers):
        histogram = writer.measure()
        histogram.record(np.full(100, 1000 * (number + 1), np.uint64))
    (entry,) = sets.folded(entries(ring))
    assert entry.stats is not None and entry.stats.latency is not None
    assert entry.stats.latency.count == 300 and 3000 <= entry.stats.latency.p50 <= entry.stats.latency.max < 3100
