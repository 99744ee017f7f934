"""Question: what does the first of N five-tuple rules cost per event, and what does an engine write for it?

ClassBench sets (acl1, fw1, ipc1) of 64, 128, 1,024 and 8,192 rules, and packets that are drawn evenly from their
rules, few enough to stay in the cache. Sides: comparators, bit vectors and recursive flow
classification of this tree, an engine that finds all rules of an event (up to 1,024 of them), the engine of another
tree (--old), and DPDK's rte_acl where it links, which is given the place of the header and parses nothing. Runs are
interleaved, each after an untimed pass of the same side, so that none is charged for what another left in the cache;
times are of the thread's own processor time. Every side must find the rules of a linear scan, or the benchmark fails.

    python bench/classify.py [--old TREE] [--rules N ...] [--runs N] [--flags=-DSM_PORTABLE] [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FRAME, NO_RULE, FiveTuples, first_match, headers, load, packets, rule_text
from _machine import machine_facts
from _results import save
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.host.batch import EVENT
from sevenm.host.engine.compiled import FLAGS
from sevenm.host.engine.toolchain import find_compiler

HERE = Path(__file__).parent
SETS = ("acl1", "fw1", "ipc1")
LOOKED_UP = "bitvectors"
CLASSIFIERS = ("comparators", LOOKED_UP, "recursive")
ALL, ALL_MAX = "all", 1024
EVENTS = 4096
ABI_ROWS = 1
PASSES = 4


@dataclass
class Side:
    """``run(passes)`` gives nanoseconds; ``answer()`` the rule of each event and the bytes written for all of them."""

    run: Callable[[int], int]
    answer: Callable[[], tuple[NDArray[np.uint16], int]]
    seconds: dict[str, float]


@dataclass(frozen=True)
class Inputs:
    rules: FiveTuples
    fields: NDArray[np.int64]
    buffer: NDArray[np.uint8]
    events: NDArray[np.void]

    @classmethod
    def of(cls, name: str, count: int) -> Inputs:
        rules = load(name, count)
        fields = headers(rules, EVENTS, 1)
        events = np.zeros(EVENTS, EVENT)
        events["offset"] = np.arange(EVENTS) * FRAME
        events["cap_len"] = events["wire_len"] = FRAME
        return cls(rules, fields, packets(fields), events)


def pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # which keeps the array alive


def package_of(tree: Path, folder: Path) -> Path:
    """A folder to import the tree's ``sevenm`` from: the tree, or links where it has no such package."""
    if (tree / "sevenm" / "__init__.py").exists():
        return tree
    package = folder / "old" / "sevenm"
    if not package.exists():
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        for part in tree.iterdir():
            if (part / "__init__.py").exists():
                (package / part.name).symlink_to(part)
    return package.parent


def compiled(
    tree: Path, classifier: str | None, inputs: Inputs, folder: Path, flags: list[str], mode: str = "first"
) -> tuple[ctypes.CDLL, dict[str, float]]:
    """An engine from one of the trees, compiled as the host compiles engines, and with more flags; and what took how
    many seconds."""
    source = folder / f"{classifier or 'old'}-{mode}-{inputs.rules.name}-{len(inputs.rules.lo)}.c"
    command = [sys.executable, str(HERE / "_classify_engine.py"), str(source), *([classifier] if classifier else [])]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    text = rule_text(inputs.rules).replace("packet first", f"packet {mode}")
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=True)
    check, emit = map(float, done.stdout.split())
    library, seconds = build(source, flags)
    return library, {"check": check, "emit": emit, "compiler": seconds}


def engine(
    tree: Path, classifier: str | None, inputs: Inputs, folder: Path, harness: ctypes.CDLL, flags: list[str]
) -> Side:
    """A side from one of the trees."""
    library, seconds = compiled(tree, classifier, inputs, folder, flags)
    return (
        by_rows(library, inputs, harness, seconds)
        if abi(library) == ABI_ROWS
        else sparse(library, inputs, harness, seconds)
    )


