"""Question: how many 64-byte events a second does one rule decide, and do 100, beside numba, NumPy, DuckDB and Polars?

    python bench/events.py [--only one|hundred] [--events N] [--runs N] [--json FILE]

A rule is ``kind == K and value >= V``; the answer is on how many events each rule fires, and all sides must give the
same. *sevenm* is the whole loop: events from memory, matched, every rule and total counted. *engine alone* counts what
the matching function says; both know which events they were, the peers only count. The events lie in memory one after
the other, more than the caches hold; what each peer is given beforehand is said in ``_events_peers.py``. Everything
uses one thread; times are of the process's own processor time, runs are interleaved. The floor is a loop in C that
reads a word of each event, and is one for those who read the events where they lie.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _events_peers import Count, Counts, Rules, installed
from _machine import machine_facts
from _results import save
from numpy.typing import NDArray

import sevenm
from sevenm import boundary
from sevenm.bundles import bundle_for
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import FLAGS, CompiledEngine, load_engine
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE
from sevenm.host.engine.ingress import RecordsIngress
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.engine.toolchain import find_compiler

HERE = Path(__file__).resolve().parent
EVENT = np.dtype([("id", "<u8"), ("kind", "<u4"), ("value", "<u4"), ("rest", "u1", 48)])
VALUES = 1_000_000
FLOOR = "line touch"
QUESTIONS = {"one": 1, "hundred": 100}
OF_RULES = {1: (1, 50), 100: (10, 100)}
"""Percent of the events that are of a kind that a rule asks for, by the number of rules."""


def make_rules(count: int) -> Rules:
    random = np.random.default_rng(count)
    kinds = random.choice(1 << 20, count, replace=False).astype(np.uint32)
    return Rules(kinds, random.integers(0, VALUES if count > 1 else 1, count).astype(np.uint32))


def rule_text(rules: Rules) -> str:
    pairs = zip(rules.kinds.tolist(), rules.least.tolist(), strict=True)
    lines = (f"  rule r{n}: kind == {kind} and value >= {least} => count n{n}" for n, (kind, least) in enumerate(pairs))
    schema = "schema Event v1 size 64 @endian(little) {\n  id: u64\n  kind: u32\n  value: u32\n}\n"
    return schema + "rules bench on Event all {\n" + "\n".join(lines) + "\n}\n"


def make_events(rules: Rules, n: int, percent: int) -> NDArray[np.void]:
    """(n,) EVENT; which are of a rule's kind is scattered at random."""
    random = np.random.default_rng(percent)
    made = np.zeros(n, EVENT)
    made["id"] = np.arange(n)
    made["value"] = random.integers(0, VALUES, n)
    made["kind"] = random.integers(1 << 20, 1 << 21, n)
    hit = random.random(n) * 100 < percent
    made["kind"][hit] = random.choice(rules.kinds, int(hit.sum()))
    return made


def build_harness(folder: Path) -> ctypes.CDLL:
    boundary.write_header(folder)
    target = folder / "harness.so"
    command = [*find_compiler(), *FLAGS, f"-I{folder}", str(HERE / "events_harness.c"), "-o", str(target)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # which keeps the array alive


class Ours:
    """The rules as an engine, by itself and in the loop."""

    def __init__(self, rules: Rules) -> None:
        with bundle_for(sevenm.compile(rule_text(rules)).plan, False) as bundle:
            self.engine: CompiledEngine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
            self.accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
        self.count = len(rules.kinds)
        self.loop = Loop()
        self.loop.publish(Program(self.engine, self.accounts, [], 1))

    def in_loop(self, events: NDArray[np.void]) -> Count:
        data = events.view(np.uint8)

        def run() -> Counts:
            before = self.accounts.rules.copy()
            self.loop.run(RecordsIngress(data, EVENT.itemsize))
            return (self.accounts.rules - before).astype(np.int64)

        return run

    def alone(self, events: NDArray[np.void], harness: ctypes.CDLL) -> Count:
        chunks, fired = np.zeros(1024 // 64, CHUNK_DTYPE), np.zeros(self.engine.room, FIRED_DTYPE)

        def run() -> Counts:
            counts = np.zeros(self.count, np.int64)
            harness.engine_run(
                ctypes.c_void_p(self.engine.address), pointer(events), ctypes.c_uint64(len(events)), pointer(chunks),
                pointer(fired), ctypes.c_uint64(len(fired)), pointer(counts),
            )  # fmt: skip
            return counts

        return run


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds of the process, what it gave)."""
    begin = time.process_time()
    answer = run()
    return time.process_time() - begin, answer


def measure(rule_count: int, percent: int, n: int, runs: int, harness: ctypes.CDLL, peers: Any) -> dict[str, Any]:
    """Raises SystemExit if the sides disagree."""
    rules = make_rules(rule_count)
    events = make_events(rules, n, percent)
    ours = Ours(rules)
    sides: dict[str, Count] = {"sevenm": ours.in_loop(events), "sevenm, engine alone": ours.alone(events, harness)}
    for make, package in peers.values():
        sides |= make(package, events, rules)
    wanted = sides["sevenm"]()
    for name, run in sides.items():
        if not np.array_equal(run(), wanted):
            raise SystemExit(f"{rule_count} rules, {percent} %: {name} counts {run().tolist()}, not {wanted.tolist()}")

    def touch() -> Any:
        return harness.touch_run(pointer(events), ctypes.c_uint64(n))

    rates: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, side in {**sides, FLOOR: touch}.items():
            seconds, answer = timed(side)
            if name != FLOOR and not np.array_equal(answer, wanted):
                raise SystemExit(f"{name} does not always give the same")
            rates.setdefault(name, []).append(n / seconds / 1e6)
    out: dict[str, Any] = {"rules": rule_count, "percent": percent, "fired": int(wanted.sum()), "sides": {}}
    print(f"{rule_count} rules, {percent} % of the events of their kinds, {wanted.sum():,} of {n:,} fire")
    for name, values in rates.items():
        ratios = [own / value for own, value in zip(rates["sevenm"], values, strict=True)]
        rate, ratio = spread(values), spread(ratios)
        out["sides"][name] = {"rate": rate, "ratio": ratio}
        shown = " / ".join(f"{rate[part]:6.1f}" for part in ("min", "median", "max"))
        print(f"  {name:24} {shown} million a second   sevenm by it {ratio['median']:5.2f}", flush=True)
    return out


def spread(values: list[float]) -> dict[str, Any]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(QUESTIONS))
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=9, help="at least 5")
    parser.add_argument("--json", type=Path, help="default: bench/results/events-DATE.json")
    options = parser.parse_args()
    if options.runs < 5 or options.events < 1:
        parser.error(f"at least 5 runs of at least 1 event, not {options.runs} of {options.events}")
    facts = machine_facts()
    peers, versions, absent = installed()
    for name, reason in absent.items():
        print(f"absent: {name}: {reason}")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        harness = build_harness(Path(name))
        for question in [options.only] if options.only else QUESTIONS:
            count = QUESTIONS[question]
            more = (measure(count, of, options.events, options.runs, harness, peers) for of in OF_RULES[count])
            results.extend(more)
    body = {
        "question": "one rule and 100 over 64-byte events in memory: million events a second",
        "machine": facts,
        "settings": {"events": options.events, "runs": options.runs},
        "versions": versions,
        "absent": absent,
        "results": results,
    }
    save("events", body, options.json)


if __name__ == "__main__":
    main()
