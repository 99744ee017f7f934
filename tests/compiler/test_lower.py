"""What expressions mean, on frames that scapy builds."""

from __future__ import annotations

import numpy as np
import pytest
from scapy.all import (  # fmt: skip
    ARP,
    ICMP,
    IP,
    TCP,
    UDP,
    Dot1AD,
    Dot1Q,
    Ether,
    ICMPv6EchoRequest,
    IPOption_Router_Alert,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    Raw,
    raw,
)
from scapy.layers.sctp import SCTP

from sevenm.compiler import CompileError, compile_filter, compile_text, render
from sevenm.compiler.reference import evaluate

E = Ether(dst="00:11:22:33:44:55", src="66:77:88:99:aa:bb")
WEB = E / IP(src="10.1.2.3", dst="192.168.7.9", ttl=64, id=258) / TCP(sport=40000, dport=80, flags="PA") / b"GET / HTTP"
SYN = E / IP(src="10.1.2.3", dst="10.9.9.9") / TCP(sport=1, dport=22, flags="S")
DNS = E / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=5353, dport=53) / b"\x12\x34query"
SIX = E / IPv6(src="2001:db8::1", dst="fe80::2", tc=0xB8, fl=77, hlim=3) / UDP(sport=7, dport=8) / b"abcdef"
# Types are given: what scapy fills in depends on the layers that other modules have loaded.
TAGGED = (
    Ether(type=0x8100)
    / Dot1Q(vlan=101, prio=5, type=0x0800)
    / IP(src="1.2.3.4", dst="5.6.7.8")
    / UDP(sport=9, dport=10)
)
QINQ = (
    Ether(type=0x88A8)
    / Dot1AD(vlan=200, dei=1, type=0x8100)
    / Dot1Q(vlan=7, type=0x0800)
    / IP(src="1.2.3.4", dst="5.6.7.8")
    / TCP(dport=443)
)
WHO = E / ARP(op=1, hwsrc="66:77:88:99:aa:bb", psrc="10.0.0.1", pdst="10.0.0.254")
PING = E / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=8, id=9, seq=4) / b"ping"
PING6 = E / IPv6(src="::1", dst="::2") / ICMPv6EchoRequest(id=6, seq=2)
FIRST = E / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / UDP(sport=1, dport=2, len=3000) / (b"x" * 40)
LATER = E / IP(src="10.0.0.1", dst="10.0.0.2", proto=17, frag=185) / (b"\0\x35" * 20)
EXT = (
    E / IPv6(src="::1", dst="::2") / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(m=1, id=5) / UDP(sport=3, dport=4) / b"z"
)
OPTIONS = E / IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_Router_Alert()]) / TCP(dport=179) / (b"\xff" * 20)
STREAMS = E / IP(src="10.0.0.1", dst="10.0.0.2") / SCTP(sport=2905, dport=2906)
PADDED = raw(SYN) + b"\x16\x03\x01\0\0\x01"


