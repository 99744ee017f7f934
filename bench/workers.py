"""Question: what do two workers do that one does not, on two processors, and what does a line cost that both write to?

    python bench/workers.py [--events N] [--frames N] [--runs N] [--json FILE]

**memory**: a worker is a thread, pinned to a processor of its own, with a loop in C that matches 64-byte records from
memory against 100 rules and delivers 10 % into a ring of its own, which is emptied between runs. One worker, then two
side by side, each on as many records; by turns. Events a second are of all workers by the clock on the wall, and
nanoseconds an event are processor time of the worker's thread: with the first, others on the machine are in the way;
with the second, only what workers cost each other (shared lines, caches, memory).

**veth**: one process sends frames of 512 flows over a virtual wire as fast as it can, and one worker, then two, match
and count them. The sender, and the kernel's part of receiving, which on veth is the sender's, need a processor as well:
on a machine of two the workers do not have it to themselves.

**line**: additions to a counter in a line of one's own, to one's own counter in a line that the other writes to as
well, and to one counter for both (bench/line_probe.c).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _results import save
from path import EVENT, events, rules

import sevenm
from sevenm.bundles import bundle_for
from sevenm.compiler import compile_text
from sevenm.events import open_split
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.ingress import RecordsIngress
from sevenm.host.engine.loop import Loop, Program, Why
from sevenm.host.live.until import Until
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.workers import Workers

HERE = Path(__file__).resolve().parent
RULES, PERCENT, SLOTS, FLOWS = 100, 10, 1 << 19, 512
NEAR, FAR = "bw0", "bw1"
PACKETS = """
rules wire on packet all {
  rule dns: udp.dstport == 53 => count dns
  rule all: ip                => count seen
}
"""
SENDER = """
import socket, struct, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((sys.argv[1], 0))
head = bytes.fromhex("020000000002 020000000001 0800")
def frame(flow):
    ends = bytes((10, 0, flow >> 8, flow & 255)) + bytes((10, 9, 9, 9))
    ip = struct.pack(">BBHHHBBH8s", 0x45, 0, 46, 0, 0, 64, 17, 0, ends)
    return head + ip + struct.pack(">HHHH", 1000 + flow, 53, 26, 0) + bytes(18)
frames = [frame(flow) for flow in range(int(sys.argv[2]))]
for number in range(int(sys.argv[3])):
    link.send(frames[number % len(frames)])
"""


class Worker:
    """A thread's loop over records in memory, with a ring of its own."""

    def __init__(self, stack: ExitStack, bundle: Any, layout: int, cpu: int) -> None:
        self.cpu = cpu
        self.accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
        engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
        name = f"bench-{uuid.uuid4().hex[:12]}"
        writer = stack.enter_context(RingWriter.create(name, SLOTS, 96, data_dtype=EVENT, layout_hash=layout))
        stack.callback(Ring.unlink, name, force=True)
        self.reader = stack.enter_context(RingReader.attach(name, EVENT))
        self.loop = Loop()
        self.loop.publish(Program(engine, self.accounts, [self.loop.outlet(writer.handle, backlog=0)], 1))
        stack.callback(self.loop.close)

    def work(self, data: Any, gate: threading.Barrier, cpu_ns: list[float]) -> None:
        os.sched_setaffinity(0, {self.cpu})
        ingress = RecordsIngress(data, 64, burst=1024)
        gate.wait()
        began = time.thread_time_ns()
        assert self.loop.run(ingress) is Why.END
        cpu_ns.append(time.thread_time_ns() - began)

    def empty(self) -> int:
        taken = 0
        while len(records := self.reader.read()):
            taken += len(records)
        self.reader.release()
        return taken


def memory(stack: ExitStack, count: int, cpus: list[int]) -> Callable[[int], tuple[float, float]]:
    """Measures so many workers: million events a second by the wall, and ns of processor an event."""
    plan = sevenm.compile(rules(RULES)).plan
    bundle = stack.enter_context(bundle_for(plan, False))
    made = [Worker(stack, bundle, plan.layouts[0].hash, cpu) for cpu in cpus]
    data = [events(count, RULES, PERCENT) for _ in cpus]
    matching = int((data[0]["kind"] < RULES).sum())

    def measure(n: int) -> tuple[float, float]:
        gate, cpu_ns = threading.Barrier(n + 1), list[float]()
        threads = [threading.Thread(target=made[i].work, args=(data[i].view("u1"), gate, cpu_ns)) for i in range(n)]
        for thread in threads:
            thread.start()
        gate.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        if [worker.empty() for worker in made[:n]] != [matching] * n:
            raise AssertionError("a worker did not deliver what matched")
        return n * count / seconds / 1e6, statistics.mean(cpu_ns) / count

    return measure


