"""Rings between processes: everything arrives in order, and the death of a side loses nothing that was committed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import ProducerGone, Ring, RingReader, RingTaken, RingWriter

pytestmark = pytest.mark.needs("compiler")

SECONDS_MAX = 60
PRODUCER = """
import sys, time
import numpy as np
from sevenm.host.ring import RingWriter
name, total, policy, slots, end = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]
writer = RingWriter.create(name, slots=slots, slot_size=64, policy=policy)
sys.stdout.write("made\\n"); sys.stdout.flush()
sys.stdin.readline()
batch = np.zeros(1000, writer.dtype)
delivered = 0
for first in range(0, total, 1000):
    batch["ts_ns"] = np.arange(first, first + 1000)
    delivered += writer.write(batch[: total - first])
if end == "reserve":
    slots = writer.reserve(100)
    slots["ts_ns"] = 2**64 - 1
if end == "close":
    writer.close()
print(delivered, flush=True)
if end != "close":
    time.sleep(100)
"""
READER = """
import sys
from sevenm.host.ring import RingReader
reader = RingReader.attach(sys.argv[1])
n = 0
while n < int(sys.argv[2]) and reader.wait():
    n += len(reader.read(int(sys.argv[2]) - n))
    reader.release()
held = reader.read() if reader.wait() else None
print(n, flush=True)
sys.stdin.readline()
"""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.001)


class Process:
    """A Python process with the given program, killed at the end of the test, or when that takes too long."""

    def __init__(self, program: str, *arguments: object) -> None:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.timer = threading.Timer(SECONDS_MAX, self.process.kill)
        self.timer.start()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize(("policy", "slots"), [("block", 16384), ("drop_newest", 16384)])
def test_ten_million_events_arrive_in_order_and_both_sides_count_the_same(name: str, policy: str, slots: int) -> None:
    total = 10_000_000
    with Process(PRODUCER, name, total, policy, slots, "close") as producer:
        assert producer.line() == "made"
        reader = RingReader.attach(name)
        producer.go()
        received, previous = 0, -1
        for records in reader:
            numbers, seq = records["ts_ns"].astype("i8"), records["seq"]
            assert seq[0] == received
            assert (np.diff(seq.astype("i8")) == 1).all()
            assert numbers[0] > previous
            assert (np.diff(numbers) > 0).all()
            previous = int(numbers[-1])
            received += len(records)
        delivered = int(producer.line())
    stats = reader.stats()
    assert received == delivered == stats.delivered == stats.consumed
    assert stats.in_ring == 0
    assert stats.sent == total == delivered + sum(stats.undelivered.values())
    assert stats.undelivered["full"] == total - delivered
    if policy == "block":
        assert received == total
        assert previous == total - 1
    assert stats.closed


def test_next_reader_goes_on_where_a_killed_one_was(name: str) -> None:
    with RingWriter.create(name, slots=1024, slot_size=64) as writer:
        batch = np.zeros(600, writer.dtype)
        assert writer.write(batch) == 600
        with Process(READER, name, 250) as reader:
            assert reader.line() == "250"
            with pytest.raises(
                RingTaken, match=rf"^ring {name} is taken by a living reader \(pid {reader.process.pid}\)$"
            ):
                RingReader.attach(name)
            assert writer.stats().reader_pid == reader.process.pid
            reader.kill()
        assert writer.stats().reader_pid is None
        with RingReader.attach(name) as successor:
            # The killed reader had 350 in hand and had not given them back: they are read again.
            assert successor.read()["seq"].tolist() == list(range(250, 600))
            assert successor.stats().reader_epoch == 2
            assert writer.write(batch) == 600


@pytest.mark.parametrize("end", ["nothing", "reserve"])
def test_reader_of_a_killed_producer_gets_all_it_committed(name: str, end: str) -> None:
    with Process(PRODUCER, name, 700, "drop_newest", 1024, end) as producer:
        assert producer.line() == "made"
        with RingReader.attach(name) as reader:
            producer.go()
            assert producer.line() == "700"
            producer.kill()
            assert reader.read(300)["ts_ns"].tolist() == list(range(300))
            assert reader.read()["ts_ns"].tolist() == list(range(300, 700))
            message = f"^the producer of ring {name} died without closing it; everything it committed was read$"
            for _ in range(2):
                with pytest.raises(ProducerGone, match=message):
                    reader.wait()
            with pytest.raises(ProducerGone, match=message):
                list(reader)
            assert not reader.ended


def test_next_producer_goes_on_where_a_killed_one_was(name: str) -> None:
    with Process(PRODUCER, name, 700, "drop_newest", 1024, "reserve") as producer:
        assert producer.line() == "made"
        with RingReader.attach(name) as reader:
            producer.go()
            assert producer.line() == "700"
            with pytest.raises(
                RingTaken, match=rf"^ring {name} is taken by a living producer \(pid {producer.process.pid}\)$"
            ):
                RingWriter.create(name, slots=1024, slot_size=64)
            producer.kill()
            assert len(reader.read(100)) == 100
            with RingWriter.create(name, slots=1024, slot_size=64) as successor:
                assert successor.stats().epoch == 2
                batch = np.zeros(10, successor.dtype)
                batch["ts_ns"] = np.arange(700, 710)
                assert successor.write(batch) == 10
                assert len(reader.read(600)) == 600
                last = reader.read()
                assert last["ts_ns"].tolist() == last["seq"].tolist() == list(range(700, 710))
                assert successor.stats().sent == 710


def test_blocked_producer_outlives_its_reader(name: str) -> None:
    with Process(PRODUCER, name, 5000, "block", 1024, "close") as producer:
        assert producer.line() == "made"
        with Process(READER, name, 1500) as reader:
            until(lambda: Ring.stats(name).reader_pid is not None)
            producer.go()
            assert reader.line() == "1500"
            # The producer fills the ring up behind the reader and waits: nothing is lost while the reader lives.
            until(lambda: Ring.stats(name).in_ring > 1000)
            assert sum(Ring.stats(name).undelivered.values()) == 0
            reader.kill()
            delivered = int(producer.line())
    stats = Ring.stats(name)
    assert stats.delivered == delivered == 1500 + 1024
    assert stats.undelivered == {"full": 0, "reader_gone": 5000 - delivered, "stopped": 0, "corrupt": 0, "timeout": 0}
    assert stats.sent == 5000


def test_forked_child_does_not_keep_a_dead_producers_ring(name: str) -> None:
    program = """
