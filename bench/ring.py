"""Question: how fast does a Python process receive 64-byte events, beside a ring that is written with NumPy alone?

    python bench/ring.py [--events N] [--runs N] [--json FILE]

Two processes, each pinned to a processor. The producer hands over batches of 1,024 records of 96 bytes (32 of header,
64 of event) that it has in memory; the consumer sums one 64-bit field of every record, in place; the sum is checked.
The peer is the fastest ring that NumPy over multiprocessing.shared_memory gave: records as one flat array of bytes
(assigning structured arrays is ten times slower), indices 128 bytes apart, both sides spinning, no numbering, no locks,
no checks. It relies on x86's order of stores. Both consumers are measured taking at most 1,024 records, and all there
is. On a machine with other work the peer's spinning costs it turns: compare runs of low load.

Then both sides in one process, by turns: the processor time of the software itself, whatever else the machine does.
Runs of all are interleaved. The two processors may be near or far from each other and move: each run is probed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine_facts
from numpy.typing import NDArray

from sevenm.host.record import record_dtype
from sevenm.host.ring import Ring, RingReader, RingWriter

HERE = Path(__file__).resolve().parent
BATCH = 1024
SLOTS = 16384
EVENT = np.dtype([("id", "<u8"), ("rest", "u1", (56,))])
RECORD = record_dtype(96, EVENT)
FIRST_INDEX, SECOND_INDEX, DATA = 0, 16, 4096
"""Of the peer's shared memory: words of the two indices, and where records begin, in bytes."""
NEAR_NS = 200.0
"""Round trips below this are processors near each other."""


def batch_of_records() -> NDArray[np.void]:
    made = np.zeros(BATCH, RECORD)
    made["data"]["id"] = np.arange(BATCH)
    return made


def expected(events: int) -> int:
    """Sum of all ids, modulo 2**64 as NumPy counts."""
    return events // BATCH * (BATCH * (BATCH - 1) // 2) % (1 << 64)


class NumpyRing:
    """The peer: one side of a ring over ``multiprocessing.shared_memory``."""

    def __init__(self, name: str, create: bool) -> None:
        self.memory = SharedMemory(name, create, DATA + SLOTS * RECORD.itemsize)
        self.indices: NDArray[np.uint64] = np.frombuffer(self.memory.buf, np.uint64, 32)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self.memory.buf, np.uint8, SLOTS * RECORD.itemsize, DATA)
        self.records: NDArray[np.void] = self.bytes.view(RECORD)
        self.mine = self.theirs = 0

    def write(self, data: NDArray[np.uint8]) -> None:
        """Waits for room and copies one batch of bytes in. SLOTS is a multiple of BATCH: no batch wraps."""
        while SLOTS - (self.mine - self.theirs) < BATCH:
            self.theirs = int(self.indices[SECOND_INDEX])
        at = self.mine % SLOTS * RECORD.itemsize
        self.bytes[at : at + len(data)] = data
        self.mine += BATCH
        self.indices[FIRST_INDEX] = self.mine

    def read(self, limit: int) -> NDArray[np.void]:
        """Gives the last batch back and waits for the next."""
        self.indices[SECOND_INDEX] = self.mine
        while self.theirs == self.mine:
            self.theirs = int(self.indices[FIRST_INDEX])
        at = self.mine % SLOTS
        found = self.records[at : at + min(limit, self.theirs - self.mine, SLOTS - at)]
        self.mine += len(found)
        return found

    def drop(self) -> None:
        del self.indices, self.bytes, self.records
        self.memory.close()


