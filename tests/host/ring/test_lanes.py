"""Several subscribers of one ring: each has its own lane, policy and counts, and none costs another anything."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.host.native import native
from sevenm.host.ring import (
    POLICIES,
    ProducerGone,
    Ring,
    RingError,
    RingMismatch,
    RingReader,
    RingStats,
    RingTaken,
    RingWriter,
    SubscriberStats,
)

pytestmark = pytest.mark.needs("compiler")

SLOTS = 256
KILLED = """
import sys, time
from sevenm.host.ring import RingReader
name, subscriber, policy, n = sys.argv[1:5]
reader = RingReader.attach(name, subscriber=subscriber, policy=policy)
print("here", flush=True)
while n != "0" and not len(reader.read(int(n))):
    reader.wait(1)
print("read", flush=True)
time.sleep(60)
"""


@pytest.fixture
def writer(name: str) -> Iterator[RingWriter]:
    with RingWriter.create(name, slots=SLOTS, slot_size=64) as writer:
        yield writer


def batch(writer: RingWriter, n: int, start: int = 0) -> NDArray[np.void]:
    records = np.zeros(n, writer.dtype)
    records["rule"] = np.arange(start, start + n)
    records["ts_ns"] = records["rule"]
    return records


def everything(reader: RingReader) -> list[int]:
    found: list[int] = []
    while len(records := reader.read()):
        found += records["rule"].tolist()
    return found


def of(stats: RingStats, name: str) -> SubscriberStats:
    (found,) = (one for one in stats.subscribers if one.name == name)
    return found


def counts(stats: SubscriberStats) -> dict[str, int]:
    assert stats.delivered == stats.read + stats.lost + stats.in_ring
    numbers = {"delivered": stats.delivered, "in ring": stats.in_ring, "lost": stats.lost, **stats.undelivered}
    return {what: n for what, n in numbers.items() if n}


class Killed:
    """A subscriber in another process, until it is killed. ``read`` records stay in its hands."""

    def __init__(self, name: str, subscriber: str, policy: str, read: int = 0) -> None:
        command = [sys.executable, "-c", KILLED, name, subscriber, policy, str(read)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.expect("here")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().decode().strip() == word

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_every_subscriber_gets_every_record(writer: RingWriter, name: str) -> None:
    readers = [RingReader.attach(name), *(RingReader.attach(name, subscriber=f"s{i}") for i in range(15))]
    assert writer.write(batch(writer, 100)) == 100
    for reader in readers:
        records = reader.read()
        assert records["rule"].tolist() == records["seq"].tolist() == list(range(100))
    with pytest.raises(RingTaken, match=rf"^ring {name} has living subscribers in all its 15 lanes; end one of them$"):
        RingReader.attach(name, subscriber="one-more")
    readers[3].close()
    with RingReader.attach(name, subscriber="one-more") as reader:
        writer.write(batch(writer, 5, 100))
        assert everything(reader) == list(range(100, 105)), "from the writer's next record on"
        assert counts(of(writer.stats(), "one-more")) == {"delivered": 5}
    for reader in readers:
        reader.close()
    assert [one.name for one in writer.stats().subscribers] == [""]


def test_each_policy_does_what_it_says_and_none_costs_another_anything(writer: RingWriter, name: str) -> None:
    with (
        RingReader.attach(name, subscriber="newest", policy="drop_newest") as newest,
        RingReader.attach(name, subscriber="oldest", policy="drop_oldest") as oldest,
        RingReader.attach(name, subscriber="waits", policy="block", deadline=0.05) as waits,
        RingReader.attach(name, subscriber="quick") as quick,
    ):
        seen = []
        for start in range(0, 1000, 200):
            writer.write(batch(writer, 200, start))
            seen += everything(quick)
        assert seen == list(range(1000))
        stats = writer.stats()
        assert counts(of(stats, "newest")) == {"delivered": 256, "in ring": 256, "full": 744}
        assert counts(of(stats, "oldest")) == {"delivered": 1000, "in ring": 256, "lost": 744}
        assert counts(of(stats, "waits")) == {"delivered": 256, "in ring": 256, "timeout": 744}
        assert counts(of(stats, "quick")) == {"delivered": 1000}
        assert counts(of(stats, "")) == {"delivered": 256, "in ring": 256, "full": 744}
        assert (stats.sent, stats.lost) == (5000, 744)
        assert everything(newest) == everything(waits) == list(range(256))
        records = oldest.read()
        assert records["rule"].tolist() == records["seq"].tolist() == list(range(744, 1000))
        assert counts(of(writer.stats(), "oldest")) == {"delivered": 1000, "lost": 744}
        assert [one.policy for one in stats.subscribers][1:4] == ["drop_newest", "drop_oldest", "block"]


def test_a_subscriber_past_its_deadline_is_waited_for_again_once_it_makes_room(writer: RingWriter, name: str) -> None:
    with RingReader.attach(name, subscriber="late", policy="block", deadline=0.2) as late:
        begin = time.monotonic()
        assert writer.write(batch(writer, 300)) == 256
        assert time.monotonic() - begin >= 0.2
        for start in range(300, 1300, 100):
            assert writer.write(batch(writer, 100, start)) == 0
        assert late.read(100)["rule"][-1] == 99
        late.release()
        assert writer.write(batch(writer, 100, 1300)) == 0, "the default lane is full, and its reader is absent"
        assert counts(of(writer.stats(), "late")) == {"delivered": 356, "in ring": 256, "timeout": 1044}
        assert everything(late) == [*range(100, 256), *range(1300, 1400)]


def test_a_reader_without_deadline_gets_everything_while_others_lose(writer: RingWriter, name: str) -> None:
    n = 20_000
    with (
        RingReader.attach(name, subscriber="all", policy="block", deadline=0) as waits,
        RingReader.attach(name, subscriber="some", policy="drop_oldest") as oldest,
    ):
        adding = threading.Thread(target=lambda: [writer.write(batch(writer, 1000, i)) for i in range(0, n, 1000)])
        adding.start()
        found: list[int] = []
        while len(found) < n:
            found += waits.read(100)["rule"].tolist()
        adding.join()
        assert found == list(range(n))
        some = everything(oldest)
        assert some == list(range(n - len(some), n))
        assert counts(of(writer.stats(), "some")) == {"delivered": n, "lost": n - len(some)}


def test_a_killed_subscriber_keeps_its_lane_for_its_successor(writer: RingWriter, name: str) -> None:
    other = Killed(name, "audit", "block", 30)
    with pytest.raises(
        RingTaken, match=rf"^subscriber audit of ring {name} is taken by a living reader \(pid {other.process.pid}\)$"
    ):
        RingReader.attach(name, subscriber="audit")
    writer.write(batch(writer, 50))
    other.expect("read")
    other.kill()
    assert of(writer.stats(), "audit").pid is None
    assert writer.write(batch(writer, 1000, 50)) == 206
    assert counts(of(writer.stats(), "audit")) == {"delivered": 256, "in ring": 256, "reader_gone": 794}
    with RingReader.attach(name, subscriber="audit") as reader:
        assert reader.policy == "block"
        assert everything(reader) == list(range(256)), "what it had not given back is read again"
        writer.write(batch(writer, 10, 2000))
        assert everything(reader) == list(range(2000, 2010))
        assert counts(of(reader.stats(), "audit")) == {"delivered": 266, "reader_gone": 794}


def test_a_newcomer_takes_a_dead_lane_only_when_none_is_free(writer: RingWriter, name: str) -> None:
    dead = Killed(name, "dead", "drop_oldest")
    writer.write(batch(writer, 300))
    dead.kill()
    readers = [RingReader.attach(name, subscriber=f"s{i}") for i in range(14)]
    assert [one.name for one in writer.stats().subscribers] == ["", "dead", *(f"s{i}" for i in range(14))]
    last = RingReader.attach(name, subscriber="last", policy="drop_newest")
    assert [one.name for one in writer.stats().subscribers] == ["", "last", *(f"s{i}" for i in range(14))]
    before = writer.stats()
    assert (before.delivered, before.lost) == (556, 300), "what the dead one left unread is lost"
    writer.write(batch(writer, 10, 300))
    assert everything(last) == list(range(300, 310))
    assert counts(of(writer.stats(), "last")) == {"delivered": 10}
    for reader in [*readers, last]:
        reader.close()


def test_a_lane_with_another_policy_begins_when_the_writer_has_taken_notice(writer: RingWriter, name: str) -> None:
    """Nothing is read in place that may still be written over."""
    RingReader.attach(name, subscriber="x", policy="drop_oldest")
    writer.write(batch(writer, 300))
    with RingReader.attach(name, subscriber="x", policy="drop_newest") as reader:
        assert not reader.wait(0)
        writer.write(batch(writer, 5, 300))
        found = everything(reader)
        assert found == list(range(44, 300)), "full: 256 of before; what came now found no room"
        assert counts(of(writer.stats(), "x")) == {"delivered": 300, "lost": 44, "full": 5}
        writer.write(batch(writer, 5, 400))
        assert everything(reader) == list(range(400, 405))


def test_without_a_producer_the_lane_is_read_at_once(name: str) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=64) as writer:
        RingReader.attach(name, subscriber="x", policy="drop_oldest")
        writer.write(batch(writer, 300))
    with RingReader.attach(name, subscriber="x", policy="block") as reader:
        assert everything(reader) == list(range(44, 300))
        assert not reader.wait(1)
        assert reader.ended


def test_a_producer_that_takes_over_goes_on_in_every_lane(name: str) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=64) as writer:
        a = RingReader.attach(name, subscriber="a", policy="drop_oldest")
        b = RingReader.attach(name, subscriber="b")
        writer.write(batch(writer, 200))
        writer.disown()  # as if it had died
    with pytest.raises(ProducerGone):
        everything(a), a.wait()
    with RingWriter.create(name, slots=SLOTS, slot_size=64) as writer:
        writer.write(batch(writer, 200, 200))
        assert everything(a) == list(range(200, 400))
        assert everything(b) == list(range(256))
        assert a.stats().epoch == 2
    for reader in (a, b):
        assert not reader.wait()
        assert reader.ended
        reader.close()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_default_subscriber_has_the_producers_policy(name: str, policy: str) -> None:
    with RingWriter.create(name, slots=SLOTS, slot_size=64, policy=policy) as writer:
        writer.write(batch(writer, 100))
        with RingReader.attach(name) as reader:
            assert reader.policy == policy == writer.stats().policy
            assert everything(reader) == list(range(100))
            with pytest.raises(ValueError, match=r"^the default subscriber's policy and deadline are the producer's; "):
                RingReader.attach(name, policy="block")


def test_a_default_lane_that_is_written_over(name: str) -> None:
    with (
        RingWriter.create(name, slots=SLOTS, slot_size=64, policy="drop_oldest") as writer,
        RingReader.attach(name) as reader,
    ):
        for start in (0, 200, 400):
            slots = writer.reserve(200)
            slots["rule"] = np.arange(start, start + 200)
            writer.commit(200)
        records = reader.read(100)
        assert records["rule"].tolist() == records["seq"].tolist() == list(range(344, 444))
        assert not records.flags.writeable
        reader.release(60)
        assert reader.wait(0)
        assert reader.read()["rule"].tolist() == list(range(404, 444)), "what was not given back"
        assert everything(reader) == list(range(444, 600))
        assert counts(of(reader.stats(), "")) == {"delivered": 600, "lost": 344}
        assert (reader.stats().in_ring, reader.stats().lost) == (0, 344)


def test_a_reader_in_place_is_never_written_over_by_the_next_producer(name: str) -> None:
    RingWriter.create(name, slots=SLOTS, slot_size=64).close()
    with RingReader.attach(name):
        RingWriter.create(name, slots=SLOTS, slot_size=64, policy="block").close()
        message = (
            f"^ring {name} has policy block \\(asked for drop_oldest\\), and a living reader that relies on it; "
            "end the reader first$"
        )
        with pytest.raises(RingMismatch, match=message):
            RingWriter.create(name, slots=SLOTS, slot_size=64, policy="drop_oldest")
    RingWriter.create(name, slots=SLOTS, slot_size=64, policy="drop_oldest").close()
    assert Ring.stats(name).policy == "drop_oldest"


def test_reserved_slots_reach_all_subscribers(writer: RingWriter, name: str) -> None:
    with RingReader.attach(name) as default, RingReader.attach(name, subscriber="other", policy="drop_oldest") as other:
        for start in range(0, 600, 150):
            slots = writer.reserve(150)
            assert len(slots) == 150
            slots["rule"] = np.arange(start, start + 150)
            writer.commit(150)
        assert everything(default) == list(range(256))
        assert everything(other) == list(range(344, 600))
    with RingReader.attach(name) as default:
        slots = writer.reserve(150)
        slots["rule"] = 7
        writer.commit(150)
        assert set(everything(default)) == {7}, "in place again, since nobody else is there"


def test_a_corrupt_lane_is_closed_and_the_others_go_on(writer: RingWriter, name: str) -> None:
    with RingReader.attach(name) as sound, RingReader.attach(name, subscriber="broken") as broken:
        writer.write(batch(writer, 10))
        with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
            file.seek(4096 + 1024 + 256)
            file.write((1 << 40).to_bytes(8, "little"))
        assert len(everything(sound)) == 10
        writer.write(batch(writer, 300, 10))
        assert everything(sound) == list(range(10, 266))
        stats = writer.stats()
        assert of(stats, "broken").corrupt
        assert counts(of(stats, "broken")) == {}
        assert counts(of(stats, "")) == {"delivered": 266, "full": 44}
        broken.disown()
    # Who comes next finds it put right.
    with RingReader.attach(name) as sound, RingReader.attach(name, subscriber="b2") as reader:
        writer.write(batch(writer, 10))
        assert everything(sound) == everything(reader) == list(range(10))


def test_a_wish_that_cannot_be_closes_the_lane(writer: RingWriter, name: str) -> None:
    with RingReader.attach(name) as sound, RingReader.attach(name, subscriber="odd"):
        with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
            for offset, value in ((4096 + 1024 + 32, 9), (384, 99)):
                file.seek(offset)
                file.write(value.to_bytes(4, "little"))
        writer.write(batch(writer, 10))
        assert len(everything(sound)) == 10
        odd = of(writer.stats(), "odd")
        assert (odd.policy, odd.undelivered["corrupt"], odd.delivered) == ("unknown (9)", 10, 0)


@pytest.mark.needs("namespaces")
def test_a_subscriber_that_gets_no_memory_is_an_error_of_its_own() -> None:
    code = """
