"""The kernel drops exactly what the prefilter's Plan says, and nothing that a rule wants.

The program is run by the kernel on bytes (BPF_PROG_TEST_RUN), so no interface is needed. Two comparisons: the kernel's
verdict with the reference's on the weakened Plan, which has to be the same on every packet; and what was dropped with
the reference's on the rules as they were written, where no rule may fire.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.xdp.emit import Prefilter, emit
from sevenm.compiler.backends.xdp.target import NoPrefilter
from sevenm.compiler.plan import Block, Plan, Rule, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.reference import Decisions, evaluate
from sevenm.compiler.solver import EventSolver
from sevenm.host.batch import EventBatch
from sevenm.host.live.xdp_bpf import Code, Map, Program
from sevenm.host.live.xdp_program import AF_XDP, COUNTS, COUNTS_BYTES, REDIRECT, SCRATCH_BYTES, compile_program
from sevenm.host.native import native
from sevenm.sim.packets import batch as generated
from sevenm.sim.rule_sets import RuleSets
from tests.compiler.generated_c import boundary_events, random_graph

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LEAST, MOST = 14, 3400
"""Bytes of a frame that the kernel runs a program on."""
SETS = 400 if os.environ.get("SEVENM_SOAK") else 16
GRAPHS = 300 if os.environ.get("SEVENM_SOAK") else 12
KINDS = ({}, {"tables": True}, {"far": True}, {"tables": True, "far": True, "prev": True})

pytestmark = pytest.mark.needs("clang")
Verdicts = Callable[[str, EventBatch], np.ndarray]


class Kernel:
    """Runs programs on packets; queue 0 has a socket, which is bound to nothing."""

    def __init__(self) -> None:
        self.lib = native().lib
        kinds = (("XSKMAP", 4, 1), ("PERCPU_ARRAY", COUNTS_BYTES, 1))
        self.maps = [Map(f"BPF_MAP_TYPE_{kind}", size, entries) for kind, size, entries in kinds]
        self.socket = socket.socket(AF_XDP, socket.SOCK_RAW)
        self.maps[0].put(0, struct.pack("<i", self.socket.fileno()))

    def program(self, code: Code, sockets: Map | None = None) -> Program:
        """With room to work in of its own."""
        scratch = Map("BPF_MAP_TYPE_PERCPU_ARRAY", SCRATCH_BYTES)
        made = Program(code, [sockets or self.maps[0], self.maps[1], scratch])
        scratch.close()
        return made

    def received(self, text: str, events: EventBatch) -> np.ndarray:
        """(n,) whether a packet is redirected to the socket; all others are dropped, and counted with their bytes."""
        program = self.program(compile_program(text))
        before = self.counts()
        out = np.zeros(len(events), np.bool_)
        try:
            for number in range(len(events)):
                verdict = program.run(events.data(number))
                assert verdict in (self.lib.XDP_DROP, self.lib.XDP_REDIRECT)
                out[number] = verdict == self.lib.XDP_REDIRECT
        finally:
            program.close()
        dropped = [int((~out).sum()), int(events.events["cap_len"][~out].sum())]
        assert (self.counts() - before).tolist() == dropped
        return out

    def counts(self) -> np.ndarray:
        return np.frombuffer(self.maps[COUNTS].get(0), np.uint64).reshape(-1, 2).sum(axis=0).astype(np.int64)

    def close(self) -> None:
        for one in self.maps:
            one.close()
        self.socket.close()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    try:
        made = Kernel()
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT):
            pytest.skip(f"root: loading XDP programs: {error.strerror}")
        raise
    yield made
    made.close()


def fitting(events: EventBatch) -> EventBatch:
    """Those that the kernel takes, as they are on a wire: whole."""
    data = [events.data(number) for number in range(len(events))]
    return EventBatch.from_bytes([one for one in data if LEAST <= len(one) <= MOST])


@pytest.fixture(scope="module")
def frames() -> EventBatch:
    return fitting(generated(11, 900))


@pytest.fixture(scope="module")
def edges() -> EventBatch:
    """Bytes at the ends of their ranges, and lengths around every window."""
    buffer, events = boundary_events(5, 500)
    return fitting(EventBatch(buffer, events))


def decide(plan: Plan, events: EventBatch) -> Decisions:
    table = events.events
    return evaluate(plan, events.buffer, table["offset"], table["cap_len"], table["wire_len"], table["ts_ns"])


def without_defaults(plan: Plan) -> Plan:
    """The rules that do not want everything, side by side."""
    rules = tuple(replace(r, block=0) for r in plan.rules if not r.default and plan.nodes[r.when].op != "const")
    return replace(plan, rules=rules, blocks=(Block("b", "all", 0, len(rules)),))


def compare(kernel: Kernel, plan: Plan, made: Prefilter, events: EventBatch) -> tuple[int, int]:
    """Packets that were dropped, and those that were received though no rule fires and the window holds all that
    matters."""
    seen = decide(made.plan, events)
    expected = seen.fired[0] | seen.punt
    got = kernel.received(made.text, events)
    wrong = np.flatnonzero(got != expected)
    assert not len(wrong), f"{len(wrong)} differ, the first one: {events.data(int(wrong[0])).hex()}"
    fired = decide(plan, events).fired.any(axis=0)
    assert not (fired & ~got).any(), "a packet was dropped that a rule wants"
    return int((~got).sum()), int((got & ~fired & ~seen.punt).sum())


def test_the_kernel_drops_what_no_generated_rule_wants(kernel: Kernel, frames: EventBatch) -> None:
    dropped = spare = made_of = 0
    for number in range(SETS):
        plan = compile_text(RuleSets(Random(number), **KINDS[number % 4]).block("b").text, "t").plan
        plan = without_defaults(plan)
        try:
            made = emit(plan)
        except NoPrefilter:
            continue
        out = compare(kernel, plan, made, frames)
        made_of += 1
        dropped, spare = dropped + out[0], spare + (0 if made.weak else out[1])
    assert made_of >= SETS // 2
    assert dropped > 200 * made_of, "most rules want few packets"
    assert spare == 0


def test_the_kernel_computes_every_operation_as_the_reference_does(kernel: Kernel, edges: EventBatch) -> None:
    """Random graphs. A condition that is nearly always true would hide the others, so each gets its turn."""
    compared = 0
    for seed in range(GRAPHS):
        g, conditions = random_graph(seed)
        for when in conditions[-4:]:
            nodes, new = prune(g.nodes, [when, g.false])
            never = new[g.false]
            plan = Plan(
                "t", "packet", nodes, (Rule("r", 0, new[when]),), (Block("b", "all", 0, 1),), never, never, never
            )
            try:
                made = emit(plan)
            except NoPrefilter:
                continue
            compare(kernel, plan, made, edges)
            compared += 1
    assert compared > GRAPHS


def test_packets_on_the_edge_of_each_comparison_are_told_apart(kernel: Kernel) -> None:
    text = """
    rules r on packet all {
      rule web: tcp.dstport in {80, 443, 8000..8100} => deliver a
      rule far: ip.src in {10.0.0.0/8, 192.168.1.7} and ip.ttl < 5 => count n
      rule six: ipv6.dst == 2001:db8::1 or ipv6.src in {fe80::/10} => deliver a
      rule odd: (ip.len - 20) % 7 == 3 and udp => drop
    }
    """
    plan = compile_text(text, "edge").plan
    made = emit(plan)
    assert made.weak == {}
    solver = EventSolver(plan)
    found = [event.data for rule in plan.rules[::2] for event in solver.boundaries(rule.when)]
    events = EventBatch.from_bytes([data for data in found if LEAST <= len(data) <= MOST])
    assert len(events) > 10
    dropped, spare = compare(kernel, plan, made, events)
    assert dropped > 3 and spare == 0


def test_real_packets_are_dropped_only_where_no_rule_fires(
    kernel: Kernel, captures_dir: Path, readable: Callable[[Path], EventBatch]
) -> None:
    plan = compile_text((EXAMPLES / "alarms.7m").read_text(), "alarms").plan
    made = emit(plan)
    files = sorted(captures_dir.iterdir())[::4]
    events = fitting(EventBatch.joined([readable(path).slice(0, 200) for path in files]))
    assert len(events) > 500
    dropped, spare = compare(kernel, plan, made, events)
    assert dropped > 100 and spare == 0


FAULTS = {
    "a comparison the wrong way round": ("(~a & b) | ((~a | b) & (a - b))", "(a & ~b) | ((a | ~b) & (b - a))"),
    "equal is not equal": (">> 63) ^ 1; }", ">> 63); }"),
    "one byte of the window too few": ("(WINDOW - 1)", "(WINDOW / 4 - 1)"),
    "bytes in the wrong order": ("__builtin_bswap16((u16)le16(at))", "le16(at)"),
    "an address cut in half": ("PAIR(be64(at), be64(at + 8))", "(wide)be64(at)"),
    "a rule forgotten": ("        return redirect(MAP(0), queue, XDP_PASS);\n    __asm__", "        ;\n    __asm__"),
    "a value that is skipped though it counts": ("    if (work->words[", "    if (0 & work->words["),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_wrong_program_is_found(fault: str, kernel: Kernel, frames: EventBatch, edges: EventBatch) -> None:
    """The comparison above sees each of these."""
    text = """
    rules r on packet all {
      rule a: ip.src < ip.dst and tcp.srcport > tcp.dstport => deliver a
      rule b: ipv6.src == 2001:db8::1 or ipv6.dst in {fe80::/10, ff02::/16} => deliver a
      rule c: eth.src < eth.dst and udp.length == 8 => count n
      rule d: frame[0:8] < frame[8:8] => deliver a
    }
    """
    plan = compile_text(text, "t").plan
    made = emit(plan)
    both = EventBatch.joined([frames, edges])
    compare(kernel, plan, made, both)
    old, new = FAULTS[fault]
    assert old in made.text
    with pytest.raises(AssertionError, match="differ, the first one"):
        compare(kernel, plan, replace(made, text=made.text.replace(old, new)), both)


def test_a_queue_without_a_socket_is_left_to_the_kernel(kernel: Kernel) -> None:
    lib = kernel.lib
    plan = compile_text("rules r on packet all { rule a: tcp.dstport == 80 => deliver a }", "t").plan
    none = Map("BPF_MAP_TYPE_XSKMAP", 4, 1)
    codes = (compile_program(emit(plan).text), REDIRECT)
    before = kernel.counts().tolist()
    for sockets, verdicts in ((none, [lib.XDP_PASS] * 2), (kernel.maps[0], [lib.XDP_DROP, lib.XDP_REDIRECT])):
        programs = [kernel.program(code, sockets) for code in codes]
        assert [program.run(bytes(60)) for program in programs] == verdicts
        for program in programs:
            program.close()
    assert (kernel.counts() - before).tolist() == [1, 60]
    none.close()


def test_the_largest_graph_that_is_made_is_verified(kernel: Kernel, frames: EventBatch) -> None:
    """Many rules, as the verifier walks a program with branches only where a rule lets a packet through."""
    lines = [
        f"  rule r{n}: tcp.dstport == {80 + n} and ip.src in {{10.{n % 256}.0.0/16}} => deliver a" for n in range(300)
    ]
    plan = compile_text("rules r on packet all {\n" + "\n".join(lines) + "\n}", "t").plan
    dropped, _ = compare(kernel, plan, emit(plan), frames)
    assert dropped > 500


def test_large_sets_of_wide_values_leave_room_on_the_stack(kernel: Kernel, edges: EventBatch) -> None:
    g = Graph()
    address = g.load(g.false, 20, 16)
    when = g.member(address, [(n << 121, (n << 121) + (1 << 119)) for n in range(60)])
    plan = Plan("t", "packet", tuple(g.nodes), (Rule("r", 0, when),), (Block("b", "all", 0, 1),), 0, 0, 0)
    dropped, spare = compare(kernel, plan, emit(plan), edges)
    assert dropped > 20 and spare == 0


def test_a_place_past_all_bounds_is_let_through() -> None:
    g = Graph()
    when = g.eq(g.load(g.load(g.false, 20, 16), 2, 1), g.const(1))
    plan = Plan("t", "packet", tuple(g.nodes), (Rule("r", 0, when),), (Block("b", "all", 0, 1),), 0, 0, 0)
    with pytest.raises(
        NoPrefilter, match=r"^b\.r wants every packet, or depends on an operation \(load\) on more than 64"
    ):
        emit(plan)


def test_graphs_without_rules_are_refused() -> None:
    g = Graph()
    plan = Plan("t", "packet", (g.nodes[g.false],), (), (), 0, 0, 0)
    assert "work->words[0]" not in emit(plan).text, "no rule wants anything: everything is dropped"
