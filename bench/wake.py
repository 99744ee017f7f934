"""Question: how long does an idle subscriber take to notice a record, beside the least that the kernel can do?

    python bench/wake.py [--wakes N] [--between MICROSECONDS] [--json FILE]

One process sleeps, another shows it the time and wakes it; the sleeper then looks at the clock (wake_probe.c).
``futex`` is one word with the kernel's wait and wake. ``ring`` is sm_ring_reserve and sm_ring_commit on one side,
sm_ring_wait on the other, with their looks whether the other side lives. Both run one after the other, in pairs, in C.
Microseconds, of all wakes.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import uuid
from pathlib import Path

import numpy as np
from _machine import machine_facts
from _results import save

from sevenm import boundary

ROOT = Path(__file__).resolve().parent.parent
PERCENTILES = (10, 50, 90, 99)
PAIRS = 5


def build(folder: Path) -> Path:
    boundary.write_header(folder)
    csrc = ROOT / "host" / "csrc"
    program = folder / "wake_probe"
    sources = [ROOT / "bench" / "wake_probe.c", *sorted(csrc.glob("ring*.c"))]
    command = ["gcc", "-std=c11", "-O3", "-D_GNU_SOURCE", f"-I{csrc}", f"-I{folder}", "-o", program, *sources]
    subprocess.run(command, check=True)
    return program


def measure(program: Path, wakes: int, between: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"futex": [], "ring": []}
    for _ in range(PAIRS):
        name = f"bench-{uuid.uuid4().hex[:12]}"
        command = [program, name, str(wakes // PAIRS), str(between)]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            way, ns = line.split()
            found[way].append(int(ns))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wakes", type=int, default=5000)
    parser.add_argument("--between", type=int, default=2000, help="microseconds, so that the sleeper sleeps")
    parser.add_argument("--json", type=Path, help="default: bench/results/wake-DATE.json")
    options = parser.parse_args()
    facts = machine_facts()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(build(Path(folder)), options.wakes, options.between)
    report = {
        way: {f"p{p}": round(float(np.percentile(ns, p)) / 1000, 1) for p in PERCENTILES} for way, ns in found.items()
    }
    for way, numbers in report.items():
        print(f"{way:6}" + "".join(f"{p:>6} {us:8.1f} us" for p, us in numbers.items()))
    save("wake", {"machine": facts, "microseconds": report}, options.json)


if __name__ == "__main__":
    main()
