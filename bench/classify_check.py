"""Question: does every classifier find, of a million headers, the rules that a linear scan finds?

ClassBench sets of 1,000 and 10,000 rules, as ``first`` and as ``all`` blocks, compiled whole: text to engine. Headers
are drawn evenly from the rules, and a third of them then moved just past an edge of their rule in one field. What the
compiler refuses is told with its reason. Of ipc1 that is recursive classification of 10,000 rules: the set has 9,518,
for which it has room, and those that follow it, with their networks elsewhere, make more leaves than its table takes.
In the run that was kept of 2026-11-22 they repeated rules of the set, and the compiler left them out.
``--fault`` leaves the last rule out of what the engine is told, which the scan must notice.

    python bench/classify_check.py [--sets acl1 ...] [--rules N ...] [--headers N] [--fault] [--json FILE]
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FRAME, FiveTuples, headers, load, packets, rule_text
from _scan_checks import arguments, finish
from classify import build, build_scan, columns, pointer
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.passes.cost import ChoiceError
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EVENT

WAYS = (("first", "recursive"), ("first", "bitvectors"), ("all", "bitvectors"))
TOP = np.array([0xFFFFFFFF, 0xFFFFFFFF, 0xFFFF, 0xFFFF, 0xFF])


def near_edges(rules: FiveTuples, count: int, seed: int) -> NDArray[np.int64]:
    """(count, 5) headers; the rule that a moved one was drawn from is drawn again."""
    out = headers(rules, count, seed)
    rng = np.random.default_rng(seed + 1)
    moved = np.flatnonzero(rng.random(count) < 1 / 3)
    rule, field = rng.integers(0, len(rules.lo), len(moved)), rng.integers(0, 4, len(moved))
    out[moved] = rules.lo[rule]
    past = np.where(rng.random(len(moved)) < 0.5, rules.lo[rule, field] - 1, rules.hi[rule, field] + 1)
    out[moved, field] = past.clip(0, TOP[field])
    return out


def without_last(rules: FiveTuples) -> FiveTuples:
    return replace(rules, lo=rules.lo[:-1], hi=rules.hi[:-1])


def check(name: str, count: int, n: int, library: ctypes.CDLL, folder: Path, fault: bool) -> list[dict[str, Any]]:
    rules = load(name, count)
    told = without_last(rules) if fault else rules
    fields = near_edges(rules, n, 7)
    buffer, events = packets(fields), np.zeros(n, EVENT)
    events["offset"], events["cap_len"], events["wire_len"] = np.arange(n) * FRAME, FRAME, FRAME
    first, every = np.zeros((2, n), np.uint32), np.zeros((2, n), np.uint64)
    value, lo, hi = columns(fields), columns(rules.lo), columns(rules.hi)
    given = pointer(value), ctypes.c_uint64(n), pointer(lo), pointer(hi), count, 1
    library.scan(*given, pointer(first[0]), pointer(every[0]))
    out: list[dict[str, Any]] = []
    plans: dict[str, Plan] = {}
    for mode, way in WAYS:
        start = time.process_time()
        if mode not in plans:
            plans[mode] = compile_text(rule_text(told).replace("packet first", f"packet {mode}"), "set").plan
        checked = time.process_time()
        source = folder / f"{name}-{count}-{mode}-{way}.c"
        case = {"set": name, "rules": count, "mode": mode, "classifier": way}
        try:
            source.write_text(emit(plans[mode], way))
        except ChoiceError as refusal:
            out.append({**case, "refused": str(refusal)})
            print(f"{name} {count:6} {mode:5} {way:10} refused: {refusal}", flush=True)
            continue
        emitted = time.process_time()
        engine, compiled = build(source, [])
        done = library.answer(
            engine.sm_match, pointer(buffer), pointer(events), ctypes.c_uint64(n), pointer(first[1]), pointer(every[1])
        )
        wrong = first[0] != first[1] if mode == "first" else every[0] != every[1]
        differ = n - done + int(np.count_nonzero(wrong))
        cpu = {"check": checked - start, "emit": emitted - checked, "compiler, elapsed": compiled}
        seconds = {step: round(value, 2) for step, value in cpu.items()}
        matched = round(float((first[0] != 0xFFFFFFFF).mean()), 4)
        out.append({
            **case, "headers": n, "matched": matched, "different rules": len(np.unique(first[0])), "differ": differ,
            "seconds": seconds, "source_bytes": source.stat().st_size,
        })  # fmt: skip
        print(
            f"{name} {count:6} {mode:5} {way:10} {n} headers, {matched:.1%} match, {differ} differ; {seconds}",
            flush=True,
        )
    return out


def main() -> None:
    options = arguments(__doc__).parse_args()
    n = max(64, options.headers // 64 * 64)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        library = build_scan(Path(folder))
        for name in options.sets:
            for count in options.rules:
                results += check(name, count, n, library, Path(folder), options.fault)
    finish("does every classifier agree with a linear scan", results, options.fault, options.json)


if __name__ == "__main__":
    main()
