"""Question: does a simulated core find, of 100,000 headers, the rules that a linear scan finds, wired and in memories?

ClassBench sets over bare records: as rules of a ``first`` block, which become comparisons, and as rows of one table in
the core's memories, whose number is told by rules that ask for its bits. Headers are those of classify_check.py, a
third of them at the edges of a rule. What a core has no room for is refused by name, and said so. ``--fault`` leaves
the last rule out of what the core is built for, which the scan must notice.

    python bench/core_check.py [--sets acl1 ...] [--rules N ...] [--headers N] [--forms wired memory] [--fault]
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FiveTuples, load
from _scan_checks import arguments, finish
from _table import SCHEMA, events_of
from classify import build_scan, columns, pointer
from classify_check import near_edges, without_last
from numpy.typing import NDArray
from synth import record_rules

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.refusal import Refused
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import start
from sevenm.sim.rtl_device import RtlDevice

FORMS = ("wired", "memory")
BATCH = 1 << 14


def in_table(rules: FiveTuples) -> str:
    """The set as rows of a table, numbered from 1, and a rule for each bit of the number."""
    rows = []
    for at, (lo, hi) in enumerate(zip(rules.lo.tolist(), rules.hi.tolist(), strict=True)):
        networks = [f"{_dotted(lo[field])}..{_dotted(hi[field])}" for field in (0, 1)]
        ports = [f"{lo[f]}..{hi[f]}" for f in (2, 3)]
        proto = f"{lo[4]}..{hi[4]}"
        rows.append(f"  ({', '.join((*networks, *ports, proto))}): {at + 1}")
    bits = (len(rows)).bit_length()
    keys = "src, dst, sport, dport, proto"
    asks = "\n".join(f"  rule b{bit}: (acl[{keys}] & {1 << bit}) != 0 => count c{bit}" for bit in range(bits))
    head = f"table acl : (ip4 range, ip4 range, u16 range, u16 range, u8 range) -> u16 max {len(rows)} {{\n"
    return SCHEMA + head + "\n".join(rows) + "\n}\nrules bits on Header all {\n" + asks + "\n}\n"


def _dotted(address: int) -> str:
    return ".".join(str(byte) for byte in address.to_bytes(4, "big"))


def found(form: str, device: RtlDevice, fields: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the rule of each header, from 1; 0 for none."""
    out = []
    for at in range(0, len(fields), BATCH):
        fired = device.process(events_of(fields[at : at + BATCH])).fired
        if form == "memory":
            out.append((fired.astype(np.int64) << np.arange(len(fired))[:, None]).sum(axis=0))
        else:
            out.append(np.where(fired.any(axis=0), fired.argmax(axis=0) + 1, 0))
    return np.concatenate(out)


def check(name: str, count: int, n: int, form: str, library: ctypes.CDLL, fault: bool) -> dict[str, Any]:
    rules = load(name, count)
    told = without_last(rules) if fault else rules
    result: dict[str, Any] = {"set": name, "rules": count, "form": form, "headers": n}
    fields = near_edges(rules, n, 7)
    first, every = np.zeros(n, np.uint32), np.zeros(n, np.uint64)
    value, low, high = columns(fields), columns(rules.lo), columns(rules.hi)
    given = pointer(value), ctypes.c_uint64(n), pointer(low), pointer(high), count, 0
    library.scan(*given, pointer(first), pointer(every))
    wanted = np.where(first < count, first.astype(np.int64) + 1, 0)
    text = in_table(told) if form == "memory" else record_rules(told)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            plan = compile_text(text, "set").plan
            path = write_bundle(
                plan, Path(folder) / "set", options=CoreOptions(rows=form if form == "memory" else "auto")
            )
        except Refused as error:
            return {**result, "refused": str(error)}
        bundle = Bundle.open(path)
        if "core.v" in bundle.refused:
            return {**result, "refused": bundle.refused["core.v"]}
        with RtlDevice() as device:
            start(device, bundle)
            built = time.perf_counter()
            said = found(form, device, fields)
            counted = device.counters()
    return {
        **result, "matched": round(float((wanted != 0).mean()), 4), "differ": int(np.count_nonzero(said != wanted)),
        "stalls": counted["stalls"], "latency_cycles": counted["latency_cycles"],
        "built, seconds": round(built - begun, 1), "simulated, seconds": round(time.perf_counter() - built, 1),
    }  # fmt: skip


def main() -> None:
    parser = arguments(__doc__)
    parser.set_defaults(rules=[1000], headers=100_000)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        library = build_scan(Path(folder))
        for name in options.sets:
            for count in options.rules:
                for form in options.forms:
                    results.append(check(name, count, options.headers, form, library, options.fault))
                    one = results[-1]
                    said = f"refused: {one['refused']}" if "refused" in one else f"{one['differ']} differ"
                    print(f"{name} {count:6} {form:6}: {options.headers} headers, {said}", flush=True)
    finish(
        "does a simulated core agree with a linear scan, wired and in memories", results, options.fault, options.json
    )


if __name__ == "__main__":
    main()