def veth(stack: ExitStack, frames: int) -> Callable[[int], tuple[float, float, int]]:
    """Measures so many workers: thousand events a second by the wall, us of processor an event, and dropped frames."""
    ip = ["ip", "link"]
    subprocess.run([*ip, "add", NEAR, "type", "veth", "peer", "name", FAR], check=True)
    stack.callback(subprocess.run, [*ip, "del", NEAR], check=True)
    for name in (NEAR, FAR):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        subprocess.run([*ip, "set", name, "up"], check=True)
    plan = compile_text(PACKETS, "wire").plan
    bundle = stack.enter_context(bundle_for(plan, False))
    device = stack.enter_context(HostDevice())
    start(device, bundle)

    def measure(n: int) -> tuple[float, float, int]:
        with closing(open_split(NEAR, plan, n)) as parts:
            parts.begin()
            workers, until = Workers(device, bundle, n), Until()

            def send() -> None:
                subprocess.run([sys.executable, "-c", SENDER, FAR, str(FLOWS), str(frames)], check=True)
                time.sleep(0.3)
                until.stop()

            helper = threading.Thread(target=send)
            before = time.process_time()
            helper.start()
            report = workers.run(parts, until=until)
            helper.join()
            used = time.process_time() - before
        counts = report.ingress
        if report.events + counts["left"] + counts["dropped"] != frames or report.counters["seen"] != report.events:
            raise AssertionError(f"{frames} frames sent, and {report.events} decided, {counts}")
        return report.events / report.seconds_total / 1e3, used / report.events * 1e6, counts["dropped"]

    return measure


def line(cpus: list[int], runs: int) -> dict[str, list[float]]:
    """Nanoseconds an addition, by how the line is used."""
    ways = ("a line for each", "two counters in one line", "one counter, atomic")
    with tempfile.TemporaryDirectory() as folder:
        target = f"{folder}/line_probe.so"
        command = ["gcc", "-O2", "-std=c11", "-shared", "-fPIC", "-pthread", "-o", target]
        subprocess.run([*command, str(HERE / "line_probe.c")], check=True)
        probe = ctypes.CDLL(target).line_ns
        probe.restype = ctypes.c_double
        out: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(runs):
            for how, way in enumerate(ways):
                out[way].append(probe(how, *cpus[:2]))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=2_000_000, help="of each worker and run, from memory")
    parser.add_argument("--frames", type=int, default=200_000, help="of each run, over veth; 0: without it")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path, help="default: bench/results/workers-DATE.json")
    options = parser.parse_args()
    cpus, facts = sorted(os.sched_getaffinity(0))[:2], machine_facts()
    if len(cpus) < 2:
        raise SystemExit("two processors are needed")
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        by_memory = memory(stack, options.events, cpus)
        for number in range(options.runs + 1):
            for n in (1, 2) if number % 2 else (2, 1):
                rate, cost = by_memory(n)
                if number:  # the first one is for warming up
                    found.setdefault(f"memory, {n} workers: M events/s", []).append(rate)
                    found.setdefault(f"memory, {n} workers: processor ns/event", []).append(cost)
        ratios = zip(*(found[f"memory, {n} workers: M events/s"] for n in (2, 1)), strict=True)
        found["memory: two to one"] = [two / one for two, one in ratios]
        if options.frames and os.geteuid() != 0:
            print("veth is left out: making interfaces needs root")
        elif options.frames:
            by_veth = veth(stack, options.frames)
            for number in range(options.runs):
                for n in (1, 2) if number % 2 else (2, 1):
                    rate, cost, dropped = by_veth(n)
                    found.setdefault(f"veth, {n} workers: k events/s", []).append(rate)
                    found.setdefault(f"veth, {n} workers: processor us/event", []).append(cost)
                    found.setdefault(f"veth, {n} workers: dropped", []).append(dropped)
    for way, times in line(cpus, options.runs).items():
        found[f"line, {way}: ns/addition"] = times
    facts["load after"] = f"{os.getloadavg()[0]:.1f}"
    print(f"{facts['cpu']}, {facts['date']}, load {facts['load']}: min / median / max")
    results: dict[str, Any] = {}
    for name, values in found.items():
        results[name] = {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}
        print(f"{name:42} {min(values):9.2f} / {statistics.median(values):9.2f} / {max(values):9.2f}")
    settings = {key: getattr(options, key) for key in ("events", "frames", "runs")}
    body = {"question": "one worker and two, on two processors", "machine": facts, "settings": settings}
    save("workers", body | {"results": results}, options.json)


if __name__ == "__main__":
    main()