def every_rule(inputs: Inputs, folder: Path, harness: ctypes.CDLL, flags: list[str]) -> Side:
    """An engine that finds all rules of each event, which the scan in C must find, too."""
    library, seconds = compiled(HERE.parent, LOOKED_UP, inputs, folder, flags, "all")
    side, judge = sparse(library, inputs, harness, seconds), build_scan(folder)

    def answer() -> tuple[NDArray[np.uint16], int]:
        first, every = np.zeros((2, EVENTS), np.uint32), np.zeros((2, EVENTS), np.uint64)
        value, lo, hi = (columns(table) for table in (inputs.fields, inputs.rules.lo, inputs.rules.hi))
        n, count = ctypes.c_uint64(EVENTS), len(lo[0])
        judge.scan(pointer(value), n, pointer(lo), pointer(hi), count, 1, pointer(first[0]), pointer(every[0]))
        judge.answer(
            library.sm_match, pointer(inputs.buffer), pointer(inputs.events), n, pointer(first[1]), pointer(every[1])
        )
        if not np.array_equal(every[0], every[1]):
            raise SystemExit(f"{ALL}: of {np.count_nonzero(every[0] != every[1])} events other rules than the scan's")
        return first[1].astype(np.uint16), side.answer()[1]

    return Side(side.run, answer, seconds)


def columns(table: NDArray[np.int64]) -> NDArray[np.uint32]:
    """A row for each field, as the scan in C has it."""
    return np.ascontiguousarray(table.T.astype(np.uint32))


def build_scan(folder: Path) -> ctypes.CDLL:
    """The linear scan in C. The header that it includes is written beside it."""
    source = folder / "scan.c"
    source.write_text((HERE / "classify_scan.c").read_text())
    boundary.write_header(folder)
    library, _ = build(source, [])
    library.answer.restype = ctypes.c_uint64
    return library


def build(source: Path, more: list[str]) -> tuple[ctypes.CDLL, float]:
    target = source.with_suffix(".so")
    start = time.perf_counter()
    subprocess.run([*find_compiler(), *FLAGS, str(source), "-o", str(target), *more], check=True, capture_output=True)
    return ctypes.CDLL(str(target)), time.perf_counter() - start


def build_harness(folder: Path) -> ctypes.CDLL:
    """Ours."""
    source = folder / "harness.c"
    source.write_text((HERE / "classify_harness.c").read_text())
    boundary.write_header(folder)
    harness, _ = build(source, [])
    for function in (harness.rows_run, harness.sparse_run, harness.sparse_answer):
        function.restype = ctypes.c_uint64
    return harness


def abi(library: ctypes.CDLL) -> int:
    return int(ctypes.c_uint32.in_dll(library, "sm_info").value)


def by_rows(library: ctypes.CDLL, inputs: Inputs, harness: ctypes.CDLL, seconds: dict[str, float]) -> Side:
    count = len(inputs.rules.lo)
    rows = np.zeros((count + 2, 4), np.uint64)
    given = (library.sm_match, pointer(inputs.buffer), pointer(inputs.events), ctypes.c_uint64(EVENTS))

    def answer() -> tuple[NDArray[np.uint16], int]:
        rule = np.full(EVENTS, NO_RULE, np.uint16)
        harness.rows_answer(*given, pointer(rows), count, pointer(rule))
        return rule, rows.nbytes * (EVENTS // 256)

    return Side(lambda passes: int(harness.rows_run(*given, ctypes.c_uint64(passes), pointer(rows))), answer, seconds)


def sparse(library: ctypes.CDLL, inputs: Inputs, harness: ctypes.CDLL, seconds: dict[str, float]) -> Side:
    library.sm_match.restype = ctypes.c_uint64
    given = (library.sm_match, pointer(inputs.buffer), pointer(inputs.events), ctypes.c_uint64(EVENTS))

    def answer() -> tuple[NDArray[np.uint16], int]:
        rule = np.full(EVENTS, NO_RULE, np.uint16)
        written = int(harness.sparse_answer(*given, pointer(rule)))
        return rule, written

    return Side(lambda passes: int(harness.sparse_run(*given, ctypes.c_uint64(passes))), answer, seconds)


def peer(inputs: Inputs, library: ctypes.CDLL) -> Side:
    start = time.perf_counter()
    algorithm = library.peer_build(pointer(inputs.rules.lo), pointer(inputs.rules.hi), len(inputs.rules.lo))
    if algorithm < 0:
        raise SystemExit(f"rte_acl cannot be used: step {-algorithm}")
    seconds = {"build": time.perf_counter() - start}
    rule = np.zeros(EVENTS, np.uint16)
    given = (pointer(inputs.buffer), ctypes.c_uint64(FRAME), ctypes.c_uint64(EVENTS))

    def run(passes: int) -> int:
        return int(library.peer_run(*given, ctypes.c_uint64(passes), pointer(rule)))

    def answer() -> tuple[NDArray[np.uint16], int]:
        run(1)
        return rule.copy(), 4 * EVENTS

    return Side(run, answer, seconds)


def build_peer(folder: Path) -> ctypes.CDLL | None:
    try:
        flags = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True, check=True).stdout
        source = folder / "peer.c"
        source.write_text((HERE / "classify_peer.c").read_text())
        library, _ = build(source, [*flags.split(), "-march=native", "-lrte_acl", "-lrte_eal"])
    except (OSError, subprocess.CalledProcessError):
        print("no peer: DPDK does not link; apt install libdpdk-dev")
        return None
    library.peer_run.restype = ctypes.c_uint64
    return library


