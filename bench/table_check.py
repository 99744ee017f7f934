"""Question: does a table find, of a million headers, the rows that a linear scan finds, also after 10,000 edits?

ClassBench sets of 1,000 and 10,000 rules as rows of one table, through the device as an application has it. Edits
remove, insert, move and replace one row or a few, at places drawn evenly, each as a generation of its own; rows that
come in were there before, or are others with source and destination exchanged. Headers are those of classify_check.py.
``--fault`` leaves the last row out of what the table is told, which the scan must notice.

    python bench/table_check.py [--sets acl1 ...] [--rules N ...] [--headers N] [--edits N] [--fault] [--json FILE]
"""

from __future__ import annotations

import ctypes
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FiveTuples, load
from _scan_checks import arguments, finish
from _table import BITS, events_of, opened, ranges_of, rows_of
from classify import build_scan, columns, pointer
from classify_check import near_edges
from numpy.typing import NDArray

from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import TableEdit
from sevenm.host.devices.host import HostDevice
from sevenm.tables import Change, Row

BATCH = 1 << 15


def compared(device: HostDevice, library: ctypes.CDLL, name: str, rows: list[Row], n: int, seed: int) -> dict[str, Any]:
    """``rows``: as they should be, in order."""
    lo, hi = ranges_of(rows)
    fields = near_edges(FiveTuples(name, lo, hi), n, seed)
    first, every = np.zeros(n, np.uint32), np.zeros(n, np.uint64)
    value, low, high = columns(fields), columns(lo), columns(hi)
    start = time.perf_counter()
    given = pointer(value), ctypes.c_uint64(n), pointer(low), pointer(high), len(rows), 0
    library.scan(*given, pointer(first), pointer(every))
    scanned = time.perf_counter() - start
    numbers = np.array([*(row.values[0] for row in rows), 0], np.int64)
    wanted = numbers[np.minimum(first, len(rows))]
    found = np.concatenate([answers(device, fields[at : at + BATCH]) for at in range(0, n, BATCH)])
    return {
        "rows": len(rows),
        "headers": n,
        "matched": round(float((wanted != 0).mean()), 4),
        "different rows": len(np.unique(wanted)),
        "differ": int(np.count_nonzero(found != wanted)),
        "scan, seconds": round(scanned, 2),
    }


def answers(device: HostDevice, fields: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the row of each header, 0 for none."""
    fired = device.process(events_of(fields)).fired
    return (fired.astype(np.int64) << np.arange(len(fired))[:, None]).sum(axis=0)


def edited(
    device: HostDevice, bundle: Bundle, rows: list[Row], spare: list[Row], edits: int, rng: random.Random
) -> int:
    """Random edits of the device's table and, in the plainest way, of ``rows``; how many rows changed. No number is
    used twice."""
    number, changed = max((row.values[0] for row in rows + spare), default=0), 0
    for _ in range(edits):
        gone = rng.sample(range(len(rows)), rng.choice([0, 1, 1, 1, 2, 5])) if len(rows) > 8 else []
        leaving = [rows[at] for at in gone]
        for at in sorted(gone, reverse=True):
            del rows[at]
        spare += leaving
        rng.shuffle(spare)
        coming = []
        for _ in range(min(len(spare), rng.choice([0, 1, 1, 1, 2, 5]))):
            number += 1
            coming.append(spare.pop()._replace(values=(number,)))
        at = rng.randrange(len(rows) + 1)
        before = rows[at].keys if at < len(rows) else None
        rows[at:at] = coming
        edit = TableEdit(bundle.structure, {0: Change([row.keys for row in leaving], coming, before)})
        device.update(edit, device.generation + 1)
        changed += len(leaving) + len(coming)
    return changed


def check(name: str, count: int, n: int, edits: int, library: ctypes.CDLL, fault: bool) -> list[dict[str, Any]]:
    every, _ = rows_of(load(name, count))
    rng = random.Random(f"{name} {count}")
    there = {row.keys for row in every}
    turned = (Row((d, s, q, p, proto), row.values) for row in every for s, d, p, q, proto in [row.keys])
    spare = rng.sample([row for row in turned if row.keys not in there], count // 10)
    told = every[:-1] if fault else every
    results = []
    with opened(BITS, "bits") as (device, bundle):
        device.update(TableEdit(bundle.structure, {0: told}), 2)
        results.append({"edits": 0, **compared(device, library, name, every, n, 7)})
        if not fault:
            start = time.perf_counter()
            changed = edited(device, bundle, every, spare, edits, rng)
            seconds = round(time.perf_counter() - start, 2)
            after = compared(device, library, name, every, n, 8)
            results.append({"edits": edits, "rows changed": changed, "edits, seconds": seconds, **after})
        level = device.code
    for result in results:
        print(
            f"{name} {count:6}: after {result['edits']:6} edits {result['rows']} rows, {n} headers, "
            f"{result['matched']:.1%} match, {result['differ']} differ",
            flush=True,
        )
    return [{"set": name, "rules": count, "engine": level, **result} for result in results]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--edits", type=int, default=10_000)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        library = build_scan(Path(folder))
        for name in options.sets:
            for count in options.rules:
                results += check(name, count, options.headers, options.edits, library, options.fault)
    finish("does a table agree with a linear scan, also after random edits", results, options.fault, options.json)


if __name__ == "__main__":
    main()
