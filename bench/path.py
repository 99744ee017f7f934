"""Question: how fast is the whole path in memory, on one processor: replay, match 100 rules, four subscribers?

    python bench/path.py [--events N] [--rules N] [--runs N] [--json FILE]

Everything by turns in one thread that is pinned: the loop in C takes 64-byte records from memory, a batch at a time,
matches them against as many rules (``kind == 7 => deliver out``), counts, and delivers a share of them into a ring with
four lanes; then each of four subscribers (RingReader) takes its batch in place and sums one field of every record with
NumPy. Sum and count are checked for each. Events a second are those that went in, by the processor time of all of it.

"Loop alone" is the same with subscribers that give their slots back unread. With "four processes" each
subscriber is a process of its own on the same processor, with policy `block` so that it gets every record: the loop
waits where one has not made room, and the kernel changes from process to process. "Woken" they sleep until there is a
record, "looking" for a millisecond. Events a second are by the processor time of all five.

There is no peer that could be run here beside it; published figures of such systems are in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine_facts
from _results import save
from numpy.typing import NDArray

import sevenm
from sevenm.bundles import bundle_for
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.ingress import RecordsIngress
from sevenm.host.engine.loop import Loop, Program, Why
from sevenm.host.ring import Ring, RingReader, RingWriter

EVENT = np.dtype([("id", "<u8"), ("kind", "<u8"), ("rest", "u1", 48)])
SLOTS = 16384
SUBSCRIBERS = 4
LOOK_S = 0.001
WAITS = ("woken", "looking")
"""How a subscriber in a process waits: until the loop wakes it, or for LOOK_S."""


def rules(count: int) -> str:
    """``count`` rules, each for one kind of event."""
    return "\n".join(
        [
            "schema Event v1 size 64 @endian(little) {",
            "  id: u64",
            "  kind: u64",
            "}",
            "rules bench on Event all {",
            *(f"  rule r{n}: kind == {n} => deliver out" for n in range(count)),
            "}",
            "",
        ]
    )


def events(n: int, rule_count: int, percent: int) -> NDArray[np.void]:
    """(n,) EVENT, of which so many match a rule, in an order that the processor cannot learn."""
    random = np.random.default_rng(percent)
    made = np.zeros(n, EVENT)
    made["id"] = np.arange(n)
    made["kind"] = random.integers(0, rule_count, n)
    made["kind"][random.permutation(n)[n * percent // 100 :]] += rule_count
    return made


class WholePath:
    """The rules, their loop and a ring with its subscribers, which with ``apart`` (one of WAITS) are processes."""

    def __init__(self, stack: ExitStack, rule_count: int, apart: str = "") -> None:
        plan = sevenm.compile(rules(rule_count)).plan
        bundle = stack.enter_context(bundle_for(plan, False))
        self.rule_count = rule_count
        self.accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
        engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
        self.loop = Loop()
        name = f"bench-{uuid.uuid4().hex[:12]}"
        layout = plan.layouts[0].hash
        writer = stack.enter_context(
            RingWriter.create(name, SLOTS, 96, "drop_newest", data_dtype=EVENT, layout_hash=layout)
        )
        stack.callback(Ring.unlink, name, force=True)
        names = [*(f"s{n}" for n in range(SUBSCRIBERS - 1)), ""]
        self.readers: list[RingReader] = []
        self.processes: list[subprocess.Popen[str]] = []
        if apart:
            names[-1] = f"s{SUBSCRIBERS - 1}"  # who has no name has the producer's policy
            self.processes = [stack.enter_context(_process(name, subscriber, apart)) for subscriber in names]
            for process in self.processes:
                assert process.stdout is not None and process.stdout.readline() == "attached\n"
        else:
            self.readers = [stack.enter_context(RingReader.attach(name, EVENT, subscriber=n)) for n in names]
        self.loop.publish(Program(engine, self.accounts, [self.loop.outlet(writer.handle, backlog=0)], 1))
        stack.callback(self.loop.close)

    def measure(self, data: NDArray[np.void], batch: int, read: bool) -> float:
        """Million events a second."""
        ingress = RecordsIngress(data.view(np.uint8), 64, burst=batch)
        chosen = data["id"][data["kind"] < self.rule_count]
        totals, counts = [0] * SUBSCRIBERS, [0] * SUBSCRIBERS
        why, begin = Why.LIMIT, time.process_time()
        while why is Why.LIMIT:
            why = self.loop.run(ingress, batch)
            for number, reader in enumerate(self.readers):
                while len(records := reader.read()):
                    counts[number] += len(records)
                    if read:
                        totals[number] += int(np.add.reduce(records["data"]["id"]))
        seconds = time.process_time() - begin
        if counts != [len(chosen)] * SUBSCRIBERS or (read and totals != [int(chosen.sum())] * SUBSCRIBERS):
            raise AssertionError(f"subscribers got {counts} records with sums {totals}, not {len(chosen)}")
        return len(data) / seconds / 1e6

    def measure_apart(self, data: NDArray[np.void]) -> float:
        """Million events a second of one processor, with subscribers in processes of their own."""
        chosen = data["id"][data["kind"] < self.rule_count]
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{len(chosen)}\n")
            process.stdin.flush()
        begin = time.process_time()
        why = self.loop.run(RecordsIngress(data.view(np.uint8), 64, burst=8192))
        seconds = time.process_time() - begin
        for process in self.processes:
            assert process.stdout is not None
            used, total = process.stdout.readline().split()
            seconds += float(used)
            if why is not Why.END or int(total) != int(chosen.sum()):
                raise AssertionError(f"a subscriber got records with the sum {total}, not {int(chosen.sum())}")
        return len(data) / seconds / 1e6


def _process(ring: str, subscriber: str, how: str) -> subprocess.Popen[str]:
    """Ends when its standard input does."""
    command = [sys.executable, __file__, "--subscriber", ring, subscriber, how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def subscribe(ring: str, subscriber: str, how: str) -> None:
    """A subscriber: for each number that is read from standard input takes so many records, and says its processor time
    and the sum of their ids."""
    with RingReader.attach(ring, EVENT, subscriber=subscriber, policy="block", deadline=0) as reader:
        print("attached", flush=True)
        for line in sys.stdin:
            left, total, begin = int(line), 0, time.process_time()
            while left:
                records = reader.read(left)
                if len(records):
                    total += int(np.add.reduce(records["data"]["id"]))
                    left -= len(records)
                elif how == "woken":
                    reader.wait()
                else:
                    time.sleep(LOOK_S)
            reader.release()
            print(time.process_time() - begin, total, flush=True)


@contextmanager
def pinned() -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000, help="of a run; 64 bytes each, read from memory")
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8192, help="events between two looks of the subscribers")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--subscriber", nargs=3, metavar=("RING", "NAME", "HOW"), help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="default: bench/results/path-DATE.json")
    options = parser.parse_args()
    if options.subscriber:
        subscribe(*options.subscriber)
        return
    facts = machine_facts()
    found: dict[str, list[float]] = {}
    with ExitStack() as stack, pinned():
        path = WholePath(stack, options.rules)
        apart = {how: WholePath(stack, options.rules, how) for how in WAITS}
        sets = {percent: events(options.events, options.rules, percent) for percent in (1, 10, 50, 100)}
        for number in range(options.runs + 1):
            for percent, data in sets.items():
                for what, read in (("loop alone", False), ("with four subscribers", True)):
                    rate = path.measure(data, options.batch, read)
                    if number:  # the first one is for warming up
                        found.setdefault(f"{percent} % match, {what}", []).append(rate)
                for how, others in apart.items():
                    rate = others.measure_apart(data)
                    if number:
                        found.setdefault(f"{percent} % match, four processes, {how}", []).append(rate)
    print(f"{facts['cpu']}, {facts['date']}: million events a second of one processor, min / median / max")
    results: dict[str, Any] = {}
    for name, rates in found.items():
        results[name] = {"min": min(rates), "median": statistics.median(rates), "max": max(rates), "runs": rates}
        print(f"{name:46} {min(rates):6.1f} / {statistics.median(rates):6.1f} / {max(rates):6.1f}")
    settings = {key: getattr(options, key) for key in ("events", "rules", "batch", "runs")}
    body = {"question": "replay, match, four subscribers on one processor", "machine": facts, "settings": settings}
    save("path", body | {"results": results}, options.json)


if __name__ == "__main__":
    main()
