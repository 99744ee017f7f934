"""Question: how fast do 64-byte events go from one processor to the other in C, beside the rings that people use?

    python bench/ring_c.py [--events N] [--rounds N] [--trips N] [--real-time] [--json FILE]

Two threads, each pinned to a processor; every ring has 1,024 slots. The producer writes all 64 bytes of an event, the
consumer looks at its first and last word; order and sum are checked. Ours is ring.h between a producer's and a
reader's handle, over shared memory as between two processes (ring_c_sevenm.c): bare slots of 64 bytes, filled and
read in place; the same with events copied in and out; sm_ring_write, which copies into the lane of each subscriber;
and slots of 96 bytes, whose record header is written too. Peers: boost::lockfree::spsc_queue with its size known to
the compiler (ring_c_boost.cpp), and DPDK's rte_ring of one producer and one consumer with events as elements, with
pointers, and through its interface without copies (ring_c_dpdk.c). Peers and threads are built with -O3
-march=native, our library as it is installed. Peers whose package is absent are named, and so is rigtorp::SPSCQueue,
for which Debian has none.

Who finds a ring empty or full looks again after 1 pause of the processor, or after 32: one that looks all the time
keeps taking the line of the index from who writes it. Each way is measured with both and counts with the better one.

Round trips: one event there and one back through two rings, beside one bare line of the cache; p50 and p99.

The processors may be near or far from each other and move. Each sample is probed before and after; those of one
placement are compared, and samples during which it changed are left out. ``--real-time`` asks for SCHED_FIFO, so that
other work on the machine does not interrupt the spinning threads; it needs root and runs for moments only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _results import save

from sevenm import boundary

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent / "host" / "csrc"
NEAR_NS = 200.0
"""Round trips of a line below this are processors near each other."""
PEERS = {"boost": "libboost-dev", "rte_ring": "libdpdk-dev", "rigtorp": ""}
"""And the package that a peer comes from, if Debian has one."""


@dataclass(frozen=True)
class Sample:
    round: int
    kind: str
    way: str
    batch: int
    pauses: int
    ns: float
    p99: float
    placement: str


def compile_all(folder: Path) -> tuple[Path, list[str]]:
    """The program, and the peers that are in it."""
    boundary.write_header(folder)
    ours = [f"-I{CSRC}", f"-I{folder}"]
    native = ["-O3", "-march=native"]
    objects: list[Path] = []

    def build(source: Path, *flags: str) -> None:
        compiler = "g++" if source.suffix == ".cpp" else "gcc"
        standard = "-std=gnu++17" if source.suffix == ".cpp" else "-std=gnu11"
        to = folder / f"{source.stem}.o"
        subprocess.run([compiler, standard, "-D_GNU_SOURCE=1", *flags, "-c", source, "-o", to], check=True)
        objects.append(to)

    for source in sorted(CSRC.glob("ring*.c")):
        build(source, "-O3", *ours)
    build(HERE / "ring_probe.c", "-O2")
    build(HERE / "ring_c_sevenm.c", *native, *ours)
    found, libraries, defines = [], ["-lpthread", "-lrt"], []
    if Path("/usr/include/boost/lockfree/spsc_queue.hpp").is_file() and shutil.which("g++"):
        build(HERE / "ring_c_boost.cpp", *native)
        libraries.append("-lstdc++")
        found.append("boost")
        defines.append("-DWITH_BOOST")
    dpdk = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True)
    if dpdk.returncode == 0:
        build(HERE / "ring_c_dpdk.c", *native, "-DALLOW_EXPERIMENTAL_API", *dpdk.stdout.split())
        libraries.append("-lrte_ring")
        found.append("rte_ring")
        defines.append("-DWITH_DPDK")
    build(HERE / "ring_c_probe.c", *native, *defines)
    program = folder / "ring_c"
    subprocess.run(["gcc", *objects, "-o", program, *libraries], check=True)
    return program, found


def placement(before: float, after: float) -> str:
    near = [trip < NEAR_NS for trip in (before, after)]
    return "moved" if near[0] != near[1] else "near" if near[0] else "far"


def samples(text: str) -> Iterable[Sample]:
    for line in text.splitlines():
        number, kind, way, batch, pauses, ns, p99, before, after = line.split("|")
        where = placement(float(before), float(after))
        yield Sample(int(number), kind, way, int(batch), int(pauses), float(ns), float(p99), where)


def spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "samples": len(values)}


def rates(found: list[Sample], where: str) -> list[dict[str, Any]]:
    """Million events a second of each way, with the patience that suits it; ``rounds`` by number."""
    result = []
    for way, batch in dict.fromkeys((s.way, s.batch) for s in found if s.kind == "rate"):
        mine = [s for s in found if (s.kind, s.way, s.batch, s.placement) == ("rate", way, batch, where)]
        by_pauses = {
            pauses: {s.round: 1000 / s.ns for s in mine if s.pauses == pauses} for pauses in {s.pauses for s in mine}
        }
        if by_pauses:
            best = max(by_pauses, key=lambda pauses: statistics.median(by_pauses[pauses].values()))
            rounds = by_pauses[best]
            numbers = spread(list(rounds.values()))
            result.append({"way": way, "batch": batch, "pauses": best, **numbers, "rounds": rounds})
    return result


def ratios(rate: dict[str, Any], peers: list[dict[str, Any]]) -> dict[str, float]:
    """By the best way of each peer with the same batch: median over the rounds in which both had this placement."""
    result: dict[str, float] = {}
    for peer in PEERS:
        ways = [way for way in peers if way["batch"] == rate["batch"] and way["way"].startswith(peer)]
        if not ways:
            continue
        best = max(ways, key=lambda way: float(way["median"]))
        both = [
            rate["rounds"][number] / best["rounds"][number] for number in rate["rounds"] if number in best["rounds"]
        ]
        if both:
            result[best["way"]] = statistics.median(both)
    return result


def trips(found: list[Sample], where: str) -> list[dict[str, Any]]:
    """Nanoseconds of a round trip, medians over the samples."""
    mine = [s for s in found if s.kind == "trip" and s.placement == where]
    return [
        {
            "way": way,
            "p50": statistics.median([s.ns for s in mine if s.way == way]),
            "p99": statistics.median([s.p99 for s in mine if s.way == way]),
        }
        for way in dict.fromkeys(s.way for s in mine)
    ]


def report(found: list[Sample], where: str) -> dict[str, Any]:
    """Prints it too: by the best of each peer, batch by batch."""
    result: dict[str, Any] = {"placement": where, "rates": rates(found, where), "trips": trips(found, where)}
    for rate in result["rates"]:
        if rate["way"].startswith("sevenm"):
            rate["ratios"] = ratios(rate, result["rates"])
        beside = ", ".join(f"{ratio:.2f} of {peer}" for peer, ratio in rate.get("ratios", {}).items())
        print(
            f"{where:4} batch {rate['batch']:2} {rate['way']:24} {rate['min']:6.1f} / {rate['median']:6.1f} / "
            f"{rate['max']:6.1f} M/s, {rate['pauses']:2} pauses  {beside}"
        )
    for trip in result["trips"]:
        print(f"{where:4} round trip {trip['way']:24} p50 {trip['p50']:6.1f} ns, p99 {trip['p99']:6.1f} ns")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000, help="of a sample")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--trips", type=int, default=20_000, help="of a sample")
    parser.add_argument("--real-time", action="store_true", help="SCHED_FIFO, for a machine with other work")
    parser.add_argument("--json", type=Path, help="default: bench/results/ring-c-DATE.json")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        sys.exit("bench/ring_c.py needs two processors; this process may use one")
    facts = machine_facts()
    with tempfile.TemporaryDirectory() as folder:
        program, peers = compile_all(Path(folder))
        absent = {peer: package or "no package" for peer, package in PEERS.items() if peer not in peers}
        for peer, package in absent.items():
            print(f"no peer {peer}: {package}")
        command = [program, *processors, options.events, options.rounds, options.trips]
        before = ["chrt", "-f", "1"] if options.real_time else []
        done = subprocess.run([*before, *map(str, command)], check=True, capture_output=True, text=True)
    found = list(samples(done.stdout))
    print(f"{facts['cpu']}, {facts['date']}: min / median / max of the samples of one placement")
    body = {
        "question": "64-byte events between two processors in C, beside other rings",
        "machine": facts,
        "absent": absent,
        "real time": options.real_time,
        "results": [report(found, where) for where in ("near", "far")],
        "samples": [vars(sample) for sample in found],
    }
    save("ring-c", body, options.json)


if __name__ == "__main__":
    main()
