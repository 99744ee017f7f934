# amaranth: UnusedElaboratable=no
"""Descriptions become hardware that says what their model in plain Python says."""

from __future__ import annotations

import random
from weakref import WeakKeyDictionary

import pytest

from sevenm.hdl.pipeline import (
    All,
    Description,
    First,
    Pipeline,
    Rule,
    all_of,
    any_of,
    captured,
    field,
    mux,
    one_of,
    pipeline,
    port,
    schedule,
    size,
    time,
)  # fmt: skip
from sevenm.hdl.pipeline.description import program
from sevenm.hdl.pipeline.expr import Expr
from sevenm.hdl.pipeline.model import decide as model
from sevenm.hdl.pipeline.nodes import OPERATIONS, Node, value
from sevenm.hdl.pipeline.pipeline import place
from sevenm.sim.testbench.amaranth_bench import decide
from sevenm.sim.testbench.packets import Packet, Verdict


class Web(Description):
    """Written by hand: VLAN tags, IPv4 with options, and what a rule can do."""

    ethertype_1 = field(at=12, bytes=2)
    vlan = one_of(ethertype_1, 0x8100, 0x88A8) & (captured >= 18)
    ethertype = mux(vlan, field(at=16, bytes=2), ethertype_1)
    l3 = mux(vlan, 18, 14)
    ip = (ethertype == 0x0800) & (captured >= l3 + 20)
    l4 = l3 + field(l3, bytes=1)[0:4] * 4
    tcp = ip & (field(l3, at=9, bytes=1) == 6) & (captured >= l4 + 20)
    tcp_dstport = field(l4, at=2, bytes=2)
    rule_https = tcp & (tcp_dstport == 443)
    rule_low = tcp & (tcp_dstport < 443)
    block_web = First(
        Rule(rule_https, deliver=("web",), forward=(3,)),
        Rule(rule_low, deliver=("web", "low"), forward_to=(tcp_dstport[0:4], 9)),
        Rule(ip, drop=True),
        Rule(1, forward=(0, 15), default=True),
    )
    block_odd = All(
        Rule(size % 2 == 1),
        Rule(any_of(port == 4, port == 5)),
        Rule(all_of(time[3:7] == 5, ~(time[0:2] != 1)), drop=True),
        Rule(captured < 200, default=True, deliver=("low",)),
    )
    channels = ("web", "low")
    malformed = tcp & (size < captured)
    truncated = captured != size
    punt = (captured > 256) & (l4 + 4 > 256)


def ipv4(choose: random.Random, length: int) -> Packet:
    tag = choose.choice([b"", b"\x81\x00\x00\x05"])
    words = choose.choice([5, 6, 15])
    head = bytes(12) + tag + b"\x08\x00" + bytes([0x40 | words]) + bytes(8) + choose.choice([b"\x06", b"\x11"])
    head = head.ljust(14 + len(tag) + 4 * words, b"\0") + b"\0\0"
    head += choose.choice([b"\x01\xbb", b"\x00\x50", b"\xff\xff"])
    data = head.ljust(length, b"\x07")[:length] if choose.random() < 0.9 else choose.randbytes(length)
    size = choose.choice([length, length, length + 1, max(0, length - 1)])
    return Packet(data, size, 1 << choose.randrange(16), 0, choose.getrandbits(64))


@pytest.mark.parametrize("levels", [1, 3])
def test_a_description_by_hand_decides_like_its_model(levels: int) -> None:
    choose = random.Random(levels)
    packets = [ipv4(choose, choose.choice([0, 14, 40, 60, 64, 100, 255, 256, 257, 400])) for _ in range(200)]
    what = program(Web)
    wanted = [Verdict(**model(what, p.data, p.size, p.ts, p.src)) for p in packets]
    assert decide(Pipeline(Web, levels=levels), packets) == wanted
    assert len({v.blocks for v in wanted}) > 8
    assert any(v.forward for v in wanted) and any(v.malformed for v in wanted)


START = 20 + field(at=0, bytes=1) % 10 * 23
FOUND = field(START, bytes=3)


class Far(Description):
    """A field whose place is known late, at any byte of four beats of 64."""

    block_found = All(*(Rule(FOUND[i : i + 1]) for i in range(24)))
    block_there = First(Rule(captured >= START + 3))


def crowded(choose: random.Random, beat_bytes: int, beats: int) -> list[Packet]:
    """Packets as long as the window, each before so many of one beat that its first beat is the oldest that is kept."""
    out = []
    for _ in range(12):
        length = choose.choice([beat_bytes * beats, beat_bytes * beats, beat_bytes * beats - 1, 1000])
        out += [Packet(choose.randbytes(n)) for n in (length, *[min(beat_bytes, 40)] * choose.choice([3, 30]))]
    return out


@pytest.mark.parametrize(("levels", "beat_bytes"), [(1, 64), (1, 32), (2, 32), (1, 16), (1, 8), (3, 8)])
def test_a_beat_is_kept_until_its_fields_are_fetched(levels: int, beat_bytes: int) -> None:
    core = Pipeline(Far, levels=levels, beat_bytes=beat_bytes)
    assert core.rows >= core.beats + 8
    packets = crowded(random.Random(levels), beat_bytes, core.beats)
    what = program(Far)
    assert decide(core, packets) == [Verdict(**model(what, p.data)) for p in packets]