import os, sys, time
from sevenm.host.ring import RingError, RingWriter
writer = RingWriter.create(sys.argv[1], slots=256)
child = os.fork()
if child == 0:
    try:
        writer.reserve(1)
    except RingError as error:
        print(error, flush=True)
    writer.close()
    sys.stdin.readline()
    os._exit(0)
time.sleep(100)
"""
    with Process(program, name) as producer:
        # What the child says when it is refused; its close() must not end the parent's ring either.
        assert producer.line() == f"ring {name} is closed in this process, or was opened before a fork; open it again"
        time.sleep(0.05)
        stats = Ring.stats(name)
        assert (stats.producer_pid, stats.closed) == (producer.process.pid, False)
        producer.kill()
        assert Ring.stats(name).producer_pid is None  # though the child is still alive
        RingWriter.create(name, slots=256).close()
        producer.go()


def test_half_made_ring_of_a_killed_producer_is_made_anew(name: str) -> None:
    path = Path(f"/dev/shm/sevenm.{name}")
    path.write_bytes(bytes(1 << 20))  # sized, but the magic number was never stored
    path.chmod(0o600)
    with RingWriter.create(name, slots=256) as writer:
        assert writer.write(np.zeros(5, writer.dtype)) == 5
        assert path.stat().st_size == (18 + 16) * 65536
        assert writer.stats().epoch == 1


def test_reader_waits_for_a_ring_to_be_made(name: str) -> None:
    producer = Process(PRODUCER, name, 10, "drop_newest", 256, "close")
    with producer, RingReader.attach(name, timeout=30) as reader:
        assert producer.line() == "made"
        producer.go()
        assert sum(len(records) for records in reader) == 10