def matches(text: str, frame: object, wire_len: int | None = None) -> bool:
    """Whether the filter matches the frame, by the reference model."""
    data = frame if isinstance(frame, bytes) else raw(frame)
    size = len(data) if wire_len is None else wire_len
    said = evaluate(
        compile_filter(text).plan, np.frombuffer(data, np.uint8), np.array([0], np.uint64),
        np.array([len(data)], np.uint32), np.array([size], np.uint32),
    )  # fmt: skip
    return bool(said.fired[0, 0])


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (WEB, "tcp.dstport == 80"),
        (WEB, "tcp.port == 80 and tcp.port == 40000"),
        (WEB, "tcp.port != 81"),
        (WEB, "not tcp.port == 81"),
        (WEB, "all tcp.port in {80, 40000}"),
        (WEB, "any tcp.port > 39999"),
        (WEB, 'tcp.payload[0:4] == "GET "'),
        (WEB, "tcp.payload[0] == 0x47 and tcp.payload[1-2] == 45:54"),
        (WEB, "tcp.len == 10"),
        (WEB, "ip.src in {10.0.0.0/8} and ip.dst == 192.168.0.0/16"),
        (WEB, "ip.src < ip.dst"),
        (WEB, "ip.len - ip.hdr_len - tcp.hdr_len == 10"),
        (WEB, "ip.id == 258 and ip.id & 0xff == 2 and ip.id | 1 == 259 and ip.id ^ 2 == 256"),
        (WEB, "ip.ttl * 2 - 128 == 0 and -ip.ttl < 0 and ~ip.ttl == 191"),
        (WEB, "ip.ttl / 10 == 6 and ip.ttl % 10 == 4 and ip.ttl << 2 == 256 and ip.ttl >> 3 == 8"),
        (WEB, "wrap(ip.ttl + 200, 8) == 8 and sat(ip.ttl + 200, 8) == 255 and sat(ip.ttl - 100, 8) == 0"),
        (WEB, "tcp.flags.push and tcp.flags.ack and not tcp.flags.syn"),
        (WEB, "tcp.flags & 0x18 == 0x18"),
        (WEB, "eth.src[0:3] == 66:77:88 and eth.dst == 00:11:22:33:44:55 and eth.addr[5] == 0xbb"),
        (WEB, "ip[9] == 6 and tcp[2:2] == 80 and eth[12:2] == 08:00 and frame[14] == 0x45"),
        (WEB, "l4.dstport == 80 and l4.payload[0:3] == 47:45:54"),
        (WEB, "frame.len == 64 and eth.type == 0x800"),
        (SYN, "tcp.flags.syn and tcp.flags == 2 and not tcp.payload"),
        (SYN, "tcp.flags.ack == 0 and tcp.srcport < tcp.dstport"),
        (PADDED, "tcp and not tcp.payload and tcp.len == 0"),
        (DNS, "udp.dstport == 53 and udp.length == 15 and udp.payload[2:5] == \"query\""),
        (DNS, "ip.dsfield == 0 or ip.flags.df"),
        (SIX, "ipv6 and not ip and ipv6.src in {2001:db8::/32} and ipv6.addr == fe80::2"),
        (SIX, "ipv6.tclass == 0xb8 and ipv6.tclass.dscp == 46 and ipv6.flow == 77 and ipv6.hlim == 3"),
        (SIX, "udp.srcport == 7 and l4.port == 8 and udp.payload[5] == 'f'"),
        (TAGGED, "vlan.id == 101 and vlan.priority == 5 and ip.src == 1.2.3.4 and udp.dstport == 10"),
        (TAGGED, "eth.type == 0x8100 and vlan.etype == 0x0800"),
        (QINQ, "vlan.id#1 == 200 and vlan.id#2 == 7 and vlan.id == 7 and tcp.dstport == 443"),
        (QINQ, "all vlan.id > 6"),
        (WHO, "arp and arp.opcode == 1 and arp.src.proto_ipv4 == 10.0.0.1 and arp.dst.proto_ipv4 in {10.0.0.0/24}"),
        (PING, "icmp.type == 8 and icmp.ident == 9 and icmp.seq == 4 and ip.proto == 1"),
        (PING6, "icmpv6.type == 128 and icmpv6.echo.identifier == 6"),
        (FIRST, "ip.flags.mf and udp.dstport == 2"),
        (LATER, "ip.frag_offset == 185 and not udp and not l4 and ip.proto == 17"),
        (EXT, "ipv6.nxt == 60 and ipv6.fraghdr.more and ipv6.fraghdr.ident == 5 and udp.dstport == 4"),
        (OPTIONS, "ip.hdr_len == 24 and tcp.dstport == 179 and tcp.payload[0:2] == ff:ff"),
        (STREAMS, "sctp.srcport == 2905 and sctp.port == 2906 and l4.dstport == 2906"),
    ],
)  # fmt: skip
def test_a_filter_matches_the_frame_it_describes(frame: object, text: str) -> None:
    assert matches(text, frame)
    assert not matches(f"not ({text})", frame)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (WEB, "udp.dstport != 5"),
        (WEB, "udp.dstport == 5"),
        (WEB, "all udp.port == 5"),
        (WEB, "tcp.port != 80"),
        (WEB, "tcp.payload[0:11] == 00:00:00:00:00:00:00:00:00:00:00"),
        (WEB, "tcp.payload[10] >= 0"),
        (WEB, "ip.ttl / 0 == 0"),
        (WEB, "vlan.id == 0"),
        (PADDED, "tcp.payload[0] == 0x16"),
        (LATER, "udp.dstport == 53"),
        (raw(WEB)[:40], "tcp.dstport == 80"),
        (raw(WEB)[:33], "ip"),
        (b"", "frame or eth"),
    ],
)
def test_an_atom_over_an_absent_field_is_false(frame: object, text: str) -> None:
    assert not matches(text, frame)