def test_a_beat_that_is_kept_one_cycle_less_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check above can fail: beats that are written a stage too soon are overwritten when they are read."""
    right = schedule.written
    monkeypatch.setattr(schedule, "written", lambda net, stage: right(net, stage) - (net.op == "fetch"))
    monkeypatch.setattr(pipeline, "written", schedule.written)
    monkeypatch.setattr(pipeline, "_PLACED", WeakKeyDictionary())
    core = Pipeline(Far, levels=1, beat_bytes=64)
    packets = crowded(random.Random(1), 64, core.beats)
    what = program(Far)
    assert decide(core, packets) != [Verdict(**model(what, p.data)) for p in packets]


def large(rules: int) -> type[Description]:
    """A block of each kind, with rules that ask for one byte each."""

    class Large(Description):
        block_first = First(*(Rule(field(at=i % 64, bytes=1) == i & 0xFF, forward=(i % 16,)) for i in range(rules)))
        block_all = All(
            *(Rule(field(at=i % 64, bytes=1) == 255 - (i & 0xFF), deliver=("b",) * (i % 5 == 0)) for i in range(rules))
        )
        channels = ("b",)

    return Large


@pytest.mark.parametrize("rules", [1, 5, 31, 32, 33, 64, 65, 130])
def test_winners_and_words_of_blocks_of_every_size(rules: int) -> None:
    choose = random.Random(rules)
    packets = []
    for _ in range(60):
        data = bytearray(b"\x80" * 64)
        for _ in range(choose.randrange(5)):
            i = choose.randrange(rules)
            data[i % 64] = choose.choice([i & 0xFF, 255 - (i & 0xFF)])
        packets.append(Packet(bytes(data)))
    what = program(large(rules))
    wanted = [Verdict(**model(what, p.data)) for p in packets]
    assert decide(Pipeline(large(rules)), packets) == wanted
    assert any(v.punt for v in wanted) == (rules > 100)


def test_the_stated_latency_is_held_against_the_placed_one() -> None:
    latency = place(Web, 3).latency
    assert Pipeline(Web, levels=3, latency=latency).latency == latency
    with pytest.raises(ValueError, match=rf"^Web takes {latency} cycles at 3 levels, not {latency + 1}$"):
        Pipeline(Web, levels=3, latency=latency + 1)


def test_equal_expressions_are_one_node_and_carry_the_name() -> None:
    class Twice(Description):
        tcp_dstport = field(36, bytes=2)
        block = First(Rule(field(at=36, bytes=2) == 80), Rule(tcp_dstport == 80), Rule(tcp_dstport == 81))

    what = program(Twice)
    assert sum(node.op == "load" for node in what.nodes) == 1
    assert list(what.names.values()) == ["tcp_dstport"]
    assert what.blocks[0].when[0] == what.blocks[0].when[1]


def test_a_chain_of_ands_is_one_conjunction_unless_a_part_has_a_name() -> None:
    a, b, c = (field(at=i, bytes=1) == 1 for i in range(3))

    class Chain(Description):
        block = First(Rule(a & b & c))

    class Named(Description):
        both = a & b
        block = First(Rule(both & c))

    assert [len(n.args) for n in program(Chain).nodes if n.op == "all"] == [3]
    assert [len(n.args) for n in program(Named).nodes if n.op == "all"] == [2, 2]


BAD = {
    "a number where a condition stands": (lambda: [Rule(~field(bytes=1))], "not takes a condition, not a number"),
    "a channel that is not there": (
        lambda: [Rule(1, deliver=("x",))],
        "block delivers to 'x', which is not in channels",
    ),
    "a default rule in the middle": (
        lambda: [Rule(1, default=True), Rule(1)],
        "a default rule stands last in its block",
    ),
    "a port that is none": (lambda: [Rule(1, forward=(16,))], "a rule forwards to ports 0 to 15, not 16"),
    "no bits": (lambda: [Rule(field(bytes=1)[3:3] == 1)], r"bits \[3:3\] are none"),
    "a field before its base": (
        lambda: [Rule(field(at=-1, bytes=1) == 1)],
        "at its base or after it, not 1 at -1",
    ),
    "ranges that touch": (lambda: [Rule(one_of(captured, range(3), 3))], "neither touch nor overlap"),
    "a divisor of 0": (lambda: [Rule(captured // 0 == 1)], "a divisor must be a positive integer, not 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    rules, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        program(type("Bad", (Description,), {"block": First(*rules())}))


def test_an_expression_is_no_python_condition() -> None:
    with pytest.raises(TypeError, match=r"^captured\(\) is known only when a packet comes; write & | ~ and mux"):
        assert captured
    with pytest.raises(TypeError, match=r"^an expression is made of fields and integers, not of str$"):
        assert isinstance(captured + "1", Expr)  # type: ignore[operator]  # the mistake that is tested


def test_an_operation_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"^sqrt is no operation on values; it is one of add, all, any,"):
        value(Node("sqrt", (), (), 0, 1), [])
    assert "sqrt" not in OPERATIONS
