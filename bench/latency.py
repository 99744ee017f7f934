"""Question: how long does an event take from its arrival to the application, at a million events a second?

    python bench/latency.py [--events N] [--rate N] [--rules N] [--runs N] [--real-time] [--json FILE]

Events of 64 bytes are due at given times, evenly spaced or as a Poisson process. A producer in C spins until an event
is due and puts it into a ring, bare or with a record header. *One hop*: another process reads that ring. *Through
rules*: ``sevenm run FILE -i ring:`` decides each against as many rules on records, of which one is its own, and
delivers it into a second ring. *Floor*: instead of ``sevenm run`` a few lines of C copy each event from one ring into
the other and look at no rule: what the same parties take on the same processors. The reader is in C (ring.h), or in
Python (RingReader, a NumPy view in hand). Every event arrives, in order, or the run fails.

``late`` is from when an event was due until the application has it: it contains all that held up the producer, too.
``delay`` begins when the event was sent. Both stand beside an empty spin, a program that only looks at the clock and
at what is due: what is late there is the hypervisor's and other programs' doing. Its runs are in between the others',
of the same length, on both processors.

There are two processors. One hop has one for each side. Through rules the producer and the reader share one, as one
thread that sends what is due and then looks for what came back; the loop has the other.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _machine import machine_facts
from _results import save
from cffi import FFI
from numpy.typing import NDArray

import sevenm
from sevenm import boundary
from sevenm.host.ring import Ring, RingAbsent, RingReader

HERE = Path(__file__).resolve().parent
CSRC = HERE.parent / "host" / "csrc"
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}
FUNCTIONS = """
typedef struct { uint64_t n, sent, read; double ns_per_tick; uint64_t *due, *late, *delay; void *feed; } run;
run *latency_make(const double *gaps, uint64_t n);
void latency_feed(run *r, const char *name, uint32_t header, uint64_t layout_hash);
int latency_has_reader(const run *r);
void latency_start(run *r);
uint64_t latency_send(run *r);
int latency_read(run *r, const uint8_t *first, uint64_t n, uint64_t stride);
void latency_close(run *r);
double round_trip_ns(int here, int there);
"""
Late = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Nanoseconds of each event: from when it was due, from when it was sent."""


def rules(count: int) -> str:
    lines = [f"  rule r{n}: kind == {n} => deliver out" for n in range(count - 1)]
    return "\n".join(
        [
            "schema Event v1 size 64 @endian(little) {",
            "  id: u64",
            "  sent: u64",
            "  kind: u64",
            "}",
            "rules bench on Event all {",
            *lines,
            f"  rule rest: kind >= {count - 1} => deliver out",
            "}",
            "",
        ]
    )


def build(folder: Path) -> tuple[Path, Path]:
    """The program, and the library for Python."""
    boundary.write_header(folder)
    sources = [HERE / "latency_probe.c", HERE / "ring_probe.c", *sorted(CSRC.glob("ring*.c"))]
    common: list[str | Path] = ["gcc", "-std=gnu11", "-O3", "-D_GNU_SOURCE=1", f"-I{CSRC}", f"-I{folder}", *sources]
    program, library = folder / "latency", folder / "latency.so"
    subprocess.run([*common, "-o", program], check=True)
    subprocess.run([*common, "-shared", "-fPIC", "-o", library], check=True)
    return program, library