import numpy as np
from sevenm.host.ring import RingReader, RingWriter
writer = RingWriter.create("full", slots=4096, slot_size=128)  # 512 KiB for each lane
try:
    RingReader.attach("full", subscriber="one-too-many")
except OSError as error:
    print(error)
print(writer.write(np.zeros(10, writer.dtype)), [one.name for one in writer.stats().subscribers])
"""
    small = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$0" -c "$1"'
    command = ["unshare", "--mount", "sh", "-c", small, sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == "[Errno 28] cannot get the memory of ring full: No space left on device\n10 ['']\n"


def test_bad_names_and_wishes(writer: RingWriter, name: str) -> None:
    for bad in ("a/b", "é", "x" * 32):
        with pytest.raises(ValueError, match=r"^a subscriber's name must be 1 to 31 of A-Z a-z 0-9 \. _ -, not "):
            RingReader.attach(name, subscriber=bad)
    with pytest.raises(ValueError, match=r"^policy must be one of drop_newest, block, drop_oldest, not drop$"):
        RingReader.attach(name, subscriber="x", policy="drop")
    for deadline in (-1.0, 86_401.0):
        with pytest.raises(ValueError, match=rf"^deadline must be 0 to 86400 seconds, not {deadline}$"):
            RingReader.attach(name, subscriber="x", deadline=deadline)
    assert [one.name for one in writer.stats().subscribers] == [""]


def test_a_ring_with_subscribers_is_not_removed(writer: RingWriter, name: str) -> None:
    writer.close()
    with RingReader.attach(name, subscriber="one"):
        message = rf"^subscriber one of ring {name} is taken by a living reader \(pid {os.getpid()}\)$"
        with pytest.raises(RingTaken, match=message):
            Ring.unlink(name)
    Ring.unlink(name)


def test_only_lanes_that_are_used_cost_memory(name: str) -> None:
    path = Path(f"/dev/shm/sevenm.{name}")
    with RingWriter.create(name, slots=4096, slot_size=128) as writer:
        lane = 4096 * 128
        assert (path.stat().st_size, path.stat().st_blocks * 512) == ((18 << 16) + 16 * lane, 65536 + lane)
        with RingReader.attach(name, subscriber="one"):
            assert path.stat().st_blocks * 512 == 65536 + 2 * lane
            writer.write(batch(writer, 5000))
        assert path.stat().st_blocks * 512 == 65536 + 2 * lane


def test_subscribers_come_and_go_while_records_flow(writer: RingWriter, name: str) -> None:
    """What each of them reads is a piece of the stream without a gap; what it counts adds up."""
    over = threading.Event()
    sent = itertools.count()

    def write() -> None:
        while not over.is_set():
            writer.write(batch(writer, 50, next(sent) * 50))

    writing = threading.Thread(target=write)
    writing.start()
    try:
        for turn in range(60):
            policy = POLICIES[turn % 3]
            with RingReader.attach(name, subscriber=f"s{turn % 7}", policy=policy, deadline=0.01) as reader:
                last = None
                for _ in range(20):
                    if not reader.wait(5):
                        raise AssertionError("nothing came")
                    records = reader.read()
                    numbers = records["rule"].astype(int)
                    assert (np.diff(numbers) > 0).all()
                    assert last is None or numbers[0] > last
                    last = numbers[-1]
                one = of(reader.stats(), f"s{turn % 7}")
                assert one.delivered == one.read + one.lost + one.in_ring
                assert one.policy == policy
    finally:
        over.set()
        writing.join()
    stats = writer.stats()
    assert (len(stats.subscribers), stats.sent) == (1, stats.delivered + sum(stats.undelivered.values()))


def test_a_closed_subscriber_is_closed(writer: RingWriter, name: str) -> None:
    reader = RingReader.attach(name, subscriber="x", policy="drop_oldest")
    reader.close()
    with pytest.raises(RingError, match=rf"^ring {name} is closed in this process, or was opened before a fork"):
        reader.read()
    assert native().lib.SM_RING_LANES == 16