def test_a_header_that_the_capture_cut_is_truncated_and_one_that_lies_is_malformed() -> None:
    frame = raw(WEB)
    assert matches("parse.truncated and not parse.malformed", frame[:40], wire_len=len(frame))
    assert matches("parse.malformed and not parse.truncated", frame[:40])
    lying = bytearray(frame)
    lying[16:18] = (2000).to_bytes(2, "big")
    assert matches("parse.malformed and ip.len == 2000 and tcp.dstport == 80", bytes(lying))
    assert not matches("parse.malformed or parse.truncated", frame)


READING = """
schema Reading v1 size 64 @endian(little) {
  ts: time @unit(ns)  seq: u32  sensor: u16
  status: u8 = { ok = 0, fault = 1 }
  temp: i16 @scale(0.01) @unit(degC) @null(0x8000)
  pos: fixed<32,16>[3]  tag: char[8]  ratio: f32
}
"""


def reading(text: str, **fields: float | bytes) -> bool:
    """Whether a rule on a bare Reading fires for these field values."""
    record = np.zeros(1, np.dtype({
        "names": ["ts", "seq", "sensor", "status", "temp", "pos", "tag", "ratio"],
        "formats": ["<u8", "<u4", "<u2", "u1", "<i2", ("<i4", 3), "S8", "<f4"],
        "offsets": [0, 8, 12, 14, 15, 17, 29, 37], "itemsize": 64,
    }))  # fmt: skip
    for name, value in fields.items():
        record[name] = value
    plan = compile_text(READING + "rules r on Reading all { rule x: " + text + " => deliver c }", "r").plan
    data = np.frombuffer(record.tobytes(), np.uint8)
    one = np.array([64], np.uint32)
    return bool(evaluate(plan, data, np.array([0], np.uint64), one, one).fired[0, 0])


def test_schema_fields_read_as_declared() -> None:
    assert reading("temp > 80.00", temp=8001)
    assert not reading("temp > 80.00", temp=8000)
    assert reading("temp == -1.5", temp=-150)
    assert reading("not temp < 0", temp=-32768), "the null value is an absent field"
    assert reading("status == fault and status != ok", status=1)
    assert reading("status in {fault}", status=1)
    assert reading("pos[1] == -2.5 and pos[0] == 0 and pos < -2", pos=[0, -163840, 0])
    assert reading('tag == "AB" and tag[0:2] == "AB" and tag != "ABC"', tag=b"AB")
    assert reading('tag == "AB"', tag=b"AB      ")
    assert not reading('tag == "AB"', tag=b"AB x")
    assert reading("ts > 5ms and ts <= 1s", ts=1_000_000_000)
    assert reading("temp + temp == 3.00 and temp * 2 > 2.99 and temp / 2 == 0.75", temp=150)
    assert reading("seq - sensor < 0", seq=1, sensor=2)