class Bench:
    """One way of measuring is one method that takes gaps and a header, and gives what each event took."""

    def __init__(self, folder: Path, rule_count: int, real_time: bool) -> None:
        self.program, library = build(folder)
        self.ffi: Any = FFI()
        self.ffi.cdef(FUNCTIONS)
        self.lib: Any = self.ffi.dlopen(str(library))
        self.processors = sorted(os.sched_getaffinity(0))[:2]
        self.rules = folder / "bench.7m"
        self.rules.write_text(rules(rule_count))
        self.layout_hash = sevenm.compile(self.rules.read_text()).plan.layouts[0].hash
        self.real_time = ["chrt", "-f", "1"] if real_time else []

    def _run(self, way: str, gaps: NDArray[np.float64], names: list[str], header: bool, swap: bool = False) -> Late:
        here, there = reversed(self.processors) if swap else self.processors
        numbers = [here, there, *names, int(header), self.layout_hash, len(gaps)]
        command = [*self.real_time, str(self.program), way, *map(str, numbers)]
        done = subprocess.run(command, input=gaps.tobytes(), capture_output=True)
        if done.returncode:
            raise SystemExit(f"{way}: {done.stderr.decode()}")
        found = np.array(done.stdout.split(), np.float64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def round_trip(self) -> float:
        """Nanoseconds of a line of the cache, there and back: how near the processors are just now."""
        with self._pinned(self.processors[0]):
            return float(self.lib.round_trip_ns(*self.processors))

    def spin(self, gaps: NDArray[np.float64], header: bool) -> Late:
        both = [self._run("spin", gaps, ["-", "-"], header, swap) for swap in (False, True)]
        return np.concatenate([late for late, _ in both]), np.concatenate([delay for _, delay in both])

    def one_hop_c(self, gaps: NDArray[np.float64], header: bool) -> Late:
        return self._run("direct", gaps, [_name(), "-"], header)

    def through_c(self, gaps: NDArray[np.float64], header: bool) -> Late:
        feed, out = _name(), _name()
        with self._loop(feed, out):
            return self._run("through", gaps, [feed, f"{out}.out"], header)

    def floor_c(self, gaps: NDArray[np.float64], header: bool) -> Late:
        return self._run("floor", gaps, [_name(), _name()], header)

    def one_hop_python(self, gaps: NDArray[np.float64], header: bool) -> Late:
        name, run = _name(), self._made(gaps)
        child = os.fork()
        if child == 0:
            self._send(run, name, header)
        with self._pinned(self.processors[1]), _attached(name, header) as reader:
            while run.read < run.n:
                self._take(run, reader)
        if os.waitpid(child, 0)[1]:
            raise SystemExit("the producer failed")
        Ring.unlink(name)
        return self._found(run)

    def through_python(self, gaps: NDArray[np.float64], header: bool) -> Late:
        feed, out, run = _name(), _name(), self._made(gaps)
        self.lib.latency_feed(run, feed.encode(), int(header), self.layout_hash)
        with (
            self._loop(feed, out),
            self._pinned(self.processors[0]),
            _attached(f"{out}.out", True) as reader,
        ):
            while not self.lib.latency_has_reader(run):
                time.sleep(0.001)
            time.sleep(0.2)
            self.lib.latency_start(run)
            send = self.lib.latency_send
            while run.read < run.n:
                send(run)
                self._take(run, reader)
            self.lib.latency_close(run)
        Ring.unlink(feed)
        return self._found(run)

    def _made(self, gaps: NDArray[np.float64]) -> Any:
        return self.lib.latency_make(self.ffi.from_buffer("double[]", gaps), len(gaps))

    def _send(self, run: Any, name: str, header: bool) -> None:
        """The producer's process. Does not come back."""
        os.sched_setaffinity(0, {self.processors[0]})
        if self.real_time:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        self.lib.latency_feed(run, name.encode(), int(header), self.layout_hash)
        while not self.lib.latency_has_reader(run):
            time.sleep(0.001)
        self.lib.latency_start(run)
        while self.lib.latency_send(run) < run.n:
            pass
        self.lib.latency_close(run)
        os._exit(0)

    def _take(self, run: Any, reader: RingReader) -> None:
        records = reader.read()
        if len(records):
            first = self.ffi.from_buffer("uint8_t[]", records) + reader.handle.record_header
            if self.lib.latency_read(run, first, len(records), records.dtype.itemsize):
                raise SystemExit("events are lost or out of order")

    def _found(self, run: Any) -> Late:
        late, delay = (np.frombuffer(self.ffi.buffer(at, 8 * run.n), np.uint64) for at in (run.late, run.delay))
        return late * float(run.ns_per_tick), delay * float(run.ns_per_tick)

    @contextmanager
    def _pinned(self, processor: int) -> Iterator[None]:
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {processor})
        if self.real_time:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(0, allowed)

    @contextmanager
    def _loop(self, feed: str, out: str) -> Iterator[None]:
        """The loop in a process of its own, once the feed is there. It ends when the feed is closed."""
        wait = f"until test -e /dev/shm/sevenm.{feed}; do sleep 0.01; done; exec"
        command = [sys.executable, "-m", "sevenm.cli.main", "run", self.rules, "-i", f"ring:{feed}", "--ring", out]
        pinned = ["taskset", "-c", self.processors[1], *self.real_time, *command, "--policy", "block"]
        process = subprocess.Popen(["sh", "-c", f'{wait} "$@"', "sh", *map(str, pinned)], stdout=subprocess.DEVNULL)
        try:
            yield
            if process.wait(60):
                raise SystemExit("sevenm run failed")
        finally:
            process.kill()
            process.wait()
            with contextlib.suppress(RingAbsent):
                Ring.unlink(f"{out}.out")


