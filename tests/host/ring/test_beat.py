"""A producer that hangs is told from one that has nothing to say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.native import native
from sevenm.host.ring import CAUSES, Entry, Ring, RingReader, RingStats, RingWriter, SubscriberStats
from sevenm.host.ring.rates import SILENT, Watch

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.needs("compiler")

SECONDS_MAX = 60
PRODUCER = """
import sys, time
import numpy as np
from sevenm.host.ring import RingWriter
writer = RingWriter.create(sys.argv[1], slots=256)
while True:
    writer.beat() if sys.argv[2] == "idle" else writer.write(np.zeros(1, writer.dtype))
    time.sleep(0.01)
"""
WAITING = """
import sys, time
import numpy as np
from sevenm.host.ring import RingWriter
writer = RingWriter.create(sys.argv[1], slots=256, policy="block")
while writer.stats().reader_pid is None:
    time.sleep(0.001)
writer.write(np.zeros(256, writer.dtype))
writer.reserve(1) if sys.argv[2] == "reserve" else writer.write(np.zeros(1, writer.dtype))
"""


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, *command], cwd=ROOT, env={**os.environ})
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def beats(name: str) -> Callable[[], bool]:
    """Whether the producer has beaten again since this was made."""
    before = Ring.stats(name).beat_ns
    return lambda: Ring.stats(name).beat_ns > before


def state(name: str) -> str:
    """ "": it is not made yet."""
    return next((one.state for one in Watch(name).look().rates), "")


@pytest.mark.parametrize("how", ["idle", "writes"])
def test_a_stopped_producer_falls_silent_and_comes_back(name: str, how: str) -> None:
    with process("-c", PRODUCER, name, how) as producer:
        until(lambda: state(name) == "open")
        until(beats(name))
        producer.send_signal(signal.SIGSTOP)
        until(lambda: state(name) == "silent")
        stats = Ring.stats(name)
        assert stats.producer_pid == producer.pid, "it still has the lock"
        assert stats.beat_age is not None and stats.beat_age > SILENT
        producer.send_signal(signal.SIGCONT)
        until(lambda: state(name) == "open")
        producer.kill()
        producer.wait()
        assert state(name) == "dead"


@pytest.mark.parametrize("how", ["write", "reserve"])
def test_who_waits_for_a_reader_is_not_silent(name: str, how: str) -> None:
    with process("-c", WAITING, name, how), RingReader.attach(name, timeout=SECONDS_MAX):
        until(lambda: Ring.stats(name).in_ring == 256)
        for _ in range(3):
            until(beats(name))


def test_a_run_that_gets_no_events_is_not_silent(ring: str, tmp_path: Path) -> None:
    rules = tmp_path / "all.7m"
    rules.write_text("rules r on packet all { rule one: ip => deliver out }\n")
    source, target = f"{ring}.in", f"{ring}.out"
    for engine in ([], ["--engine", "reference"]):
        with RingWriter.create(source, slots=256):
            command = ["-m", "sevenm.cli.main", "run", str(rules), "-i", f"ring:{source}", "--ring", ring, *engine]
            with process(*command):
                until(lambda: state(target) == "open")
                for _ in range(3):
                    until(beats(target))


def test_each_way_to_write_beats(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        first = writer.stats()
        assert first.beat_age is not None and 0 <= first.beat_age < SECONDS_MAX

        def commit() -> None:
            writer.reserve(1)
            writer.commit(1)

        for way in (lambda: writer.write(np.zeros(1, writer.dtype)), commit, writer.beat):
            again = beats(name)
            time.sleep(0.02)  # longer than a tick of the clock
            assert not again()
            way()
            assert again()


def test_a_closed_or_forked_writer_does_not_beat(name: str) -> None:
    writer = RingWriter.create(name, slots=256)
    again = beats(name)
    time.sleep(0.02)
    if (child := os.fork()) == 0:
        writer.beat()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not again()
    writer.close()
    writer.beat()
    assert not again()


def test_a_ring_from_before_has_no_age(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer:
        offset = next(
            field.offset
            for field in (native().lib.sm_fields[i] for i in range(100))
            if native().ffi.string(field.name) == b"ring.beat_ns"
        )
        with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
            file.seek(offset)
            file.write(bytes(8))
        assert (writer.stats().beat_ns, writer.stats().beat_age) == (0, None)
        assert state(name) == "open"


@pytest.mark.parametrize(("age", "first"), [(3600.0, "silent"), (0.0, "open")])
def test_looks_know_better_than_another_clock(age: float, first: str) -> None:
    """A producer whose clock is an hour behind, or ahead, as in another time namespace."""
    nothing = dict.fromkeys(CAUSES, 0)
    one = SubscriberStats("", "drop_newest", None, 0, 0, 0, nothing)
    ring = RingStats(
        "a", 256, 128, "drop_newest", 0, "", 1, 0, 1, None, False, 1, 0, 0, 0, nothing, (one,), beat_ns=1, beat_age=age
    )
    now = 0.0
    watch = Watch(find=lambda prefix: [Entry("a", "ring", ring, "")], clock=lambda: now)
    assert watch.look().rates[0].state == first, "one look knows the clock alone"
    now, ring = 0.5, replace(ring, beat_ns=2)
    assert watch.look().rates[0].state == "open", "it has beaten half a second ago at most"
    now = 1.8
    assert watch.look().rates[0].state == "silent", "it has not for more than a second"
