"""Question: what does matching cost beside DPDK that only receives?

A device that makes frames of 64 bytes out of nothing (net_null) is polled by one thread: by rte_eth_rx_burst alone, 32
and 256 frames at a time, whose buffers go straight back; through the ingress, which adds the time and the table of
events; and by the loop, which matches and counts as well. Runs are interleaved, in one process, on one device and one
pool of buffers; the time is the processor's. All frames are accounted for, or the benchmark fails.

    python bench/dpdk.py [--frames N] [--runs N] [--json FILE]

Needs libdpdk-dev and pkg-config. Huge pages are used where 128 MiB of them are free (sysctl vm.nr_hugepages=256).
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _results import save

from sevenm import boundary
from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.live import dpdk_library
from sevenm.host.live.dpdk import DpdkIngress

HERE = Path(__file__).parent
DEVICE = "net_null0"
SIZE = 64
RULES = {
    "one rule": "rules r on packet all { rule a: udp.dstport in {5000..5003} and ip.src in {10.0.0.0/8} => count n }",
    "all match": f"rules r on packet all {{ rule a: frame.len == {SIZE} => count n }}",
}


def harness(folder: Path) -> ctypes.CDLL:
    boundary.write_header(folder)
    target = folder / "harness.so"
    command = [*dpdk_library.compile_command(), f"-I{folder}", str(HERE / "dpdk_harness.c"), "-o", str(target)]
    subprocess.run([*command, *dpdk_library.link_flags()], check=True)
    lib = ctypes.CDLL(str(target))
    for name in ("bench_poll", "bench_receive"):
        getattr(lib, name).restype = ctypes.c_int64
    lib.bench_poll.argtypes = [ctypes.c_char_p, ctypes.c_uint16, ctypes.c_int64]
    lib.bench_receive.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    return lib


class Matching:
    """A loop with the rules, over the ingress."""

    def __init__(self, rules: str, folder: Path, ingress: DpdkIngress) -> None:
        bundle = Bundle.open(write_bundle(compile_text(rules, "bench").plan, folder, gateware=False))
        engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
        self.ingress, self.loop, self.accounts = ingress, Loop(), Accounts(bundle.rules, 0, 1)
        self.loop.publish(Program(engine, self.accounts, [], 1))

    def __call__(self, n: int) -> int:
        before = self.accounts.total("events")
        self.loop.run(self.ingress, n)
        done = self.accounts.total("events") - before
        assert done == n, "every frame is decided"
        return done + self.loop.abandon(self.ingress)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path, help="default: bench/results/dpdk-DATE.json")
    given = parser.parse_args()
    lacks = dpdk_library.missing()
    if lacks is not None:
        print(f"{lacks}; nothing was measured", file=sys.stderr)
        return 0
    facts = machine_facts()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, DpdkIngress(f"{DEVICE},size={SIZE}") as ingress:
        folder = Path(name)
        for line in ingress.warnings():
            print(line)
        lib = harness(folder)
        pointer = ctypes.c_void_p(int(ingress.ffi.cast("uintptr_t", ingress.pointer)))
        ingress.begin()
        ways: dict[str, Callable[[int], int]] = {
            "poll 32": lambda n: int(lib.bench_poll(DEVICE.encode(), 32, n)),
            "poll 256": lambda n: int(lib.bench_poll(DEVICE.encode(), 256, n)),
            "received": lambda n: int(lib.bench_receive(pointer, n)),
        }
        for label, rules in RULES.items():
            ways[label] = Matching(rules, folder / label.replace(" ", "-"), ingress)
        rates: dict[str, list[float]] = {way: [] for way in ways}
        own = 0
        for turn in range(given.runs + 1):
            for way, run in ways.items():
                start = time.process_time()
                seen = run(given.frames)
                seconds = time.process_time() - start
                assert seen >= given.frames, f"{way}: {seen}"
                own += seen if "poll" not in way else 0
                if turn:  # the first one warms up
                    rates[way].append(seen / seconds / 1e6)
        counts = ingress.counters()
        assert counts.pop("received") == own and not any(counts.values()), counts
        for way, made in rates.items():
            beside = [ours / bare for ours, bare in zip(made, rates["poll 256"], strict=True)]
            shown, ratio = (
                " / ".join(f"{x:.2f}" for x in (min(what), statistics.median(what), max(what)))
                for what in (made, beside)
            )
            print(f"{way:10} {shown} million frames a second, {ratio} of poll 256")
            results.append({"way": way, "rates": made, "beside poll 256": beside})
    save("dpdk", {"machine": {**facts, "huge pages": dpdk_library.library().huge}, "results": results}, given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
