"""Question: what does matching cost beside bare AF_XDP, and what does the prefilter save?

Frames come over a veth pair, made and sent by the kernel on one processor (an XDP program run on live frames), which
also does all that the kernel does for the receiver; the other processor receives. Runs are interleaved: AF_XDP that
receives and gives back (bare), the same with a rule matched and counted (matched), with the prefilter as well
(prefiltered), and tcpdump with the same filter, which writes what it finds to /dev/null. A run's rate is frames that
were dealt with (received, or dropped by a filter) by the time from the first frame to the last; frames that the kernel
dropped for want of room are not dealt with, and are shown. All frames are accounted for, or the benchmark fails.

    python bench/xdp.py [--frames N] [--runs N] [--json FILE]

Needs root, ip(8), tcpdump, clang, Linux 5.18 and two processors.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _results import save

from sevenm import boundary
from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.engine.toolchain import find_compiler
from sevenm.host.live.xdp import open_queues
from sevenm.host.live.xdp_bpf import Program as Sender
from sevenm.host.live.xdp_program import compile_program
from sevenm.prefilter import drop_unwanted

HERE = Path(__file__).parent
NEAR, FAR, SPACE = "sevenmb0", "sevenmb1", "sevenmbench"
SIZE = 64
HITS = (10, 512)
"""Frames of 1,024 that the filter finds."""
FILTER = "udp dst portrange 5000-5003 and src net 10.0.0.0/8"
RULES = "rules r on packet all { rule a: udp.dstport in {5000..5003} and ip.src in {10.0.0.0/8} => count n }"
QUIET_S = 0.2


def frame() -> bytes:
    """UDP over IPv4 to port 5001; the source is the sender's affair."""
    ip = bytes([0x45, 0, 0, SIZE - 14]) + bytes(4) + bytes([64, 17, 0, 0, 20, 0, 0, 1, 10, 0, 0, 1])
    udp = (7000).to_bytes(2, "big") + (5001).to_bytes(2, "big") + (SIZE - 34).to_bytes(2, "big") + bytes(2)
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + b"\x08\x00" + ip + udp + bytes(SIZE - 42)