def produce(kind: str, name: str, events: int, processor: int, pipe: Connection) -> None:
    """The producer's process."""
    os.sched_setaffinity(0, {processor})
    records = batch_of_records()
    data = records.view(np.uint8)
    if kind == "numpy":
        peer = NumpyRing(name, create=True)
        pipe.send("made")
        pipe.recv()
        for _ in range(events // BATCH):
            peer.write(data)
        pipe.recv()
        peer.memory.unlink()
        peer.drop()
        return
    with RingWriter.create(name, SLOTS, RECORD.itemsize, "block", EVENT) as writer:
        pipe.send("made")
        pipe.recv()
        for _ in range(events // BATCH):
            writer.write(records)
        pipe.recv()
    Ring.unlink(name)


def consume_numpy(name: str, events: int, limit: int, go: Callable[[], None]) -> tuple[float, int]:
    peer = NumpyRing(name, create=False)
    total = received = 0
    go()
    start = time.perf_counter()
    while received < events:
        records = peer.read(limit)
        total += int(np.add.reduce(records["data"]["id"]))
        received += len(records)
    seconds = time.perf_counter() - start
    del records
    peer.drop()
    return seconds, total


def consume_ring(name: str, events: int, limit: int, go: Callable[[], None]) -> tuple[float, int]:
    with RingReader.attach(name, EVENT) as reader:
        total = received = 0
        go()
        start = time.perf_counter()
        while received < events:
            records = reader.read(limit)
            if not len(records):
                reader.wait()
                continue
            total += int(np.add.reduce(records["data"]["id"]))
            received += len(records)
        return time.perf_counter() - start, total


def across(kind: str, events: int, limit: int) -> float:
    """Million records a second from process to process."""
    here, there = sorted(os.sched_getaffinity(0))[:2]
    name = f"bench-{uuid.uuid4().hex[:12]}"
    context = get_context("spawn")
    pipe, end = context.Pipe()
    producer = context.Process(target=produce, args=(kind, name, events, there, end))
    producer.start()
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {here})
        if not pipe.poll(60):
            raise TimeoutError("the producer did not start within 60 s")
        pipe.recv()
        consume = consume_numpy if kind == "numpy" else consume_ring
        seconds, total = consume(name, events, limit, lambda: pipe.send("go"))
        pipe.send("end")
        producer.join(60)
    finally:
        os.sched_setaffinity(0, allowed)
        if producer.is_alive():
            producer.kill()
    if total % (1 << 64) != expected(events):
        raise AssertionError(f"{kind}: the sum of all ids is {total}, not {expected(events)}")
    return events / seconds / 1e6


def by_turns(kind: str, events: int) -> float:
    """Million records per second of processor time, with both sides in this process."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    records = batch_of_records()
    data = records.view(np.uint8)
    total = 0
    if kind == "numpy":
        first, second = NumpyRing(name, create=True), NumpyRing(name, create=False)
        start = time.process_time()
        for _ in range(events // BATCH):
            first.write(data)
            total += int(np.add.reduce(second.read(BATCH)["data"]["id"]))
            second.indices[SECOND_INDEX] = second.mine
        seconds = time.process_time() - start
        first.memory.unlink()
        first.drop()
        second.drop()
    else:
        with (
            RingWriter.create(name, SLOTS, RECORD.itemsize, "block", EVENT) as writer,
            RingReader.attach(name, EVENT) as reader,
        ):
            start = time.process_time()
            for _ in range(events // BATCH):
                writer.write(records)
                total += int(np.add.reduce(reader.read(BATCH)["data"]["id"]))
                reader.release()
            seconds = time.process_time() - start
        Ring.unlink(name)
    if total % (1 << 64) != expected(events):
        raise AssertionError(f"{kind}: the sum of all ids is {total}, not {expected(events)}")
    return events / seconds / 1e6


def probe_library(folder: Path) -> Callable[[], float]:
    """A function that measures the round trip of a cache line between the two processors, in nanoseconds."""
    library = folder / "probe.so"
    command = [
        "cc",
        "-O2",
        "-std=gnu11",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(HERE / "ring_probe.c"),
        "-lpthread",
    ]
    subprocess.run(command, check=True)
    probe = ctypes.CDLL(str(library)).round_trip_ns
    probe.restype = ctypes.c_double
    here, there = sorted(os.sched_getaffinity(0))[:2]

    def measure() -> float:
        allowed = os.sched_getaffinity(0)
        try:
            return float(probe(here, there))
        finally:
            os.sched_setaffinity(0, allowed)

    return measure


def summary(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    ours, peer = ([run[kind] for run in runs] for kind in ("sevenm", "numpy"))
    ratios = [run["sevenm"] / run["numpy"] for run in runs]
    result: dict[str, Any] = {"what": name, "runs": runs}
    for key, values in (("sevenm", ours), ("numpy", peer), ("ratio", ratios)):
        result[key] = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=16_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="default: bench/results/ring-DATE.json")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench/ring.py needs two processors; this process may use one")
    events = max(options.events // BATCH, 1) * BATCH
    facts = machine_facts()
    questions: dict[str, Callable[[str], float]] = {
        "across, 1,024 at most": lambda kind: across(kind, events, BATCH),
        "across, all there is": lambda kind: across(kind, events, SLOTS),
        "by turns, processor time": lambda kind: by_turns(kind, events // 4 // BATCH * BATCH),
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in questions}
    with tempfile.TemporaryDirectory() as folder:
        probe = probe_library(Path(folder))
        for number in range(options.runs):
            for name, measure in questions.items():
                kinds = ("sevenm", "numpy") if number % 2 else ("numpy", "sevenm")
                before = probe()
                run: dict[str, Any] = {kind: measure(kind) for kind in kinds}
                run |= {"round_trip_ns": [before, probe()], "load": os.getloadavg()[0]}
                near = [trip < NEAR_NS for trip in run["round_trip_ns"]]
                run["placement"] = "moved" if len(set(near)) > 1 else "near" if near[0] else "far"
                runs[name].append(run)
    results = [summary(name, runs[name]) for name in questions]
    print(f"{facts['cpu']}, {facts['date']}: million records of 96 bytes a second, min / median / max")
    for result in results:
        cells = [
            f"{result[kind]['min']:.0f} / {result[kind]['median']:.0f} / {result[kind]['max']:.0f}"
            for kind in ("sevenm", "numpy")
        ]
        places = sorted({run["placement"] for run in result["runs"]})
        print(
            f"{result['what']:26} sevenm {cells[0]:18} numpy {cells[1]:18} ratio {result['ratio']['median']:.2f} "
            f"({result['ratio']['min']:.2f} to {result['ratio']['max']:.2f}), processors {', '.join(places)}"
        )
    path = options.json or HERE / "results" / f"ring-{facts['date'][:10]}.json"
    path.parent.mkdir(exist_ok=True)
    body = {"question": "Python consumer of 64-byte events beside a NumPy ring", "machine": facts, "results": results}
    path.write_text(json.dumps(body, indent=1) + "\n")
    print(f"written: {path}")


if __name__ == "__main__":
    main()
