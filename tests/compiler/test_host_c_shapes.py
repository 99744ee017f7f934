"""Chunks that have the shape, that have strays, and that have too many: all give the reference's answer, each way was
gone, and no byte is read that was not captured."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.backends.c import emit as back_end
from sevenm.compiler.plan import Action, Plan
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from tests.compiler.generated_c import BUILDS, build, expected, match, pack_events
from tests.compiler.passes.test_shapes import RECORDS, RULES, having, records, shape
from tests.compiler.test_lookup import answer, engine

pytestmark = pytest.mark.needs("compiler")
FIRST = """
rules f on packet first {
  rule far: tcp.port == 443 and ip.src in {10.0.0.0/8, 172.16.0.0/12} => deliver a
  rule udp: udp => deliver b
  rule old: vlan.id == 7 => count n
  rule any: ip or ipv6 => drop
  default => count m
}
"""
PAGE = mmap.PAGESIZE


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_text(RULES + FIRST, "t").plan


@pytest.fixture(scope="module")
def traffic(plan: Plan) -> list[bytes]:
    """Chunks of 64 with 0, few, 16, 17 and many strays in changing order, more of the first; then a rest."""
    frames = generated(5, 6000)
    has = having(shape(plan), frames)
    data = [frames.data(number) for number in range(len(frames))]
    usual, strays = ([one for one, its in zip(data, has, strict=True) if its == which] for which in (True, False))
    draw, out = Random(2), list[bytes]()
    for count in (
        [0] * 4 + [1, 0, 0, 5, 0, 3, 16, 0, 0, 1, 17, 0, 0, 2, 64, 64, 30] + [0] * 40 + [1, 0, 2, 9, 9, 9, 9, 9, 9, 0]
    ):
        chunk = draw.choices(strays, k=count) + draw.choices(usual, k=64 - count)
        draw.shuffle(chunk)
        out += chunk
    return out + draw.choices(usual, k=33)


@pytest.fixture(scope="module")
def tagged_traffic(plan: Plan) -> list[bytes]:
    """Chunks of tagged frames, with strays now and then that are untagged or of no shape; between them chunks of
    untagged ones, and chunks of both that no shape fits; then a rest."""
    frames = generated(6, 6000)
    has = [having(shape(plan, inserted), frames) for inserted in (0, 1)]
    data = [frames.data(number) for number in range(len(frames))]
    plain, tagged = ([one for one, its in zip(data, which, strict=True) if its] for which in has)
    others = [one for one, its in zip(data, has[0] | has[1], strict=True) if not its]
    draw, out = Random(3), list[bytes]()
    for kind in "t" * 12 + "p" * 6 + "t" * 6 + "m" * 4 + "t" * 40 + "tptptptp" + "m" * 3 + "p" * 40:
        strays = draw.choice((0, 0, 1, 3, 16))
        usual = {"t": tagged, "p": plain, "m": plain + tagged}[kind]
        apart = {"t": plain + others, "p": tagged + others, "m": plain}[kind]
        chunk = draw.choices(usual, k=64 - strays) + draw.choices(apart, k=strays)
        draw.shuffle(chunk)
        out += chunk
    return out + draw.choices(tagged, k=33)


def ways(library: ctypes.CDLL) -> list[int]:
    """Chunks that had the shape, that had strays, that went to the general program; those of the second shape."""
    return list((ctypes.c_uint64 * 4).in_dll(library, "sm_ways"))


def at_the_end_of_a_page(packets: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.void], mmap.mmap]:
    """Every byte after the last packet is not there to be read."""
    buffer, events = pack_events(packets)
    room = -(-len(buffer) // PAGE) * PAGE
    memory = mmap.mmap(-1, room + PAGE)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(whole.ctypes.data + room), ctypes.c_size_t(PAGE), 0) == 0
    there = whole[room - len(buffer) : room]
    there[:] = buffer
    return there, events, memory


@pytest.fixture(scope="module", params=BUILDS)
def library(request: pytest.FixtureRequest, plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """It counts its ways."""
    folder = tmp_path_factory.mktemp(request.param)
    return build([plan], folder, [*BUILDS[request.param], "-DSM_TRACE=1"])[0]


def test_real_packets_get_the_references_answer(
    library: ctypes.CDLL, plan: Plan, captures_dir: Path, readable: Callable[[Path], EventBatch]
) -> None:
    """Every packet of the shared captures, in two orders: as they come, and those of a shape together."""
    events = EventBatch.joined([readable(path) for path in sorted(captures_dir.iterdir())])
    assert len(events) > 4000
    has = having(shape(plan), events)
    tagged = having(shape(plan, 1), events)
    assert tagged.sum() > 64
    before = ways(library)
    for order in (np.arange(len(events)), np.argsort(~has, kind="stable"), np.argsort(~tagged, kind="stable")):
        some = np.ascontiguousarray(events.events[order])
        assert (match(library, plan, events.buffer, some) == expected(plan, events.buffer, some)).all()
    assert (np.array(ways(library)) > np.array(before)).all()


def test_every_way_gives_the_references_answer(library: ctypes.CDLL, plan: Plan, traffic: list[bytes]) -> None:
    before = ways(library)
    buffer, events = pack_events(traffic)
    want = expected(plan, buffer, events)
    assert want.any(axis=1).all()
    assert (match(library, plan, buffer, events) == want).all()
    assert (np.array(ways(library)) > np.array(before) + 5)[:3].all(), "chunks went each of the ways"
    for start in range(1, 64, 21):
        some = np.ascontiguousarray(events[start:])
        assert (match(library, plan, buffer, some) == want[:, start:]).all()
    short = [packet[:length] for packet in traffic[:64] for length in range(0, len(packet), 5)][::3]
    for packets in (short, [*traffic[:127], b""], [*traffic[:100], *[one[:20] for one in traffic[100:128]]]):
        there, where, _memory = at_the_end_of_a_page(packets)
        assert (match(library, plan, there, where) == expected(plan, there, where)).all()


def test_tagged_mixed_and_untagged_traffic_gets_the_references_answer(
    library: ctypes.CDLL, plan: Plan, tagged_traffic: list[bytes]
) -> None:
    before = np.array(ways(library))
    buffer, events = pack_events(tagged_traffic)
    want = expected(plan, buffer, events)
    assert want.any(axis=1).all()
    assert (match(library, plan, buffer, events) == want).all()
    whole, with_strays, general, second = np.array(ways(library)) - before
    assert whole + with_strays > second > 20 and general > 5, "chunks went each of the ways, by both shapes"
    for start in range(1, 64, 21):
        some = np.ascontiguousarray(events[start:])
        assert (match(library, plan, buffer, some) == want[:, start:]).all()
    tagged = tagged_traffic[: 64 * 12]
    for packets in ([*tagged, *[one[:20] for one in tagged[:64]]], [*tagged[:127], b""], [*tagged, tagged[0]]):
        there, where, _memory = at_the_end_of_a_page(packets)
        assert (match(library, plan, there, where) == expected(plan, there, where)).all()


def test_after_the_first_chunk_tagged_traffic_is_tried_with_its_shape(
    library: ctypes.CDLL, plan: Plan, tagged_traffic: list[bytes]
) -> None:
    """And the other way round: a change of traffic costs the looks of one chunk."""
    has = [having(shape(plan, inserted), EventBatch.from_bytes(tagged_traffic)) for inserted in (0, 1)]
    data = [[one for one, its in zip(tagged_traffic, which, strict=True) if its] for which in has]
    # The tests before may have left chunks to go untried, 31 at most.
    for _ in range(4):
        match(library, plan, *pack_events((data[0] * 4)[:640]))
    for which, second in ((1, 10), (0, 0), (1, 10)):
        before = np.array(ways(library))
        buffer, events = pack_events((data[which] * 4)[:640])
        assert (match(library, plan, buffer, events) == expected(plan, buffer, events)).all()
        assert (np.array(ways(library)) - before)[2:].tolist() == [0, second]


@pytest.mark.parametrize("classifier", ["bitvectors", "recursive"])
def test_rules_that_are_looked_up_have_both_shapes(
    classifier: str, tagged_traffic: list[bytes], tmp_path: Path
) -> None:
    """Keys of the classifiers stand elsewhere in each shape."""
    rules = [
        f"  rule r{at}: ip.ttl in {{{at}..{at + 40}}} and udp.srcport in {{{at * 800}..{at * 800 + 9000}}} => drop"
        for at in range(64)
    ]
    text = "rules t on packet first {\n" + "\n".join(rules) + "\n  rule tag: vlan.id > 0 and ip => drop\n}\n"
    plan = compile_text(text, "t").plan
    library = engine(plan, tmp_path, ["-O1", "-march=native", "-DSM_TRACE=1"], classifier)
    buffer, events = pack_events(tagged_traffic)
    want = evaluate(plan, buffer, events["offset"], events["cap_len"], events["wire_len"]).fired
    assert (want.any(axis=1)).sum() > 20 and want[-1].any()
    assert (answer(library, plan, tagged_traffic)[0] == want).all()
    whole, with_strays, _, second = ways(library)
    assert whole + with_strays > second > 20


def test_strays_go_to_the_ports_that_they_name(traffic: list[bytes], tmp_path: Path) -> None:
    text = "rules p on packet all { rule a: ip.hdr_len > 0 and udp => count n  rule b: vlan.id => count n }"
    plan = compile_text(text, "t").plan
    port = next(at for at, n in enumerate(plan.nodes) if n.op == "bits" and n.attrs == (0, 4))
    rules = tuple(replace(rule, actions=(Action("forward", operand=port),)) for rule in plan.rules)
    plan = replace(plan, rules=rules)
    where = shape(plan)
    assert where.least <= 60
    fired, ports, _ = answer(engine(plan, tmp_path, ["-O1", "-DSM_PORTABLE"], "auto"), plan, traffic)
    buffer, events = pack_events(traffic)
    want = evaluate(plan, buffer, events["offset"], events["cap_len"], events["wire_len"])
    assert (fired == want.fired).all() and fired.any(axis=1).all()
    assert (ports == want.forward).all() and len(set(ports[want.fired[1]].tolist())) > 1


@pytest.mark.parametrize("name", BUILDS)
def test_records_go_each_of_the_ways(name: str, tmp_path: Path) -> None:
    """Chunks of whole records, then with one that is not, then as they come: a quarter is cut."""
    plan = compile_text(RECORDS, "t").plan
    (library,) = build([plan], tmp_path, [*BUILDS[name], "-DSM_TRACE=1"])
    some = records(8000)
    want = expected(plan, some.buffer, some.events)
    odd = want[len(plan.rules)]
    whole, rest = np.flatnonzero(~odd), np.flatnonzero(odd)
    mixed = np.insert(whole[:1000], np.arange(100, 900, 100), rest[:8])
    order = np.concatenate([whole[:640], mixed, np.arange(8000)])
    found = match(library, plan, some.buffer, np.ascontiguousarray(some.events[order]))
    assert (found == want[:, order]).all() and found.any(axis=1)[:-1].all()
    shaped, with_strays, general, second = ways(library)
    assert second == 0
    assert shaped >= 10 and with_strays >= 8 and general >= 100
    ends = [some.data(number) for number in (*whole[:63], *whole[:64], rest[0])]
    there, where, _memory = at_the_end_of_a_page(ends)
    assert (match(library, plan, there, where) == expected(plan, there, where)).all()


FAULTS = {
    "the test always holds": ("c->strays = (c->strays | ~(", "c->strays = (c->strays | 0 & ~("),
    "short events have the shape": ("c->strays = too_short(c", "c->strays = 0 & too_short(c"),
    "strays are forgotten": ("    if (lanes)\n        add_strays", "    if (0)\n        add_strays"),
    "strays of another chunk": ("strays.decided = from + ", "strays.decided = 0 & from + "),
    "a window one byte off": ("read_window(c->at, ", "read_window(c->at, 1 + "),
    "the other shape": ("(c->second ? second_0 : shape_0)(c)", "(c->second ? shape_0 : second_0)(c)"),
    "strays of a shape, decided by the other": ("c->second ^= !c->ahead", "c->second ^= 1"),
}


def _given(text: str, _: Plan) -> str:
    return text


def agrees(
    library: ctypes.CDLL, plan: Plan, buffer: NDArray[np.uint8], events: NDArray[np.void], want: NDArray[np.bool_]
) -> bool:
    """Whether the answers are those; answers that no engine may give are not."""
    try:
        return bool((match(library, plan, buffer, events) == want).all())
    except AssertionError:
        return False


def test_what_is_wrong_with_shapes_is_noticed(
    plan: Plan, traffic: list[bytes], tagged_traffic: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer, events = pack_events([*traffic, *tagged_traffic])
    want = expected(plan, buffer, events)
    right = back_end.emit(plan)
    for number, (fault, (old, new)) in enumerate(FAULTS.items()):
        assert old in right, fault
        wrong = right.replace(old, new)
        monkeypatch.setattr("tests.compiler.generated_c.emit", partial(_given, wrong))
        (library,) = build([plan], tmp_path / str(number), ["-O0", "-DSM_PORTABLE", "-Wno-error"])
        assert not agrees(library, plan, buffer, events, want), fault