@contextmanager
def wire() -> Iterator[None]:
    def ip(*words: str, check: bool = True) -> None:
        subprocess.run(["ip", *words], check=check, capture_output=not check)

    ip("netns", "del", SPACE, check=False)
    ip("link", "del", NEAR, check=False)
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", SPACE)
        Path(f"/proc/sys/net/ipv6/conf/{NEAR}/disable_ipv6").write_text("1")
        subprocess.run(
            ["ip", "netns", "exec", SPACE, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{FAR}/disable_ipv6"],
            check=True,
        )
        subprocess.run(["ethtool", "-K", NEAR, "gro", "on"], check=True)  # its queue takes frames, without XDP too
        ip("link", "set", NEAR, "up")
        ip("-n", SPACE, "link", "set", FAR, "up")
        yield
    finally:
        ip("link", "del", NEAR, check=False)
        ip("netns", "del", SPACE)


def harness(folder: Path) -> Path:
    boundary.write_header(folder)
    target = folder / "harness.so"
    csrc = HERE.parent / "host" / "csrc"
    command = [*find_compiler()[:1], "-O2", "-D_GNU_SOURCE", f"-I{csrc}", f"-I{folder}", "-shared", "-fPIC"]
    subprocess.run([*command, str(HERE / "xdp_harness.c"), "-o", str(target)], check=True)
    return target


def send(library: Path, hits: int, n: int, go: Any, done: Any) -> None:
    """The sender's process: on processor 0, in the namespace."""
    os.sched_setaffinity(0, {0})
    lib = ctypes.CDLL(str(library))
    program = Sender(compile_program(f"#define HITS {hits}\n{(HERE / 'xdp_send.c').read_text()}"), [])
    with Path(f"/run/netns/{SPACE}").open() as space:
        assert ctypes.CDLL(None).setns(space.fileno(), 0) == 0
    interface = socket.if_nametoindex(FAR)
    go.wait()
    done.value = n if lib.bench_send(program.fd, interface, frame(), SIZE, n) == 0 else 0


@dataclass(frozen=True)
class Run:
    """``handled``: received, and dropped by the prefilter."""

    sent: int
    handled: int
    prefiltered: int
    dropped: int
    hits: int | None
    seconds: float

    @property
    def rate(self) -> float:
        return self.handled / self.seconds / 1e6


class Bench:
    def __init__(self, folder: Path, n: int) -> None:
        self.n, self.library = n, harness(folder)
        self.lib = ctypes.CDLL(str(self.library))
        self.lib.bench_bare.restype = ctypes.c_uint64
        self.plan: Plan = compile_text(RULES, "bench").plan
        self.bundle = Bundle.open(write_bundle(self.plan, folder / "bundle", gateware=False))
        self.engine = load_engine(self.bundle.read("engine.c"), self.bundle.structure, len(self.bundle.rules))

    def _sender(self, hits: int) -> tuple[Any, Any, Any]:
        context = multiprocessing.get_context("fork")
        go, done = context.Event(), context.Value("Q", 0)
        process = context.Process(target=send, args=(self.library, hits, self.n, go, done))
        process.start()
        return process, go, done

    def xdp(self, hits: int, matches: bool, filters: bool) -> Run:
        process, go, done = self._sender(hits)
        accounts = Accounts(self.bundle.rules, 0, 1)
        with open_queues(NEAR) as ingress, Loop() as loop:
            if filters:
                drop_unwanted(ingress, self.plan)
            loop.publish(Program(self.engine, accounts, [], 1))
            pointer = ctypes.c_void_p(int(ingress.ffi.cast("uintptr_t", ingress.pointer)))
            ingress.begin()
            time.sleep(QUIET_S)
            step: Callable[[], object] = (
                (lambda: loop.run(ingress)) if matches else (lambda: self.lib.bench_bare(pointer))
            )
            go.set()
            start = last = time.perf_counter()
            seen = 0
            while process.is_alive() or time.perf_counter() - last < QUIET_S:
                step()
                if ingress.position != seen:
                    seen, last = ingress.position, time.perf_counter()
                elif process.is_alive():
                    last = time.perf_counter()
                ingress.wait(0.01)
            process.join()
            ingress.finish()
            counts = ingress.counters()
        found = int(accounts.counters[0]) if matches else None
        handled = counts["received"] + counts["prefiltered"]
        assert handled + counts["dropped"] == done.value, "every frame is counted"
        assert not filters or counts["received"] == found, "what no rule wants was dropped"
        return Run(done.value, handled, counts["prefiltered"], counts["dropped"], found, last - start)

    def tcpdump(self, hits: int) -> Run:
        process, go, done = self._sender(hits)
        command = [
            "taskset",
            "-c",
            "1",
            "tcpdump",
            "-n",
            "-i",
            NEAR,
            "-Q",
            "in",
            "-B",
            "16384",
            "-w",
            "/dev/null",
            FILTER,
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
            time.sleep(5 * QUIET_S)
            go.set()
            start = time.perf_counter()
            process.join()
            seconds = time.perf_counter() - start
            time.sleep(5 * QUIET_S)
            child.terminate()
            said = child.communicate()[1]
        captured, dropped = (int(re.findall(rf"(\d+) packets {what}", said)[0]) for what in ("captured", "dropped"))
        return Run(done.value, done.value - dropped, done.value - captured - dropped, dropped, captured, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="default: bench/results/xdp-DATE.json")
    given = parser.parse_args()
    if os.geteuid() != 0 or (os.cpu_count() or 1) < 2:
        print("needs root and two processors; nothing was measured", file=sys.stderr)
        return 0
    facts = machine_facts()
    os.sched_setaffinity(0, {1})
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, wire():
        bench = Bench(Path(folder), given.frames)
        for hits in HITS:
            ways: dict[str, Callable[[int], Run]] = {
                "bare": lambda hits: bench.xdp(hits, False, False),
                "matched": lambda hits: bench.xdp(hits, True, False),
                "prefiltered": lambda hits: bench.xdp(hits, True, True),
                "tcpdump": bench.tcpdump,
            }
            runs: dict[str, list[Run]] = {way: [] for way in ways}
            for _ in range(given.runs):
                for way, run in ways.items():
                    runs[way].append(run(hits))
            for way, made in runs.items():
                ratios = [ours.rate / bare.rate for ours, bare in zip(made, runs["bare"], strict=True)]
                rates, dropped = [one.rate for one in made], [one.dropped / one.sent for one in made]
                shown, beside = (
                    " / ".join(f"{x:.2f}" for x in (min(what), statistics.median(what), max(what)))
                    for what in (rates, ratios)
                )
                print(
                    f"{hits / 1024:4.0%} hits  {way:12} {shown} million a second, {beside} of bare, "
                    f"dropped {statistics.median(dropped):.1%}"
                )
                results.append({"hits": hits / 1024, "way": way, "ratios": ratios, "runs": [vars(one) for one in made]})
    save("xdp", {"machine": facts, "results": results}, given.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
