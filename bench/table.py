"""Question: what does the first of N rows of a table cost an event, and how many edits of one row can be made a second?

ClassBench sets (acl1, fw1, ipc1) of 100, 1,000 and 10,000 rules as rows of one table of five keys, and 4,096 headers
drawn evenly from the rules, few enough to stay in the cache. Sides: the table; the same rows compared one after the
other; the same set as a block of rules, compiled; and DPDK's rte_acl where it links. No side parses anything: the
fields lie where they are asked for. Runs are interleaved, each after an untimed pass of the same side; times are of the
thread's own processor time. Every side must find what a linear scan in NumPy finds, or the benchmark fails.

An edit removes a row and inserts it elsewhere, both drawn evenly, as one generation, through the device. Beside it
stands an edit that gives all rows.

    python bench/table.py [--sets acl1 ...] [--rows N ...] [--runs N] [--edits N] [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FIELDS, NO_RULE, FiveTuples, first_match, headers, load
from _machine import machine_facts
from _results import save
from _table import ODD, SCHEMA, events_of, opened, rows_of
from classify import SETS, build, build_peer, peer, pointer
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.compiler import compile_text
from sevenm.compiler.backends.c.emit import emit
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import TableEdit
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine import segment
from sevenm.host.engine.compiled import load_engine
from sevenm.tables import Change, Row

HERE = Path(__file__).parent
EVENTS = 4096
PASSES = 4
Answer = NDArray[np.uint16]


class Side:
    """``run(passes)`` gives nanoseconds; ``answer()`` what it says of each event, and ``wanted`` what it has to."""

    def __init__(self, run: Callable[[int], int], answer: Callable[[], Answer], wanted: Answer) -> None:
        self.run, self.answer, self.wanted = run, answer, wanted


class Inputs:
    """The packets that ``classify.peer`` wants, and the same as a batch of records."""

    def __init__(self, rules: FiveTuples) -> None:
        self.rules = rules
        self.fields = headers(rules, EVENTS, 1)
        self.batch: EventBatch = events_of(self.fields)
        self.buffer = self.batch.buffer


def engine_side(harness: ctypes.CDLL, match: int, tables: int, batch: EventBatch, wanted: Answer) -> Side:
    given = (
        ctypes.c_void_p(match), ctypes.c_void_p(tables), pointer(batch.buffer), pointer(batch.events),
        ctypes.c_uint64(EVENTS),
    )  # fmt: skip

    def answer() -> Answer:
        rule = np.full(EVENTS, NO_RULE, np.uint16)
        harness.table_answer(*given, pointer(rule))
        return rule

    return Side(lambda passes: int(harness.table_run(*given, ctypes.c_uint64(passes))), answer, wanted)


def block_text(rules: FiveTuples) -> str:
    """The set as rules on the fields of a record."""
    top = (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFF, 0xFFFF, 0xFF)
    lines = []
    for at, (lo, hi) in enumerate(zip(rules.lo.tolist(), rules.hi.tolist(), strict=True)):
        parts = [
            f"{name} in {{{first}..{last}}}" if name not in ("src", "dst") else network(name, first, last)
            for name, first, last, most in zip(FIELDS, lo, hi, top, strict=True)
            if (first, last) != (0, most)
        ]
        lines.append(f"  rule r{at}: {' and '.join(parts) or 'proto >= 0'} => deliver all")
    return f"{SCHEMA}rules set on Header first {{\n" + "\n".join(lines) + "\n}\n"


def network(name: str, first: int, last: int) -> str:
    address = ".".join(str(byte) for byte in first.to_bytes(4, "big"))
    return f"{name} in {address}/{33 - (last - first + 1).bit_length()}"


def spread(values: list[float]) -> dict[str, Any]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}


def look_ups(
    rules: FiveTuples, device: HostDevice, bundle: Bundle, harness: ctypes.CDLL, acl: ctypes.CDLL | None, runs: int
) -> dict[str, Any]:
    """Raises SystemExit if a side does not find what the scan finds."""
    rows, kept = rows_of(rules)
    inputs = Inputs(rules)
    first = first_match(rules, inputs.fields)
    number = np.zeros(NO_RULE + 1, np.int64)
    number[kept] = np.arange(len(kept)) + 1
    odd = np.where(number[first] & 1, 0, NO_RULE).astype(np.uint16)
    sides: dict[str, Side] = {}
    seconds: dict[str, float] = {}
    alive = []
    for name, scanned in (("table", segment.SCANNED_ROWS), ("rows compared", len(rows))):
        before, segment.SCANNED_ROWS = segment.SCANNED_ROWS, scanned
        start = time.perf_counter()
        device.update(TableEdit(bundle.structure, {0: rows}), device.generation + 1)
        seconds[name] = time.perf_counter() - start
        segment.SCANNED_ROWS = before
        alive.append(device.hold())
        held = alive[-1]
        sides[name] = engine_side(harness, held.engine.address, held.context.tables, inputs.batch, odd)
    start = time.perf_counter()
    plan = compile_text(block_text(rules), "set").plan
    block = load_engine(emit(plan).encode(), plan.structure, len(plan.rules))
    seconds["rules"] = time.perf_counter() - start
    sides["rules"] = engine_side(harness, block.address, 0, inputs.batch, first)
    if acl is not None:
        start = time.perf_counter()
        theirs = peer(inputs, acl)
        seconds["rte_acl"] = time.perf_counter() - start
        sides["rte_acl"] = Side(theirs.run, lambda: theirs.answer()[0], first)
    for name, side in sides.items():
        wrong = int(np.count_nonzero(side.answer() != side.wanted))
        if wrong:
            raise SystemExit(f"{name}: {wrong} of {EVENTS} answers differ from the scan's")
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            passes = 1 if name == "rows compared" and len(rows) > 2000 else PASSES
            side.run(1)  # its tables are in the cache again, which the side before it has used
            times[name].append(side.run(passes) / passes / EVENTS)
    for held in alive:
        held.engine.release()
    block.close()
    return {
        "sides": {name: {"ns": spread(values), "seconds": round(seconds[name], 3)} for name, values in times.items()},
    }


def edits(rows: list[Row], device: HostDevice, bundle: Bundle, count: int) -> dict[str, Any]:
    """Microseconds of an edit, elapsed and of the processor."""

    def timed(edit: list[Row] | Change) -> tuple[float, float]:
        given = TableEdit(bundle.structure, {0: edit})
        start, cpu = time.perf_counter(), time.thread_time()
        device.update(given, device.generation + 1)
        return (time.perf_counter() - start) * 1e6, (time.thread_time() - cpu) * 1e6

    rng = random.Random(1)
    whole = [timed(rows) for _ in range(5)]
    timed(Change())  # the first one makes the dictionary of where rows are
    found = []
    for _ in range(count):
        moved, before = rng.sample(rows, 2)
        found.append(timed(Change([moved.keys], [moved], before.keys)))
    out: dict[str, Any] = {"edits": count, "all rows": spread([elapsed for elapsed, _ in whole])}
    for name, values in (("elapsed", [one[0] for one in found]), ("processor", [one[1] for one in found])):
        p50, p99 = (float(np.percentile(values, percent)) for percent in (50, 99))
        out[name] = {"p50": p50, "p99": p99, "max": max(values), "a second": 1e6 * len(values) / sum(values)}
    return out


def show(result: dict[str, Any]) -> None:
    name = f"{result['set']:5} {result['rows']:6} rows"
    for side, one in result["sides"].items():
        ns = one["ns"]
        print(
            f"{name} {side:14} {ns['median']:9.1f} ns ({ns['min']:.1f} to {ns['max']:.1f}), made in {one['seconds']} s"
        )
    one = result["one row"]
    print(
        f"{name} edits of one row: p50 {one['elapsed']['p50']:.0f} µs, p99 {one['elapsed']['p99']:.0f} µs, "
        f"{one['elapsed']['a second']:.0f} a second; processor p50 {one['processor']['p50']:.0f} µs; "
        f"all rows {one['all rows']['median'] / 1000:.1f} ms",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 1000, 10_000])
    parser.add_argument("--runs", type=int, default=15, help="at least 5")
    parser.add_argument("--edits", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="default: bench/results/table-DATE.json")
    options = parser.parse_args()
    if options.runs < 5 or min(options.rows) < 2:
        parser.error(f"at least 5 runs of at least 2 rows, not {options.runs} of {min(options.rows)}")
    facts = machine_facts()
    if float(facts["load"]) > 1:
        print(f"the machine is busy (load {facts['load']} on {facts['cores']} cores): compare ratios, not times")
    results = []
    with tempfile.TemporaryDirectory() as name, opened(ODD, "odd") as (device, bundle):
        folder = Path(name)
        source = folder / "harness.c"
        source.write_text((HERE / "table_harness.c").read_text())
        boundary.write_header(folder)
        harness, _ = build(source, [])
        harness.table_run.restype = ctypes.c_uint64
        acl = build_peer(folder)
        for which in options.sets:
            for count in options.rows:
                rules = load(which, count)
                rows, _ = rows_of(rules)
                result = {"set": which, "rules": count, "rows": len(rows), "engine": device.code}
                result |= look_ups(rules, device, bundle, harness, acl, options.runs)
                result["one row"] = edits(rows, device, bundle, options.edits)
                results.append(result)
                show(result)
    body = {
        "question": "the first of N rows of a table beside comparing rows, rules and rte_acl; edits of one row",
        "machine": facts,
        "events": EVENTS,
        "absent": {} if acl is not None else {"rte_acl": "DPDK does not link"},
        "results": results,
    }
    save("table", body, options.json)


if __name__ == "__main__":
    main()
