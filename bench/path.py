"""Question: how fast is the whole path in memory, on one processor: replay, match 100 rules, four subscribers?

    python bench/path.py [--events N] [--rules N] [--runs N] [--json FILE]

Everything by turns in one thread that is pinned: the loop in C takes 64-byte records from memory, a batch at a time,
matches them against as many rules (``kind == 7 => deliver out``), counts, and delivers a share of them into a ring with
four lanes; then each of four subscribers (RingReader) takes its batch in place and sums one field of every record with
NumPy. Sum and count are checked for each. Events a second are those that went in, by the processor time of all of it.

"Loop alone" is the same with subscribers that give their slots back unread. There is no peer that could be run here
beside it; published figures of such systems are in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
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
    """The rules, their loop and a ring with its subscribers."""

    def __init__(self, stack: ExitStack, rule_count: int) -> None:
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
        self.readers = [
            stack.enter_context(RingReader.attach(name, EVENT, subscriber=f"s{n}")) for n in range(SUBSCRIBERS - 1)
        ]
        self.readers.append(stack.enter_context(RingReader.attach(name, EVENT)))
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
    parser.add_argument("--json", type=Path, help="default: bench/results/path-DATE.json")
    options = parser.parse_args()
    facts = machine_facts()
    found: dict[str, list[float]] = {}
    with ExitStack() as stack, pinned():
        path = WholePath(stack, options.rules)
        sets = {percent: events(options.events, options.rules, percent) for percent in (1, 10, 50, 100)}
        for number in range(options.runs + 1):
            for percent, data in sets.items():
                for what, read in (("loop alone", False), ("with four subscribers", True)):
                    rate = path.measure(data, options.batch, read)
                    if number:  # the first one is for warming up
                        found.setdefault(f"{percent} % match, {what}", []).append(rate)
    print(f"{facts['cpu']}, {facts['date']}: million events a second of one processor, min / median / max")
    results: dict[str, Any] = {}
    for name, rates in found.items():
        results[name] = {"min": min(rates), "median": statistics.median(rates), "max": max(rates), "runs": rates}
        print(f"{name:38} {min(rates):6.1f} / {statistics.median(rates):6.1f} / {max(rates):6.1f}")
    settings = {key: getattr(options, key) for key in ("events", "rules", "batch", "runs")}
    body = {"question": "replay, match, four subscribers on one processor", "machine": facts, "settings": settings}
    save("path", body | {"results": results}, options.json)


if __name__ == "__main__":
    main()