def _name() -> str:
    return f"bench-{uuid.uuid4().hex[:12]}"


@contextmanager
def _attached(name: str, header: bool) -> Iterator[RingReader]:
    with RingReader.attach(name, timeout=60, header=header) as reader:
        yield reader


def gaps_of(kind: str, events: int, rate: float, seed: int) -> NDArray[np.float64]:
    """Nanoseconds between events."""
    if kind == "even":
        return np.full(events, 1e9 / rate)
    return np.random.default_rng(seed).exponential(1e9 / rate, events)


def numbers(values: NDArray[np.float64]) -> dict[str, float]:
    """Without the first tenth, in which caches get warm."""
    warm = values[len(values) // 10 :]
    return {name: round(float(np.percentile(warm, percent)), 1) for name, percent in PERCENTILES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="of a run")
    parser.add_argument("--rate", type=float, default=1e6, help="events a second")
    parser.add_argument("--rules", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--real-time", action="store_true", help="SCHED_FIFO, for a machine with other work; as root")
    parser.add_argument("--json", type=Path, help="default: bench/results/latency-DATE.json")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench/latency.py needs two processors; this process may use one")
    facts = machine_facts()
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.rules, options.real_time)
        ways: dict[str, tuple[Callable[[NDArray[np.float64], bool], Late], bool]] = {
            "empty spin": (bench.spin, False),
            "one hop, bare, C": (bench.one_hop_c, False),
            "one hop, header, C": (bench.one_hop_c, True),
            "one hop, bare, Python": (bench.one_hop_python, False),
            "floor, bare, C": (bench.floor_c, False),
            "floor, header, C": (bench.floor_c, True),
            f"through {options.rules} rules, bare, C": (bench.through_c, False),
            f"through {options.rules} rules, header, C": (bench.through_c, True),
            f"through {options.rules} rules, bare, Python": (bench.through_python, False),
        }
        for number in range(options.runs):
            for pattern in ("even", "poisson"):
                gaps = gaps_of(pattern, options.events, options.rate, number)
                for name, (measure, header) in ways.items():
                    before = bench.round_trip()
                    late, delay = measure(gaps, header)
                    trips = {"before": before, "after": bench.round_trip()}
                    run = {"late": numbers(late), "delay": numbers(delay), "round trip": trips}
                    found.setdefault(f"{pattern}, {name}", []).append(run)
    print(f"{facts['cpu']}, {facts['date']}: ns, medians of {options.runs} runs; late, and in brackets delay")
    for name, runs in sorted(found.items()):
        cells = [
            f"{percent} {statistics.median(run['late'][percent] for run in runs):9.0f} "
            f"({statistics.median(run['delay'][percent] for run in runs):9.0f})"
            for percent in PERCENTILES
        ]
        near = [trip for run in runs for trip in run["round trip"].values()]
        print(f"{name:42} {'  '.join(cells)}  round trip of a line {min(near):.0f} to {max(near):.0f}")
    settings = {key: getattr(options, key) for key in ("events", "rate", "rules", "runs", "real_time")}
    body = {"question": "from arrival to application", "machine": facts, "settings": settings, "nanoseconds": found}
    save("latency", body, options.json)


if __name__ == "__main__":
    main()
