"""Tables, named sets and ``prev`` from the rule text to what the reference answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, raw

from sevenm.compiler import CompileError, compile_filter, compile_text, render
from sevenm.compiler.plan import Plan, Row
from sevenm.compiler.reference import Decisions, Memories, evaluate
from sevenm.sim.packets import batch

E = Ether(dst="00:11:22:33:44:55", src="66:77:88:99:aa:bb")
TO_A = raw(E / IP(src="9.9.9.9", dst="10.1.2.3") / TCP(sport=7, dport=80))
TO_B = raw(E / IP(src="10.1.0.1", dst="10.7.7.7") / TCP(sport=8, dport=443))
ELSEWHERE = raw(E / IP(src="192.168.1.1", dst="8.8.8.8") / UDP(sport=9, dport=53))
TAGGED = raw(E / Dot1Q(vlan=0x123, type=0x0800) / IP(src="1.1.1.1", dst="10.1.9.9") / UDP(sport=5, dport=80))
NOT_IP = raw(E / (b"\0" * 50))
FRAMES = (TO_A, TO_B, ELSEWHERE, TAGGED, NOT_IP)
ROUTES = "table routes : ip4 lpm -> port max 16 { 10.0.0.0/8: 3  10.1.0.0/16: 2 }\n"
ACL = """table acl : (ip4 lpm, u16 range) -> (out: port, cls: u8) {
  (10.1.0.0/16, 80..90): (1, 5)
  (10.0.0.0/8, *): (2, 6)
}
"""


def decide(plan: Plan, frames: Sequence[bytes], memories: Memories | None = None, step_ns: int = 1000) -> Decisions:
    length = np.array([len(f) for f in frames], np.uint32)
    offset = (np.cumsum(length) - length).astype(np.uint64)
    times = (np.arange(len(frames)) * step_ns + 10**9).astype(np.uint64)
    data = np.frombuffer(b"".join(frames), np.uint8)
    return evaluate(plan, data, offset, length, length, times, memories=memories)


def fires(declared: str, condition: str, frames: Sequence[bytes] = FRAMES) -> list[int]:
    """The frames for which a rule with this condition fires."""
    plan = compile_text(f"{declared} rules r on packet all {{ rule x: {condition} => deliver c }}", "t").plan
    return np.flatnonzero(decide(plan, frames).fired[0]).tolist()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ip.dst in routes", [0, 1, 3]),
        ("ip.dst not in routes", [2, 4]),
        ("ip and not ip.dst in routes", [2]),
        ("ip.addr in routes", [0, 1, 3]),
        ("all ip.addr in routes", [1]),
        ("routes[ip.dst] == 2", [0, 3]),
        ("routes[ip.dst] == 3", [1]),
        ("routes[ip.dst] != 2", [1]),
        ("not routes[ip.dst] == 2", [1, 2, 4]),
        ("routes[ip.addr] == 2", [0, 1, 3]),
        ("all routes[ip.addr] == 2", [0, 3]),
        ("routes[ip.dst]", [0, 1, 3]),
        ("routes[ip.dst] + 1 in {3}", [0, 3]),
        ("routes[ip.dst] < routes[ip.src]", []),
        ("routes[ip.dst] > routes[ip.src]", [1]),
    ],
)
def test_a_longest_prefix_is_asked_in_conditions(condition: str, expected: list[int]) -> None:
    assert fires(ROUTES, condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("(ip.dst, tcp.dstport) in acl", [0, 1]),
        ("(ip.dst, l4.dstport) in acl", [0, 1, 3]),
        ("acl[ip.dst, l4.dstport].cls == 5", [0, 3]),
        ("acl[ip.dst, l4.dstport].out == 2", [1]),
        ("acl[ip.dst, (l4.srcport & 0xff)].cls >= 5", [0, 1, 3]),
        ("not (ip.dst, tcp.dstport) in acl", [2, 3, 4]),
    ],
)
def test_several_keys_are_asked_at_once_and_give_values_by_name(condition: str, expected: list[int]) -> None:
    assert fires(ACL, condition) == expected


def test_rows_match_by_the_kind_of_their_key() -> None:
    assert fires("table t : u16 { 80 53 }", "l4.dstport in t") == [0, 2, 3]
    assert fires("table t : u16 range { 50..60; 443 }", "l4.dstport in t") == [1, 2]
    assert fires("table t : u12 ternary { 0x100 & 0xf00 }", "vlan.id in t") == [3]
    assert fires("table t : (mac, ip4 ternary) { (66:77:88:99:aa:bb, 10.0.0.0/8) }", "(eth.src, ip.dst) in t") == [
        0,
        1,
        3,
    ]
    assert fires("table t : ip4 ternary -> u8 { 10.1.0.0/16: 1 10.0.0.0/8: 2 *: 3 }", "t[ip.dst] == 3") == [2]
    assert fires("table t : u32 { 0x08080808 }", "ip.dst[0:4] in t") == [2]
    assert fires("table t : u16 { 0x47 }", "tcp.payload[0] in t") == []


def test_forward_asks_a_table_and_a_miss_does_not_fire() -> None:
    plan = compile_text(
        ROUTES + "rules r on packet first { rule a: ip => forward routes[ip.dst], deliver c  default => forward 9 }",
        "t",
    ).plan
    said = decide(plan, FRAMES)
    assert said.fired.tolist() == [[True, True, False, True, False], [False, False, True, False, True]]
    assert said.forward.tolist() == [4, 8, 1 << 9, 4, 1 << 9]
    assert plan.rules[0].deliver == (0,)
    twice = ROUTES + "rules r on packet all { rule a: ip => forward routes[ip.dst], forward 1, forward routes[ip.src] }"
    assert decide(compile_text(twice, "t").plan, FRAMES).forward.tolist() == [0, 2 | 4 | 8, 0, 0, 0]


def test_an_edit_of_rows_changes_the_content_and_not_the_structure() -> None:
    rules = "rules r on packet first { rule a: ip.src in $s and routes[ip.dst] == 2 => forward routes[ip.dst] }"
    one = compile_text(ROUTES + "set s : ip4 = { 10.0.0.0/8 }" + rules, "one").plan
    other = ROUTES.replace("10.1.0.0/16: 2", "10.9.0.0/16: 1 11.0.0.0/8: 7")
    two = compile_text(other + "set s : ip4 = { 1.1.1.1..1.1.1.5, 9.9.9.9 }" + rules, "two").plan
    assert (one.structure, one.nodes) == (two.structure, two.nodes)
    assert one.content != two.content
    wider = compile_text(ROUTES.replace("16", "32", 1) + "set s : ip4 = { 10.0.0.0/8 }" + rules, "one").plan
    assert wider.structure != one.structure


def test_rows_in_another_order_are_the_same_content_where_order_says_nothing() -> None:
    rules = "rules r on packet first { rule a: ip.dst in routes => drop }"
    turned = "table routes : ip4 lpm -> port max 16 { 10.1.0.0/16: 2  10.0.0.0/8: 3 }\n"
    assert compile_text(ROUTES + rules, "t").plan.digest == compile_text(turned + rules, "t").plan.digest


def test_a_named_set_keeps_its_identity() -> None:
    plan = compile_text(
        "set web = { 80, 443, 8000..8080 } set other : u16 = { 1 }"
        "rules r on packet all { rule a: tcp.dstport in {$web, 443..500, $other} => drop"
        " rule b: udp.port in $web => drop rule c: ip.ttl in {1} or tcp.dstport in $web => drop }",
        "t",
    ).plan
    assert [t.name for t in plan.tables] == ["web", "other"]
    assert plan.tables[0].rows == (Row(((80, 80),)), Row(((443, 443),)), Row(((8000, 8080),)))
    assert (443, 500) in {n.attrs for n in plan.nodes if n.op == "member"}
    assert sorted(n.attrs for n in plan.nodes if n.op == "hit") == [(0,), (0,), (1,)]
    two = compile_text(
        "set s = { 5 } rules r on packet all { rule a: tcp.dstport in $s or ip.ttl in $s => drop }", "t"
    ).plan
    assert [(t.name, t.keys[0].width) for t in two.tables] == [("s", 16), ("s_2", 8)]


def test_a_set_has_room_for_more_and_max_says_how_much() -> None:
    def most(declared: str) -> int:
        return (
            compile_text(f"set s {declared} rules r on packet all {{ rule a: tcp.port in $s => drop }}", "t")
            .plan.tables[0]
            .most
        )

    assert most("= { 1 }") == 64
    assert most(f"= {{ {', '.join(str(2 * n) for n in range(64))} }}") == 128
    assert most("max 5 = { 1, 2, 3, 7 }") == 5


RECORD = """schema R v1 size 64 @endian(little) {
  temp: i16 @scale(0.01) @null(0x8000)  tag: char[8]  long: char[20]  seq: u32  hall: u8  ratio: f32
}
set cold = { -40.00..-0.01, 1.00 }
set halls = { "a", "bcd" }
set near = { -1.5..0.25 }
"""


def records(**columns: object) -> list[bytes]:
    kinds = {
        "names": ["temp", "tag", "long", "seq", "hall", "ratio"], "formats": ["<i2", "S8", "S20", "<u4", "u1", "<f4"],
        "offsets": [0, 2, 10, 30, 34, 35], "itemsize": 64,
    }  # fmt: skip
    count = max(len(c) for c in columns.values() if isinstance(c, list))
    data = np.zeros(count, np.dtype(kinds))  # type: ignore[call-overload] - the stubs want literal keys
    for name, values in columns.items():
        data[name] = values
    return [row.tobytes() for row in data]


def on_records(condition: str, rows: Sequence[bytes], memories: bool = False, step_ns: int = 1000) -> list[int]:
    plan = compile_text(f"{RECORD} rules r on R all {{ rule x: {condition} => deliver c }}", "t").plan
    return np.flatnonzero(decide(plan, rows, step_ns=step_ns).fired[0]).tolist()


def test_sets_of_signed_and_scaled_values_and_of_texts() -> None:
    rows = records(temp=[-4000, -4001, -1, 0, 100, -32768], tag=[b"a", b"bcd     ", b"b", b"bcd", b"abcd", b""])
    assert on_records("temp in $cold", rows) == [0, 2, 4]
    assert on_records("temp + 1 in {$cold, 0.99}", rows) == [0, 1, 2, 3]
    assert on_records("tag in $halls", rows) == [0, 1, 3]
    assert on_records('tag in {$halls, "b"}', rows) == [0, 1, 2, 3]
    assert on_records("long in $halls", records(long=[b"a", b"bcd" + b" " * 17, b"x"])) == [0, 1]
    assert on_records("ratio in $near", records(ratio=[-1.5, -1.6, 0.25, 0.26, -0.0, float("nan")])) == [0, 2, 4]


def test_prev_is_the_last_value_of_the_key_before_this_event() -> None:
    rows = records(seq=[10, 20, 11, 12, 30, 5], hall=[1, 2, 1, 1, 2, 3])
    assert on_records("prev(seq per hall)", rows) == [2, 3, 4]
    assert on_records("seq == prev(seq per hall) + 1", rows) == [2, 3]
    assert on_records("seq - prev(seq per hall) > 5", rows) == [4]
    assert on_records("not prev(seq per hall) == 10", rows) == [0, 1, 3, 4, 5]
    assert on_records("seq != prev(seq per (hall, tag))", rows) == [2, 3, 4]
    assert on_records("prev(prev(seq per hall) per hall) == 10", rows) == [3]


def test_prev_passes_over_events_on_which_the_value_is_absent() -> None:
    rows = records(temp=[100, -32768, 250, -32768, 260], hall=[1, 1, 1, 1, 1])
    assert on_records("temp - prev(temp per hall) > 1.00", rows) == [2]
    assert on_records("prev(temp per hall) == 1.00", rows) == [1, 2]
    assert on_records("prev(temp per hall) == 2.50", rows) == [3, 4]


def test_prev_is_bounded_in_keys_and_in_time() -> None:
    rows = records(seq=[1, 2, 3, 4], hall=[1, 2, 1, 2])
    assert on_records("prev(seq per hall keys 1)", rows) == []
    assert on_records("prev(seq per hall keys 2)", rows) == [2, 3]
    assert on_records("prev(seq per hall ttl 2us)", rows) == [2, 3]
    assert on_records("prev(seq per hall ttl 1999ns)", rows) == []
    (state,) = compile_filter("prev(ip.ttl per ip.src keys 1000 ttl 5s) > 1").plan.states
    assert (state.sets, state.ways, state.ttl_ns, state.widths) == (256, 4, 5 * 10**9, (32,))
    (state,) = compile_filter("prev(ip.ttl per ip.src) > 1").plan.states
    assert (state.sets, state.ways, state.ttl_ns) == (1024, 4, 0)


def test_prev_looks_at_every_event_whatever_the_rules_around_it_say() -> None:
    text = RECORD + (
        "rules r on R first { rule skip: hall == 9 => drop"
        "  rule x: seq > 100 and hall == 1 and prev(seq per hall) == 7 => deliver c }"
    )
    plan = compile_text(text, "t").plan
    said = decide(plan, records(seq=[7, 200, 300], hall=[1, 1, 1]))
    assert said.fired[1].tolist() == [False, True, False]


def test_equal_prev_are_one_state_and_other_bounds_another() -> None:
    text = (
        "rules r on packet all { rule a: prev(ip.ttl per ip.src) > 1 => drop  rule b: ip.ttl != prev(ip.ttl per ip.src)"
        " => drop  rule c: prev(ip.ttl per ip.src keys 5) > 1 => drop rule d: prev(ip.ttl per ip.dst) > 1 => drop }"
    )
    assert len(compile_text(text, "t").plan.states) == 3


def test_state_goes_on_in_the_next_batch() -> None:
    plan = compile_filter("ip.ttl != prev(ip.ttl per ip.src)").plan
    memories = Memories(plan)
    one, two = raw(E / IP(src="1.1.1.1", ttl=5)), raw(E / IP(src="1.1.1.1", ttl=6))
    assert decide(plan, [one, one], memories).fired.tolist() == [[False, False]]
    assert decide(plan, [two, two], memories).fired.tolist() == [[True, False]]


def test_every_part_of_the_plan_has_its_names() -> None:
    text = (
        ROUTES + "set s = { 80 }\n"
        "rules r on packet first {\n"
        "  rule a: tcp.dstport in $s and routes[ip.dst] == 2 and prev(ip.ttl per ip.src) > 1 => drop\n"
        "  rule b: ip.dst in routes => drop\n"
        "}"
    )
    plan = compile_text(text, "t").plan
    said = {(n.kind, n.text, n.line, n.column) for names in plan.names.of.values() for n in names if n.kind != "header"}
    assert said == {
        ("field", "tcp.dstport", 4, 11), ("set", "s", 2, 1), ("table", "routes", 1, 1), ("field", "ip.dst", 4, 40),
        ("field", "ip.ttl", 4, 62), ("field", "ip.src", 4, 73), ("state", "prev(ip.ttl per ip.src)", 4, 57),
        ("rule", "a", 4, 3), ("rule", "b", 5, 3),
    }  # fmt: skip
    hit = next(
        ref for ref, node in enumerate(plan.nodes) if node.op == "hit" and plan.tables[node.attrs[0]].name == "s"
    )
    assert plan.names.best(hit) == "s"


def test_rows_come_from_a_csv_file_beside_the_rules(tmp_path: Path) -> None:
    (tmp_path / "acl.csv").write_text(
        '\ufeffnetwork, ports, out, class\r\n# the office\r\n10.1.0.0/16, 80..90, 1, 5\r\n\r\n"10.0.0.0/8",*,2,0x6\r\n'
    )
    declared = ACL[: ACL.index("{")] + 'from "acl.csv"\n'
    rules = "rules r on packet all { rule x: acl[ip.dst, l4.dstport].cls == 5 => deliver c }"
    written, read = compile_text(ACL + rules, "t").plan, compile_text(declared + rules, "t", tmp_path).plan
    assert read.tables == written.tables
    assert (read.structure, read.content) == (written.structure, written.content)


def test_a_csv_file_of_many_rows_is_read(tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text("".join(f"{n >> 8}.{n & 255}.0.0/16,{n % 16}\n" for n in range(20_000)))
    text = (
        'table t : ip4 lpm -> port max 20000 from "many.csv" rules r on packet all { rule x: t[ip.dst] == 3 => drop }'
    )
    plan = compile_text(text, "t", tmp_path).plan
    assert len(plan.tables[0].rows) == 20_000
    assert plan.tables[0].find([0x03030101]) == Row(((0x03030000, 16),), (0x303 % 16,))


def test_what_is_too_wide_for_a_set_is_left_out_and_in_a_table_refused() -> None:
    assert fires("set s = { 80, 100000 }", "l4.dstport + 0 in $s") == [0, 3]
    with pytest.raises(CompileError, match="100000 is out of range: the key of table t holds 0 to 65535"):
        compile_text("table t : u16 { 100000 } rules r on packet all { rule x: tcp.port in t => drop }", "t")


@pytest.mark.parametrize("seed", range(12))
def test_a_named_set_says_the_same_as_its_members_in_braces(seed: int) -> None:
    random = Random(seed)
    events = batch(seed, 300)
    frames = [events.buffer[e["offset"] : e["offset"] + e["cap_len"]].tobytes() for e in events.events]

    def member(most: int) -> str:
        lo = random.choice((0, 1, 6, 17, 53, 64, 80, 443, random.randrange(most))) % most
        return str(lo) if random.random() < 0.5 else f"{lo}..{random.randrange(lo, most)}"

    rules = ""
    for number, (field, bits) in enumerate((("l4.port", 16), ("ip.ttl", 8), ("ip.id - ip.len", 16), ("vlan.id", 12))):
        members = ", ".join(member(1 << bits) for _ in range(random.randrange(1, 9)))
        quantifier = random.choice(("", "all ", "any ", "not "))
        rules += f"set s{number} = {{ {members} }}\nrules r{number} on packet all {{\n"
        rules += f"rule a{number}: {quantifier}{field} in $s{number} => drop\n"
        rules += f"rule b{number}: {quantifier}{field} in {{ {members} }} => drop }}\n"
    plan = compile_text(rules, "t").plan
    fired = decide(plan, frames).fired
    assert len(plan.tables) == 4
    assert np.array_equal(fired[0::2], fired[1::2])
    assert fired.any()


@pytest.mark.parametrize("seed", range(40))
def test_any_csv_gives_rows_or_an_error_in_words(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    pieces = ("10.0.0.0/8", "1", "80..90", "..", "*", "&", "0x", "é", '"', ",", ", ", ";", "\t", "\n", "\r\n", "#",
              "-1", "::1", "port", "1.5", "5ms", "0x10 & 0xf0", "9" * 20, "\0", "10.0.0.0/", "\ud7ff")  # fmt: skip
    text = "".join(random.choice(pieces) for _ in range(random.randrange(1, 60)))
    (tmp_path / "rows.csv").write_bytes(text.encode() + random.choice((b"", b"", b"\xff")))
    declared = f'table t : (ip4 {random.choice(("lpm", "range", "ternary"))}, u16 range) -> port from "rows.csv"'
    rules = f"{declared} rules r on packet all {{ rule x: (ip.dst, tcp.dstport) in t => drop }}"
    try:
        compile_text(rules, "t", tmp_path)
    except CompileError as error:
        for finding in error.diagnostics:
            assert render(finding, rules, "t").count("\n") >= 3