def measure(inputs: Inputs, sides: dict[str, Side], runs: int) -> dict[str, Any]:
    """Raises SystemExit if a side does not find the rules of the scan."""
    wanted = first_match(inputs.rules, inputs.fields)
    result: dict[str, Any] = {"set": inputs.rules.name, "rules": len(inputs.rules.lo), "sides": {}}
    for name, side in sides.items():
        rule, written = side.answer()
        if not np.array_equal(rule, wanted):
            raise SystemExit(f"{name}: {np.count_nonzero(rule != wanted)} of {EVENTS} rules differ from the scan's")
        result["sides"][name] = {"bytes_per_event": written / EVENTS, "seconds": side.seconds}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            side.run(1)  # its tables are in the cache again, which the side before it has used
            times[name].append(side.run(PASSES) / PASSES / EVENTS)
    for name, values in times.items():
        spread = {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}
        result["sides"][name]["ns"] = spread
        if LOOKED_UP in times:  # run by run, since the machine is not as fast in one as in another
            ratios = [value / ours for value, ours in zip(values, times[LOOKED_UP], strict=True)]
            result["sides"][name]["ratio"] = {
                "min": min(ratios), "median": statistics.median(ratios), "max": max(ratios),
            }  # fmt: skip
    return result


def show(result: dict[str, Any]) -> None:
    for name, side in result["sides"].items():
        seconds = ", ".join(f"{part} {value:.1f} s" for part, value in side["seconds"].items())
        ns = side["ns"]
        print(
            f"{result['set']:5} {result['rules']:5} {name:12} {ns['median']:7.2f} ns "
            f"({ns['min']:.2f} to {ns['max']:.2f})  {side['ratio']['median']:5.2f} of {LOOKED_UP}  "
            f"{side['bytes_per_event']:7.2f} B written  {seconds}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help="a checkout of an earlier commit, measured beside this one")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rules", nargs="+", type=int, default=[64, 128, 1024, 8192])
    parser.add_argument("--runs", type=int, default=25, help="at least 5")
    parser.add_argument(
        "--tested", type=int, default=2048, help="most rules that are tested one by one: see gcc's time"
    )
    parser.add_argument("--flags", default="", help="more flags for the C compiler, such as -DSM_PORTABLE")
    parser.add_argument("--json", type=Path, help="default: bench/results/classify-DATE.json")
    options = parser.parse_args()
    if options.runs < 5 or min(options.rules) < 1:
        parser.error(f"at least 5 runs of at least 1 rule, not {options.runs} of {min(options.rules)}")
    facts = machine_facts()
    if float(facts["load"]) > 1:
        print(f"the machine is busy (load {facts['load']} on {facts['cores']} cores): compare ratios, not times")
    flags = shlex.split(options.flags)
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        harness = build_harness(folder)
        acl = build_peer(folder)
        for which in options.sets:
            for count in options.rules:
                inputs = Inputs.of(which, count)
                tested = count <= options.tested
                chosen = CLASSIFIERS if tested else CLASSIFIERS[1:]
                sides = {c: engine(HERE.parent, c, inputs, folder, harness, flags) for c in chosen}
                if count <= ALL_MAX:
                    sides[ALL] = every_rule(inputs, folder, harness, flags)
                if options.old and tested:
                    sides["old"] = engine(package_of(options.old, folder), None, inputs, folder, harness, flags)
                if acl is not None:
                    sides["rte_acl"] = peer(inputs, acl)
                results.append(measure(inputs, sides, options.runs))
                show(results[-1])
    body = {
        "question": "the first of N five-tuple rules, batched, vs rte_acl: ns and bytes written per event",
        "machine": facts,
        "flags": flags,
        "events": EVENTS,
        "frame_bytes": FRAME,
        "results": results,
    }
    save("classify", body, options.json)


if __name__ == "__main__":
    main()