def test_floats_compare_with_constants_and_a_nan_with_nothing() -> None:
    assert reading("ratio == 0 and ratio >= 0 and ratio <= 0", ratio=-0.0)
    assert reading("ratio < -1.5 and ratio > -1.75", ratio=-1.625)
    assert not reading("ratio < 1 or ratio >= 1 or ratio != 1", ratio=float("nan"))
    assert reading("ratio > 340000000000000000000000000000000000000", ratio=float("inf"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp.dstprt == 80", "there is no field tcp.dstprt"),
        ("tcp.dstport == 65536", "65536 is out of range: tcp.dstport holds 0 to 65535"),
        ("tcp.dstport == -1", "-1 is out of range: tcp.dstport holds 0 to 65535"),
        ("tcp.dstport == 1.5", "tcp.dstport cannot hold 1.5: it counts in steps of 1"),
        ("tcp.dstport == 10.0.0.1", "tcp.dstport is u16, not an IPv4 address"),
        ("ip.src == 80", "ip.src is ip4, not the number 80"),
        ("ip.src == fe80::1", "ip.src is ip4, not an IPv6 address"),
        ("ip.src < 10.0.0.0/8", "10.0.0.0/8 is a network, not one address"),
        ("tcp.port in {9..1}", "the range is empty: its end comes before its start"),
        ("tcp.port in {$web}", "there is no set $web"),
        ("1 == 1", "this compares two constants"),
        ("ip.ttl + 1", "this is a value, not a condition"),
        ("tcp == 1", "tcp is present or absent; it has no value to compare"),
        ("tcp.dstport#2 == 1", "tcp.dstport occurs once; #2 picks one of several"),
        ("vlan.id#3 == 1", "vlan.id has #1 to #2, not #3"),
        ("eth.src[4:4] == 1", "eth.src has 6 bytes, [0] to [5]"),
        ("ip.ttl / ip.id == 1", "/ takes a constant on its right"),
        ("ip.src == ipv6.src", "ip.src is ip4, ipv6.src is ip6"),
        ("ipv6.src * ipv6.dst > 1", "the result can be 0 to 1157920"),
        ('tcp.payload[0:2] == "GET"', "tcp.payload[0:2] has 2 bytes, the literal 3"),
        ("(ip == 1)", "ip is present or absent; it has no value to compare"),
    ],
)
def test_a_mistake_is_named(text: str, expected: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_filter(text)
    (finding,) = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert finding.message.startswith(expected)
    assert "^" in render(finding, text, "<filter>")


def test_a_value_that_is_too_wide_is_shown_in_its_own_comparison() -> None:
    with pytest.raises(CompileError) as caught:
        compile_filter("ip.ttl > 1 and (ip.id > 2 or ipv6.src - 1 > 5)")
    (finding,) = caught.value.diagnostics
    assert finding.message.startswith("the result can be -1 to 340282366920938463463374607431768211454, more than")
    assert (finding.span.start, finding.span.end) == (29, 45)


def test_a_value_a_scaled_field_cannot_hold_names_its_neighbours() -> None:
    with pytest.raises(CompileError) as caught:
        compile_text(READING + "rules r on Reading all { rule x: temp > 80.005 => deliver c }", "r")
    (finding,) = caught.value.diagnostics
    assert finding.message == "temp cannot hold 80.005: it counts in steps of 0.01"
    assert finding.hint == "the nearest values are 80 and 80.01"


def test_inequality_over_a_field_that_can_be_absent_is_a_warning() -> None:
    (warning,) = compile_filter("tcp.dstport != 80").warnings
    assert (warning.severity, warning.code) == ("warning", "absent-field")
    assert compile_filter("not tcp.dstport == 80").warnings == ()
    always_there = READING + "rules r on Reading all { rule x: seq % 100 != 0 => deliver c }"
    assert compile_text(always_there, "r").warnings == ()
    nullable = READING + "rules r on Reading all { rule x: temp != 0 => deliver c }"
    assert [w.code for w in compile_text(nullable, "r").warnings] == ["absent-field"]


def test_not_in_warns_like_inequality_unless_the_field_is_known_to_be_there() -> None:
    (warning,) = compile_filter("tcp.dstport not in {80}").warnings
    assert (warning.severity, warning.code) == ("warning", "absent-field")
    for sure in (
        "not tcp.dstport in {80}", "tcp and tcp.dstport not in {80}", "tcp.dstport and tcp.dstport not in {80}",
        "tcp.dstport and udp and tcp.dstport != 80", "frame.len not in {64}", "tcp.flags.syn and tcp.srcport != 1",
        "tcp.payload[0] != 1 and tcp.payload[0]",
        "ip and prev(ip.ttl per ip.src) and ip.ttl != prev(ip.ttl per ip.src)",
    ):  # fmt: skip
        assert compile_filter(sure).warnings == (), sure
    for unsure in ("udp and tcp.dstport not in {80}", "tcp or tcp.dstport != 80", "tcp and tcp.len != 0"):
        assert [w.code for w in compile_filter(unsure).warnings] == ["absent-field"], unsure


def test_first_stops_at_a_match_and_all_does_not() -> None:
    body = "{ rule a: ip => deliver x  rule b: tcp => deliver y, forward 2  default => drop }"
    data = raw(WEB) + raw(WHO)
    offset, length = np.array([0, len(raw(WEB))], np.uint64), np.array([len(raw(WEB)), len(raw(WHO))], np.uint32)
    for mode, fired, forward in (("first", [True, False, False], 0), ("all", [True, True, False], 4)):
        plan = compile_text(f"rules t on packet {mode} {body}", "t").plan
        said = evaluate(plan, np.frombuffer(data, np.uint8), offset, length, length)
        assert said.fired[:, 0].tolist() == fired
        assert said.fired[:, 1].tolist() == [False, False, True]
        assert said.forward.tolist() == [forward, 0]
        assert said.drop.tolist() == [False, True]


def test_records_travel_in_packets() -> None:
    text = (
        READING + "rules r on Reading over udp.dstport == 9400 all { rule x: temp > 1.00 => deliver c default => drop }"
    )
    plan = compile_text(text, "r").plan
    record = bytearray(64)
    record[15:17] = (101).to_bytes(2, "little")
    frames = [
        raw(E / IP() / UDP(dport=9400) / Raw(bytes(record))),
        raw(E / Dot1Q(vlan=3) / IPv6() / UDP(dport=9400) / Raw(bytes(64))),
        raw(E / IP() / UDP(dport=9400) / Raw(bytes(record[:63]))),
        raw(E / IP() / UDP(dport=9401) / Raw(bytes(record))),
    ]
    length = np.array([len(f) for f in frames], np.uint32)
    offset = (np.cumsum(length) - length).astype(np.uint64)
    said = evaluate(plan, np.frombuffer(b"".join(frames), np.uint8), offset, length, length)
    assert said.fired.tolist() == [[True, False, False, False], [False, True, False, False]]
    assert said.malformed.tolist() == [False, False, True, False]


def test_a_block_with_more_rules_than_look_ups_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenm.compiler.check.program.BLOCK_RULES_MAX", 3)
    text = "rules {name} on packet first {{ " + "".join(f"rule r{i}: tcp => drop " for i in range(3)) + "{more} }}\n"
    sound, long = (text.format(name=name, more=more) for name, more in (("a", ""), ("b", "default => drop")))
    assert len(compile_text(sound, "two").plan.rules) == 3
    with pytest.raises(CompileError) as raised:
        compile_text(sound + long, "two")
    (finding,) = raised.value.diagnostics
    assert (finding.code, finding.message) == ("too-many", "a block holds at most 3 rules, b has 4")
    assert (finding.span.line, finding.hint) == (2, "put some of them in another block")
