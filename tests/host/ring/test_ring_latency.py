"""Latencies that lie in the ring: what each side measures is seen by another process, and nothing else is."""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.ingress import MemoryIngress
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.latency import Histogram, Summary
from sevenm.host.ring import Ring, RingError, RingReader, RingWriter

pytestmark = pytest.mark.needs("compiler")

ROOT = Path(__file__).resolve().parents[3]
ROOM = 65536
WORDS = 4 + 4608
LANE_MEASURED = 4096 + 144
HOUR = 3_600_000_000_000


def records(writer: RingWriter, n: int, ago_ns: int = 0) -> NDArray[np.void]:
    batch = np.zeros(n, writer.dtype)
    batch["ts_ns"] = time.time_ns() - ago_ns
    return batch


def in_ring(name: str) -> Summary:
    found = Ring.stats(name).latency
    assert found is not None
    return found


def read(name: str, subscriber: str = "") -> Summary | None:
    return next(one.latency for one in Ring.stats(name).subscribers if one.name == subscriber)


def poke(name: str, offset: int, data: bytes) -> None:
    with Path(f"/dev/shm/sevenm.{name}").open("r+b") as file:
        file.seek(offset)
        file.write(data)


def test_nobody_measures_unasked(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        writer.write(records(writer, 10))
        assert len(reader.read()) == 10
        assert (Ring.stats(name).latency, read(name)) == (None, None)
        assert not any(Path(f"/dev/shm/sevenm.{name}").read_bytes()[ROOM : 18 * ROOM])


def test_each_side_has_its_own(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name, subscriber="late") as late:
        writer.measure()
        times = late.measure()
        writer.write(records(writer, 100, ago_ns=1_000_000))
        found = in_ring(name)
        assert (found.count, found.over, found.early, found.unknown) == (100, 0, 0, 0)
        assert 1_000_000 <= found.p50 <= found.max < HOUR
        assert read(name, "late") == Histogram().summary()
        times.record_ages(late.read()["ts_ns"])
        assert read(name, "late") == times.summary()
        assert times.summary().count == 100 and times.summary().p50 >= found.p50
        assert read(name) is None


def test_writing_and_committing_are_measured(name: str) -> None:
    def commit(n: int) -> None:
        slots = writer.reserve(n)
        slots["ts_ns"] = time.time_ns()
        writer.commit(len(slots))

    with RingWriter.create(name, slots=256) as writer:
        writer.measure()
        commit(7)
        assert in_ring(name).count == 7
        with RingReader.attach(name, subscriber="one") as one:
            commit(5)
            assert in_ring(name).count == 12
            writer.write(records(writer, 300))
            assert in_ring(name).count == 12 + 251, "as many as the subscriber with the most got"
            assert one.stats().subscribers[1].undelivered["full"] == 49


def test_who_measures_begins_at_nothing_and_who_does_not_shows_nothing(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
        for _ in range(2):
            writer.measure()
            reader.measure().record(np.arange(3, dtype=np.uint64))
            writer.write(records(writer, 3))
            found = read(name)
            assert (in_ring(name).count, found and found.count) == (3, 3)
    found = read(name)
    assert (in_ring(name).count, found and found.count) == (3, 3), "until others come"
    with RingWriter.create(name, slots=256), RingReader.attach(name):
        assert (Ring.stats(name).latency, read(name)) == (None, None)


def test_what_cannot_be_measured_says_why(name: str) -> None:
    why = rf"^ring {name} has bare slots, which say no time of arrival; "
    with (
        RingWriter.create(name, slots=256, slot_size=64, header=False) as bare,
        pytest.raises(ValueError, match=why),
    ):
        bare.measure()
    Ring.unlink(name)
    writer = RingWriter.create(name, slots=256)
    writer.close()
    with pytest.raises(RingError, match=rf"^ring {name} is closed in this process"):
        writer.measure()


def test_a_closed_writer_records_no_more(name: str) -> None:
    writer = RingWriter.create(name, slots=256)
    times = writer.measure()
    writer.write(records(writer, 3))
    writer.close()
    with pytest.raises(RingError):
        writer.write(records(writer, 3))
    assert (times.summary().count, in_ring(name).count) == (3, 3)


def test_the_page_says_where_and_what(name: str) -> None:
    with RingWriter.create(name, slots=256) as writer, RingReader.attach(name, subscriber="one") as reader:
        writer.measure()
        times = reader.measure()
        values = [0, 255, 256, 1000, 123_456_789, HOUR, HOUR + 1]
        times.record(np.array(values, np.uint64))
        times.record_ages(np.array([0, 2**63], np.uint64))
    image = Path(f"/dev/shm/sevenm.{name}").read_bytes()
    room = struct.unpack_from(f"<{WORDS}Q", image, ROOM * (1 + 2))
    expected = [0] * 4608
    for value in values:
        kept = min(value, HOUR)
        b = 56 - (64 - (kept | 255).bit_length())
        expected[(b << 7) + (kept >> b)] += 1
    assert room[:4] == (HOUR + 1, 1, 1, 1)
    assert list(room[4:]) == expected
    assert struct.unpack_from("<I", image, 276) == (1,)
    assert [struct.unpack_from("<I", image, LANE_MEASURED + 1024 * lane)[0] for lane in range(3)] == [0, 1, 0]


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest", "block"])
@pytest.mark.parametrize("subscribers", [0, 2])
def test_a_loop_records_what_it_puts_into_its_rings(
    name: str, manifest: dict[str, Any], make_bundle: Callable[..., Bundle], policy: str, subscribers: int
) -> None:
    bundle = make_bundle(manifest)
    engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    now = time.time_ns()
    batch = EventBatch.from_bytes([b"\1abcd", b"\0abcd"] * 300, [now] * 590 + [0] * 10)
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(RingWriter.create(name, slots=256, policy=policy))
        default = stack.enter_context(RingReader.attach(name))
        for number in range(subscribers):
            stack.enter_context(RingReader.attach(name, subscriber=f"s{number}", policy="drop_oldest"))
        times = writer.measure()
        loop = stack.enter_context(Loop())
        loop.publish(Program(engine, accounts, [loop.outlet(writer.handle, timeout=0.001), None], 1))
        loop.run(MemoryIngress(batch))
        waited = policy == "block" and not subscribers
        got = 300 if subscribers or policy == "drop_oldest" else 256
        assert (times.summary().count + times.summary().unknown, in_ring(name).count) == (got, times.summary().count)
        assert times.summary().unknown == (5 if got == 300 else 0)
        if waited:
            assert len(default.read()) == 256
            default.release()
            loop.flush()
            assert (times.summary().count, times.summary().unknown) == (295, 5), "with those that waited"
    engine.release()


HOSTILE = """
import sys
from sevenm.host.ring import RingReader
reader = RingReader.attach(sys.argv[1])
reader.measure()._words[:] = 2**64 - 1
"""


def test_nonsense_of_another_process_is_not_shown(name: str) -> None:
    with RingWriter.create(name, slots=256):
        subprocess.run([sys.executable, "-c", HOSTILE, name], check=True, cwd=ROOT, env={**os.environ})
        assert read(name) is None
        with RingReader.attach(name) as reader:
            times = reader.measure()
            poke(name, 2 * ROOM + 8 * 4, struct.pack("<Q", (1 << 51) - 1) * 4608)
            assert times.sound
            found = read(name)
            assert found is not None and found.count == 4608 * ((1 << 51) - 1)
            poke(name, 2 * ROOM + 8 * 100, struct.pack("<Q", 1 << 51))
            assert read(name) is None


def test_a_histogram_without_memory_is_empty_and_no_crash(name: str) -> None:
    with RingWriter.create(name, slots=256):
        poke(name, 276, struct.pack("<I", 1))
        blocks = Path(f"/dev/shm/sevenm.{name}").stat().st_blocks
        assert Ring.stats(name).latency == Histogram().summary()
        assert Path(f"/dev/shm/sevenm.{name}").stat().st_blocks == blocks, "looking takes no memory"
        poke(name, 276, struct.pack("<I", 2))
        assert Ring.stats(name).latency is None


@given(
    words=st.lists(st.tuples(st.integers(0, WORDS - 1), st.integers(0, 2**64 - 1)), max_size=20),
    measured=st.integers(0, 2**32 - 1) | st.just(1),
)
def test_no_histogram_crashes_who_looks(words: list[tuple[int, int]], measured: int) -> None:
    name = f"test-{uuid.uuid4().hex}"
    try:
        with RingWriter.create(name, slots=256) as writer, RingReader.attach(name) as reader:
            writer.measure(), reader.measure()
            for offset in (276, LANE_MEASURED):
                poke(name, offset, struct.pack("<I", measured))
            for word, value in words:
                for which in (0, 1):
                    poke(name, ROOM * (1 + which) + 8 * word, struct.pack("<Q", value))
            stats = Ring.stats(name)
            for found in (stats.latency, stats.subscribers[0].latency):
                if found is not None:
                    assert found.p50 <= found.p99 <= found.p999 <= found.max
            writer.write(records(writer, 5))
    finally:
        Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


def test_stat_shows_what_the_commands_measure(ring: str, tmp_path: Path) -> None:
    """From a third process, while both run: publish into one ring, run from there into another, subscribe to that."""
    rules = tmp_path / "all.7m"
    rules.write_text("rules r on packet all { rule one: ip => deliver out }\n")

    def start(*args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sevenm.cli.main", *args]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True)

    with contextlib.ExitStack() as stack:
        source = stack.enter_context(RingWriter.create(f"{ring}.in", slots=1024))
        run = start("run", str(rules), "-i", f"ring:{ring}.in", "--ring", ring, "--latency")
        subscribe = start(
            "subscribe", f"{ring}.out", "--wait", "60", "--latency", "-c", "1000", "-w", str(tmp_path / "out.csv")
        )
        for process in (run, subscribe):
            stack.callback(process.wait)
            stack.callback(process.kill)
        frame = bytes(12) + b"\x08\x00\x45\x00\x00\x14" + bytes(16)
        batch = records(source, 100)
        batch["data"][:, : len(frame)] = np.frombuffer(frame, np.uint8)
        batch["cap_len"] = batch["wire_len"] = len(frame)
        end = time.monotonic() + 60
        while subscribe.poll() is None and time.monotonic() < end:
            batch["ts_ns"] = time.time_ns()
            source.write(batch)
            time.sleep(0.02)
        stat = start("stat", f"{ring}.out", "--json", "-n", "1", "--interval", "0.05")
        line = json.loads(stat.communicate(timeout=60)[0])
        assert subscribe.returncode == 0
        times = line["latency"]
        assert times["in_ring"]["count"] > 1000 > times["in_ring"]["unknown"] == 0
        assert times["read"]["count"] == 1000
        assert 0 < times["read"]["p50"] <= times["read"]["p99"] <= times["read"]["max"] < HOUR
        people = start("stat", f"{ring}.out", "-n", "1", "--interval", "0.05").communicate(timeout=60)[0]
        assert " ".join(people.splitlines()[0].split()) == (
            "ring subscriber state written/s read/s fill in ring p50 p99 max read p50 p99 max missed/s"
        )
        assert re.search(r"\d (ns|µs|ms|s) ", people.splitlines()[1]), people
