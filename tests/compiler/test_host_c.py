"""The generated C against the reference model: every operation, every build of the lanes, any length of event."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sevenm import boundary
from sevenm.compiler import compile_filter
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.backends.c.guards import ALWAYS, guards
from sevenm.compiler.plan.graph import Graph, live
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import open_capture
from tests.compiler.generated_c import (
    BUILDS,
    boundary_struct,
    build,
    check,
    compiler,
    expected,
    match,
    pack_events,
    plan_of,
    random_graph,
)

pytestmark = pytest.mark.needs("compiler")


@pytest.mark.parametrize("name", BUILDS)
def test_random_graphs_match_the_reference(name: str, tmp_path: Path, soak: bool) -> None:
    """Several graphs side by side in one Plan, so that one compilation tests many."""
    graphs = [random_graph(seed) for seed in range(400 if soak else 14)]
    plans = [plan_of(g, [*c[-150:]], "first" if i % 3 == 0 else "all") for i, (g, c) in enumerate(graphs) if len(c) > 3]
    check(plans, tmp_path, BUILDS[name], 1)


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), events=st.integers(0, 2**32))
def test_hypothesis_graphs_match_the_reference(seed: int, events: int, tmp_path: Path) -> None:
    g, conditions = random_graph(seed, 160)
    if len(conditions) > 3:
        check([plan_of(g, conditions)], tmp_path / str(seed), ["-march=native"], events)


@pytest.mark.parametrize("name", BUILDS)
def test_neighbouring_fields_are_taken_apart(name: str, tmp_path: Path) -> None:
    """Every width, byte order and offset that one read can hold, at a fixed place and behind a base of the packet."""
    packets = [bytes([first, *(37 * i + 11 & 0xFF for i in range(20))]) for first in range(6)]
    packets = [packet[:length] for packet in packets for length in range(15)]
    buffer, events = pack_events(packets)
    plans = []
    for pair in [(a, b) for a in range(4) for b in range(1, 5 - a)]:
        g, conditions = Graph(), []
        base = g.bits(g.load(g.false, 0, 1), 0, 3)
        for at in (base, g.const(1)):
            for little in (False, True):
                value = g.load(at, *pair, little)
                conditions += [value, g.load(at, 0, 1), g.load(at, 3, 1)]
        conditions = [g.eq(g.bits(v, bit, 1), g.true) for v in conditions for bit in range(g[v].width)]
        plans.append(plan_of(g, conditions))
    for plan, library in zip(plans, build(plans, tmp_path, BUILDS[name]), strict=True):
        assert (match(library, plan, buffer, events) == expected(plan, buffer, events)).all()


def rare_conditions(g: Graph) -> list[int]:
    """Costly values that count only behind a condition on byte 0, one inside of the other, and a base among them."""
    first = g.load(g.false, 0, 1)
    inner = g.all(g.eq(first, g.const(1)), g.lt(g.load(g.false, 1, 1), g.const(9)))
    base = g.add(g.load(g.false, 2, 1), g.const(4))
    moved = g.mux(inner, g.load(base, 0, 1), g.const(5))
    far = [g.load(moved, at, 2) for at in (40, 80, 120)]
    total = g.add(g.add(far[0], far[1]), g.mul(far[2], g.load(moved, 160, 4)))
    other = g.mux(g.eq(first, g.const(2)), g.div(total, 7), g.load(g.load(g.false, 3, 1), 1, 4))
    return [
        g.all(inner, g.lt(g.const(90000), total)),
        g.all(g.eq(first, g.const(1)), g.any(g.eq(g.mod(total, 3), g.const(0)), inner)),
        g.lt(other, g.const(1 << 30)),
        inner,
    ]


@pytest.mark.parametrize("name", BUILDS)
def test_what_no_event_of_a_chunk_needs_is_skipped_and_changes_nothing(name: str, tmp_path: Path) -> None:
    """Chunks of 64 in which the condition holds for no event, for one, for some and for all, after one another."""
    g = Graph()
    plan = plan_of(g, rare_conditions(g))
    assert emit(plan).count("\n    if (") >= 3
    (library,) = build([plan], tmp_path, BUILDS[name])
    rng = random.Random(11)
    packets = []
    for kinds in ("0", "1", "2", "0001", "012", "3", "1" + 63 * "0", "1", 63 * "0" + "2", "0", "12", "0"):
        for i in range(64):
            body = rng.choices([0, 1, 7, 8, 9, 200, 255], k=rng.choice([0, 1, 5, 60, 250, 300]))
            packets.append(bytes([int(kinds[i % len(kinds)]), *body]))
    buffer, events = pack_events(packets)
    want = expected(plan, buffer, events)
    assert want.any(axis=1).all() and not want.all(axis=1).any()
    assert (match(library, plan, buffer, events) == want).all()
    backwards = np.ascontiguousarray(events[::-1])
    assert (match(library, plan, buffer, backwards) == want[:, ::-1]).all()


def test_extension_headers_are_walked_only_where_there_are_some() -> None:
    text = emit(compile_filter("udp").plan)
    stage = text[text.index("static void stage_0") :].split("\n")
    gathers = [line for line in stage if "/* gather */" in line]
    assert gathers.count("    EACH { /* gather */") == 1
    assert gathers.count("        EACH { /* gather */") == len(gathers) - 1 >= 2


def test_a_guard_says_where_a_value_is_needed() -> None:
    g = Graph()
    c, d, e = (g.eq(g.load(g.false, at, 1), g.const(3)) for at in range(3))
    x, y, z = (g.load(g.false, at, 4) for at in (8, 12, 16))
    only = g.all(c, d, g.lt(g.add(x, y), g.const(1000)))
    shared = g.lt(g.mux(c, g.add(x, z), g.const(7)), g.const(1000))
    roots = [only, g.all(e, shared)]
    order = live(g.nodes, roots)
    found = guards(
        g.nodes, order, dict.fromkeys(roots, ALWAYS), lambda ref: g[ref].args, lambda ref: int(g[ref].op == "load"), 1
    )
    under = {name: sorted(sorted(part) for part in found[ref]) for name, ref in (("x", x), ("y", y), ("z", z))}
    assert under["y"] == [sorted([2 * c, 2 * d])], "what stands before it in the conjunction"
    assert under["z"] == sorted([[2 * c], [2 * e]]), "the arm, and the conjunction around the mux"
    assert under["x"] == [[2 * c]], "what both uses have in common"
    assert not found[c] and not found[only]


def test_large_plans_are_cut_into_stages(tmp_path: Path) -> None:
    g = Graph()
    conditions = [g.eq(g.load(g.false, 0, 1), g.const(1))]
    for i in range(1500):
        x = g.load(g.false, i % 40, 2)
        conditions.append(g.all(conditions[i // 2], g.invert(g.eq(g.bits(x, i % 7, 9), g.const(i % 512)))))
    plan = plan_of(g, conditions, "first")
    assert emit(plan).count("__attribute__((noinline)) void stage_") > 3
    check([plan], tmp_path, BUILDS["portable"], 3)


def header_conditions(g: Graph) -> list[int]:
    """Ethernet, one VLAN tag, IPv4 with options, IPv6, TCP and UDP ports: conditions as a rule file would have them."""
    tag = g.load(g.false, 12, 2)
    tagged = g.eq(tag, g.const(0x8100))
    l3 = g.mux(tagged, g.const(18), g.const(14))
    ethertype = g.mux(tagged, g.load(g.false, 16, 2), tag)
    ip4 = g.all(g.eq(ethertype, g.const(0x0800)), g.le(g.add(l3, g.const(20)), g.captured()))
    ip6 = g.all(g.eq(ethertype, g.const(0x86DD)), g.le(g.add(l3, g.const(40)), g.captured()))
    ihl = g.mul(g.bits(g.load(l3, 0, 1), 0, 4), g.const(4))
    protocol = g.mux(ip4, g.load(l3, 9, 1), g.load(l3, 6, 1))
    l4 = g.mux(ip4, g.add(l3, ihl), g.add(l3, g.const(40)))
    first = g.eq(g.bits(g.load(l3, 6, 2), 0, 13), g.const(0))
    has_ports = g.all(g.any(g.all(ip4, first), ip6), g.le(g.add(l4, g.const(8)), g.captured()))
    udp, tcp = (g.all(has_ports, g.eq(protocol, g.const(p))) for p in (17, 6))
    sport, dport = g.load(l4, 0, 2), g.load(l4, 2, 2)
    src, dst6 = g.load(l3, 12, 4), g.load(l3, 24, 16)
    flags = g.load(l4, 13, 1)
    ack_gap = g.sub(g.load(l4, 8, 4), g.load(l4, 4, 4))
    return [
        udp,
        tcp,
        g.all(tcp, g.member(dport, [(80, 80), (443, 443), (8000, 8080)])),
        g.all(udp, g.any(g.eq(sport, g.const(53)), g.eq(dport, g.const(53)))),
        g.all(ip4, g.eq(g.bits(src, 24, 8), g.const(10))),
        g.all(ip6, g.eq(g.bits(dst6, 120, 8), g.const(0xFF))),
        g.all(ip6, g.lt(g.const(0xFE80 << 112), dst6)),
        g.all(tcp, g.eq(g.band(flags, g.const(0x12)), g.const(2)), g.lt(ack_gap, g.const(-1000))),
        g.all(g.lt(g.const(100), g.size()), tagged),
        g.all(udp, g.eq(g.load(l4, 8, 4, True), g.const(0x01000000))),
        g.all(ip4, g.lt(ihl, g.const(20))),
        g.all(g.any(g.eq(ethertype, g.const(0x0800)), g.eq(ethertype, g.const(0x86DD))), g.invert(g.any(ip4, ip6))),
    ]


@pytest.mark.parametrize("name", BUILDS)
def test_real_captures_match_the_reference(name: str, tmp_path: Path, captures_dir: Path) -> None:
    g = Graph()
    plan = plan_of(g, header_conditions(g))
    (library,) = build([plan], tmp_path, BUILDS[name])
    packets = 0
    hits = np.zeros(len(plan.rules) + 2, np.int64)
    for path in sorted(captures_dir.iterdir()):
        try:
            with open_capture(path) as capture:
                batches = list(capture.batches())
        except CaptureError:
            continue  # another link type
        for batch in batches:
            got, want = (run(plan, batch.buffer, batch.events) for run in (partial(match, library), expected))
            assert (got == want).all(), path.name
            packets += len(batch)
            hits += want.sum(axis=1)
    assert packets > 1000 and (hits[:6] > 0).all()


DRIVER = """
#include <stdio.h>
#include <stdlib.h>
#include "engine.c"
#define EVENTS 65
#define HEAD 80
static sm_fired fired[2 * FIRED_MAX + 1];
int main(int count, char **arguments)
{
    sm_context context = {0};
    uint64_t sum = 0;
    const uint32_t step = count > 1 ? (uint32_t)atoi(arguments[1]) : 1;
    for (uint32_t length = 0; length < 70010; length += length < 400 ? step : 6961) {
        uint8_t *buffer = malloc(length + !length); /* ends where the event ends */
        for (uint32_t i = 0; i < length; i++) buffer[i] = (uint8_t)(i * 37 + length * 101);
        if (length > 14) { buffer[12] = 8 * (length & 1); buffer[13] = 0; buffer[14] = (uint8_t)(0x40 | length % 16); }
        sm_event events[EVENTS];
        for (uint32_t i = 0; i < EVENTS; i++) {
            uint32_t at = length < 400 ? i * 7 % (length + 1) : i < 20 ? i : length - i;
            events[i] = (sm_event){at, 0, length - at, length};
        }
        sm_chunk chunks[2];
        uint64_t done = sm_match(buffer, events, EVENTS, &context, chunks, fired, 2 * FIRED_MAX, NULL);
        for (uint32_t i = 0, entries = 0; i < 2; i++) {
            sum = sum * 31 + chunks[i].malformed * 7 + chunks[i].truncated + done;
            for (uint32_t k = 0; k < chunks[i].fired; k++, entries++)
                sum = sum * 31 + fired[entries].events * 3 + fired[entries].rule;
        }
        free(buffer);
    }
    sum += sm_match((const uint8_t *)"", 0, 0, &context, 0, fired, 0, NULL);
    printf("%llu", (unsigned long long)sum);
    return 0;
}
"""


def far_conditions(g: Graph) -> list[int]:
    """Loads past every bound of the engine's own: fixed and far, and behind a base that may be anywhere."""
    far = g.load(g.load(g.false, 2, 2), 0, 4)
    return [
        g.eq(g.load(g.false, 300, 4), g.const(1)),
        g.lt(g.load(g.false, 70000, 4), g.const(1 << 31)),
        g.lt(g.load(g.load(g.false, 0, 4), 3, 16), g.const(1 << 100)),
        g.lt(far, g.const(1 << 31)),
        g.all(g.lt(g.const(9), g.load(g.false, 0, 1)), g.lt(g.load(g.load(g.false, 1, 1), 250, 3), g.const(1 << 20))),
        g.lt(g.captured(), g.const(70000)),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the sanitizers are used on Linux only")
def test_no_byte_past_an_event_is_read_and_no_behaviour_is_undefined(tmp_path: Path) -> None:
    """Events that end with their allocation, under ASan and UBSan; both builds give the same answers."""
    g = Graph()
    conditions = [*far_conditions(g), *header_conditions(g)]
    for seed in (5, 6, 7, 8):
        other, found = random_graph(seed, 80)
        conditions += transplant(other, found[-12:], g)
    (tmp_path / "engine.c").write_text(emit(plan_of(g, conditions)))
    (tmp_path / "driver.c").write_text(DRIVER)
    sums = set()
    for name, flags in BUILDS.items():
        command = [compiler(), "-std=c11", "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        program = tmp_path / name
        built = subprocess.run(
            [*command, *flags, "driver.c", "-o", str(program)], cwd=tmp_path, capture_output=True, text=True
        )
        if "cannot find" in built.stderr:
            pytest.skip(f"compiler has no sanitizer libraries: {built.stderr.splitlines()[-1]}")
        assert built.returncode == 0, built.stderr
        ran = subprocess.run([program], capture_output=True, text=True, env={"ASAN_OPTIONS": "detect_leaks=0"})
        assert ran.returncode == 0, ran.stderr[-3000:]
        sums.add(ran.stdout)
    assert len(sums) == 1


def transplant(source: Graph, roots: Sequence[int], target: Graph) -> list[int]:
    """Copies nodes from one graph to another."""
    new: list[int] = []
    for node in source.nodes:
        new.append(target._make(node.op, tuple(new[a] for a in node.args), node.attrs))
    return [new[r] for r in roots]


def test_the_same_plan_gives_the_same_text() -> None:
    def text() -> str:
        g = Graph()
        return emit(plan_of(g, header_conditions(g)))

    assert text() == text()


def test_rule_names_cannot_leave_their_comment(tmp_path: Path) -> None:
    g = Graph()
    names = ["*/ int injected; /*", "line\nbreak\\", "??/ %s {{ x }}", "plain-name", *(["n" * 500] * 6)]
    plan = plan_of(g, header_conditions(g), names=names)
    text = emit(plan)
    assert "injected; /*" not in text and "{{" not in text
    assert "/* rule 0: __ int injected_ __ */" in text
    assert "/* rule 3: plain-name */" in text
    assert "n" * 81 not in text
    check([plan], tmp_path, BUILDS["portable"], 9)


def test_info_names_the_structure(tmp_path: Path) -> None:
    g = Graph()
    plan = plan_of(g, header_conditions(g))
    (library,) = build([plan], tmp_path, [])
    info = boundary_struct(library)
    rules = len(plan.rules)
    assert [int(info[name]) for name in ("abi", "rules", "fired_max", "flags")] == [boundary.ABI, rules, rules, 0]
    assert info["structure"].decode() == plan.structure


def test_a_plan_without_loads_or_rules_compiles(tmp_path: Path) -> None:
    g = Graph()
    plan = plan_of(g, [g.false, g.true])
    check([plan, plan_of(Graph(), [1, 0, 1, 0], "first")], tmp_path, BUILDS["portable"], 2)


@pytest.mark.parametrize("name", BUILDS)
def test_far_loads_and_jumbo_events_match_the_reference(name: str, tmp_path: Path) -> None:
    g, narrow = Graph(), Graph()
    near = narrow.load(narrow.load(narrow.false, 0, 1), 40, 8)
    conditions = [narrow.eq(narrow.bits(near, 0, 3), narrow.const(1)), narrow.lt(narrow.captured(), narrow.const(300))]
    plans = [plan_of(g, far_conditions(g)), plan_of(narrow, conditions * 2)]
    assert ["typedef u32 captured_t" in emit(plan) for plan in plans] == [True, False]
    check(plans, tmp_path, BUILDS[name], 4)
