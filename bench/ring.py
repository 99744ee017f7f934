"""Question: how fast does a Python process receive 64-byte events, beside a ring that is written with NumPy alone?

    python bench/ring.py [--events N] [--runs N] [--json FILE]

Two processes, each pinned to a processor. The consumer is the same on both sides: it takes what is there as a view in
place and sums one 64-bit field of every record; sum and count are checked. The peer (_ring_peer.py) is the fastest that
NumPy over multiprocessing.shared_memory gave, without numbering of ready records, locks or checks. The producers' jobs
(_ring_work.py):

records   Batches of 1,024 ready-made records of 96 bytes (32 of header, 64 of event) are copied in. The peer needs one
          flat copy and does not number them; ours numbers.
matches   From a batch of 64-byte events, their descriptors and the bits of a rule to records in the ring: what
          filtering does after the match function. Ours is Delivery (host/engine/delivery.py), which also counts and
          looks at every descriptor and flag. The peer knows that events lie one after the other, are of one size and
          of one rule and without flags, and counts nothing. 16 random masks take turns, each with that share of hits.
in place  The producer reserves 1,024 slots and fills in time and id through NumPy, the rest of a slot staying what it
          was. The peer does the same, and numbers with NumPy. Both are NumPy's work, so this shows what our calls add.

"Across" is from process to process. "By turns" has both sides in one process: the processor time of the software
itself, whatever else the machine does. On a machine with other work the peer's spinning costs it turns: compare runs
of low load. Runs of all are interleaved. The two processors may be near or far from each other and move: each run is
probed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine_facts
from _results import save
from _ring_peer import EVENT, RECORD, SLOTS, NumpyRing
from _ring_work import Step, Work, check, our_step, peer_step
from numpy.typing import NDArray

from sevenm.host.ring import Ring, RingReader, RingWriter

HERE = Path(__file__).resolve().parent
BATCH = 1024
LARGE = 8192
NEAR_NS = 200.0
"""Round trips below this are processors near each other."""


def produce(kind: str, name: str, work: Work, steps: int, processor: int, pipe: Connection) -> None:
    """The producer's process."""
    os.sched_setaffinity(0, {processor})
    if kind == "numpy":
        peer = NumpyRing(name, create=True)
        feed(peer_step(work, peer), steps, pipe)
        peer.memory.unlink()
        peer.drop()
        return
    with RingWriter.create(name, SLOTS, RECORD.itemsize, "block", EVENT) as writer:
        feed(our_step(work, writer), steps, pipe)
    Ring.unlink(name)


def feed(step: Step, steps: int, pipe: Connection) -> None:
    """All batches, between the consumer's "go" and its "end"."""
    pipe.send("made")
    pipe.recv()
    for number in range(steps):
        step(number)
    pipe.recv()


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


def check_sum(kind: str, work: Work, steps: int, total: int) -> None:
    if total % (1 << 64) != work.expected(steps):
        raise AssertionError(f"{kind}, {work}: the sum of all ids is {total}, not {work.expected(steps)}")


def across(kind: str, work: Work, events: int, limit: int) -> float:
    """Million records a second from process to process."""
    here, there = sorted(os.sched_getaffinity(0))[:2]
    name = f"bench-{uuid.uuid4().hex[:12]}"
    steps = max(events // work.matched, 1)
    context = get_context("spawn")
    pipe, end = context.Pipe()
    producer = context.Process(target=produce, args=(kind, name, work, steps, there, end))
    producer.start()
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {here})
        if not pipe.poll(60):
            raise TimeoutError("the producer did not start within 60 s")
        pipe.recv()
        consume = consume_numpy if kind == "numpy" else consume_ring
        seconds, total = consume(name, steps * work.matched, limit, lambda: pipe.send("go"))
        pipe.send("end")
        producer.join(60)
    finally:
        os.sched_setaffinity(0, allowed)
        if producer.is_alive():
            producer.kill()
    check_sum(kind, work, steps, total)
    return steps * work.matched / seconds / 1e6


def by_turns(kind: str, work: Work, events: int) -> float:
    """Million records per second of processor time, with both sides in this process."""
    name = f"bench-{uuid.uuid4().hex[:12]}"
    steps = max(events // work.matched, 1)
    if kind == "numpy":
        first, second = NumpyRing(name, create=True), NumpyRing(name, create=False)
        seconds, total = turns(work, steps, peer_step(work, first), lambda: second.read(SLOTS), second.release)
        first.memory.unlink()
        first.drop()
        second.drop()
    else:
        with (
            RingWriter.create(name, SLOTS, RECORD.itemsize, "block", EVENT) as writer,
            RingReader.attach(name, EVENT) as reader,
        ):
            seconds, total = turns(work, steps, our_step(work, writer), lambda: reader.read(SLOTS), reader.release)
        Ring.unlink(name)
    check_sum(kind, work, steps, total)
    return steps * work.matched / seconds / 1e6


def turns(
    work: Work, steps: int, step: Step, read: Callable[[], NDArray[np.void]], release: Callable[[], None]
) -> tuple[float, int]:
    """Processor time and the sum. First the ring goes round once, untimed, and its records are looked at."""
    total, matched = 0, work.matched
    for number in range(SLOTS // matched + 1):
        step(number)
        done = 0
        while done < matched:
            records = read()
            check(work, records)
            done += len(records)
        release()
    start = time.process_time()
    for number in range(steps):
        step(number)
        done = 0
        while done < matched:
            records = read()
            total += int(np.add.reduce(records["data"]["id"]))
            done += len(records)
        release()
    return time.process_time() - start, total


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
    parser.add_argument("--events", type=int, default=8_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="default: bench/results/ring-DATE.json")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench/ring.py needs two processors; this process may use one")
    events: int = options.events
    facts = machine_facts()
    records, in_place = Work("records", BATCH), Work("in place", BATCH)
    jobs = {"records": records, "in place": in_place} | {
        f"matches, {percent} % of {batch:,}": Work("matches", batch, percent)
        for batch in (BATCH, LARGE)
        for percent in (10, 50, 100)
    }
    questions: dict[str, Callable[[str], float]] = {
        "across: records, 1,024 at most": partial(across, work=records, events=events, limit=BATCH)
    }
    for name, work in jobs.items():
        questions[f"across: {name}"] = partial(across, work=work, events=events, limit=SLOTS)
        questions[f"by turns: {name}"] = partial(by_turns, work=work, events=events)
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
            f"{result['what']:33} sevenm {cells[0]:18} numpy {cells[1]:18} ratio {result['ratio']['median']:.2f} "
            f"({result['ratio']['min']:.2f} to {result['ratio']['max']:.2f}), processors {', '.join(places)}"
        )
    body = {"question": "Python consumer of 64-byte events beside a NumPy ring", "machine": facts, "results": results}
    save("ring", body, options.json)


if __name__ == "__main__":
    main()
