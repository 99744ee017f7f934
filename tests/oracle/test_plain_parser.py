"""The reference and a parser that shares nothing with it say the same of every field of every packet.

Captures, packets that scapy builds for every header, and what goes wrong with them: cut at every byte by the capture or
on the wire, lengths that lie, chains that are too long, frames far past any window.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path
from random import Random

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Packet, Raw

from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from tests.oracle import plain_parser, questions
from tests.oracle.plain_parser import Parsed, parse
from tests.oracle.questions import catalogue, disagreements

SOAK = os.environ.get("SEVENM_SOAK", "") not in ("", "0")
MOST_ENDS = 1 << 20 if SOAK else 24
E, E4, E6 = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02"), 0x0800, 0x86DD
FOUR, SIX = IP(src="192.0.2.1", dst="198.51.100.7"), IPv6(src="2001:db8::1", dst="2001:db8:ffff::fe")
Q, AD = Dot1Q(vlan=0xABC, prio=5, id=1), Dot1AD(vlan=0x123, prio=2)

BUILT: list[Packet] = [
    E / FOUR / TCP(sport=40000, dport=443, seq=0x89ABCDEF, ack=0x76543210, flags="SEC", window=4660) / Raw(b"hello"),
    E / FOUR / TCP(flags="FPAU", urgptr=0x1234, options=[("MSS", 1460), ("SAckOK", b""), ("NOP", None)]),
    E / FOUR / UDP(sport=5353, dport=53) / Raw(b"\x12\x34question"),
    E / FOUR / UDP() / Raw(b""),
    E / FOUR / SCTP(sport=2905, dport=36412, tag=0xFEDCBA98) / SCTPChunkInit(),
    *(E / FOUR / ICMP(type=kind, code=code, id=0x1122, seq=0x3344) / Raw(bytes(12))
      for kind, code in ((0, 0), (8, 0), (3, 4), (11, 1), (13, 0), (17, 0), (42, 0))),
    E / IP(src="10.1.2.3", dst="10.3.2.1", tos=0xB9, id=0xBEEF, flags="DF+evil", ttl=1, options=[b"\x94\x04\0\0" * 10])
    / TCP() / Raw(b"after ten words of options"),
    E / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / UDP(sport=7, dport=8, len=3000) / Raw(b"first fragment"),
    E / IP(src="10.0.0.1", dst="10.0.0.2", frag=185, proto=17) / Raw(b"later fragment"),
    E / IP(src="10.0.0.1", dst="10.0.0.2", proto=47) / Raw(b"not looked into"),
    E / SIX / TCP(sport=1, dport=2) / Raw(b"six"),
    E / IPv6(src="fe80::1", dst="ff02::1", tc=0xB9, fl=0xABCDE, hlim=255) / UDP() / Raw(b"six"),
    E / SIX / SCTP(sport=9, dport=8) / SCTPChunkInit(),
    E / SIX / ICMPv6EchoRequest(id=0x5566, seq=0x7788, data=b"ping"),
    E / SIX / ICMPv6EchoReply(id=1, seq=2),
    E / SIX / ICMPv6ND_NS(tgt="2001:db8::99"),
    E / SIX / IPv6ExtHdrHopByHop() / UDP() / Raw(b"one extension header"),
    E / SIX / IPv6ExtHdrRouting(addresses=["2001:db8::5"]) / IPv6ExtHdrDestOpt() / TCP() / Raw(b"two"),
    E / SIX / IPv6ExtHdrFragment(m=1, id=0xCAFEBABE) / UDP(len=4000) / Raw(b"first"),
    E / SIX / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(offset=181, id=7, nh=17) / Raw(b"later fragment"),
    E / SIX / IPv6ExtHdrFragment(id=1) / IPv6ExtHdrFragment(m=1, id=2) / ICMPv6EchoRequest(),
    E / SIX / AH(nh=6, payloadlen=4, spi=1, seq=1, icv=bytes(12)) / TCP() / Raw(b"authenticated"),
    E / SIX / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / UDP() / Raw(b"three: one too many"),
    E / IPv6(src="::1", dst="::2", nh=59),
    E / Q / FOUR / UDP() / Raw(b"one tag"),
    E / AD / Q / SIX / TCP() / Raw(b"two tags"),
    E / AD / Q / Dot1Q(vlan=3) / FOUR / UDP(),
    Ether(type=0x9100) / Dot1Q(vlan=1, type=0x0806) / ARP(op=2, psrc="192.0.2.9", pdst="192.0.2.8"),
    E / ARP(op=1, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.2"),
    E / ARP(hwtype=6, op=3) / Raw(bytes(18)),
    E / ARP(hwtype=15, hwlen=2, plen=4, hwsrc=b"\1\2", hwdst=b"\3\4"),
    Dot3(src="02:00:00:00:00:01", dst="01:80:c2:00:00:00") / LLC() / SNAP() / Raw(b"802.3"),
    E / Dot1Q(vlan=2, type=46) / Raw(bytes(46)),
    Ether(type=0x88CC) / Raw(b"LLDP"),
    Ether(type=1501) / Raw(b"neither length nor type"),
]  # fmt: skip
"""A packet of every header, of every branch of each."""


@pytest.fixture(scope="session")
def built() -> list[bytes]:
    return [bytes(packet) for packet in BUILT]


def agreed(batch: EventBatch, most_ends: int = MOST_ENDS) -> list[Parsed]:
    """Asserts that the reference and the plain parser agree on the batch, and returns what they say."""
    parsed = [parse(batch.data(i), int(event["wire_len"])) for i, event in enumerate(batch.events)]
    assert disagreements(batch, parsed, most_ends) == []
    return parsed


def test_the_plain_parser_shares_nothing_with_sevenm() -> None:
    tree = ast.parse(Path(plain_parser.__file__).read_text())
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "dataclasses"}


def test_every_field_of_the_page_is_read_from_some_built_packet(built: list[bytes]) -> None:
    parsed = [parse(whole, len(whole)) for whole in built]
    assert [f.name for f in catalogue() if not any(p.present(f.name) for p in parsed)] == []
    known = {name for p in parsed for name in (*p.values, *p.regions, *p.presence)}
    assert known == {f.name for f in catalogue()}


def test_every_field_of_real_packets(traffic: EventBatch) -> None:
    parsed = agreed(traffic)
    assert sum("tcp.len" in p.values for p in parsed) > 50


def test_real_packets_hold_malformed_ones(captures_dir: Path, traffic: EventBatch) -> None:
    assert sum(p.malformed for p in agreed(traffic)) > 10


def test_every_field_of_built_packets_cut_at_every_byte(built: list[bytes]) -> None:
    data, sizes = [], []
    for whole in built:
        for keep in range(min(len(whole), 150) + 1):
            data += [whole[:keep], whole[:keep]]
            sizes += [len(whole), keep]
    parsed = agreed(EventBatch.from_bytes(data, wire_len=sizes))
    assert sum(p.truncated for p in parsed) > 500 and sum(p.malformed for p in parsed) > 500


def test_every_field_of_packets_with_bytes_that_lie(built: list[bytes]) -> None:
    """Every byte of the headers takes values near its own and from the whole range."""
    draw, data = Random(11), []
    for whole in built:
        for at in range(12, min(len(whole), 80)):
            for _ in range(8 if SOAK else 1):
                near = (whole[at] + draw.choice((-9, -4, -1, 1, 4, 8))) & 255
                value = draw.choice((near, near, 0, 255, draw.randrange(256)))
                data.append(whole[:at] + bytes([value]) + whole[at + 1 :])
    agreed(EventBatch.from_bytes(data))


@pytest.mark.parametrize("seed", range(20 if SOAK else 1))
def test_every_field_of_generated_packets(seed: int) -> None:
    agreed(generated(seed, 2500, mutated_percent=60))


def far() -> list[tuple[bytes, int]]:
    """(captured bytes, wire length) of frames whose headers or payloads lie far behind."""
    long = [bytes([next_header, 255]) + bytes(2046) for next_header in (60, 17)]
    chain = bytes(E / IPv6(src="::1", dst="::2", nh=0, plen=4096 + 8 + 9000)) + b"".join(long)
    chain += bytes(UDP(sport=4000, dport=5000, len=9008)) + bytes(range(250)) * 36
    jumbo = bytes(E / FOUR / TCP(sport=1, dport=2) / Raw(bytes(8960)))
    most = bytes(E / FOUR / UDP(sport=1, dport=2) / Raw(b"\x5a" * 65507))
    offload = bytes(E / IP(src="10.0.0.1", dst="10.0.0.2", len=0) / TCP(sport=3, dport=4)) + bytes(100_000)
    tagged = bytes(E / AD / Q / SIX / TCP(sport=1, dport=2) / Raw(bytes(600)))
    frames = [(whole, len(whole)) for whole in (chain, jumbo, most, offload, tagged)]
    cuts = (54, 62, 255, 256, 257, 2101, 2102, 2103, 4149, 4150, 4151, 4157, 4158, 4159, 9013, 65535)
    return [*frames, *((whole[:keep], size) for whole, size in frames for keep in cuts if keep < size)]


def test_every_field_of_headers_and_payloads_far_behind() -> None:
    frames = far()
    parsed = agreed(EventBatch.from_bytes([data for data, _ in frames], wire_len=[size for _, size in frames]), 1 << 20)
    behind = parsed[0]
    assert behind.values["udp.dstport"] == (5000,) and len(behind.regions["udp.payload"]) == 9000
    assert sum("udp.dstport" in p.values for p in parsed) > 10 and sum(p.truncated for p in parsed) > 10


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("EXTENSIONS_MAX = 2", "EXTENSIONS_MAX = 3", "udp.srcport"),
        ("above = at + 4 * words", "above = at + 4 * words + 1", "tcp.srcport"),
        ("4 * (units + 2) if", "8 * (units + 1) if", "tcp.srcport"),
        ("fragment >> 13 & 1", "fragment >> 14 & 1", "ip.flags.mf"),
        ("at + count > self.end or", "at + count >= self.end or", "parse.malformed"),
        ("if place >> 3:", "if place & 1:", "l4"),
    ],
)
def test_a_fault_in_a_header_is_found(old: str, new: str, field: str, built: list[bytes]) -> None:
    """Seeded on the plain side: whichever of the two is wrong, the comparison says so."""
    source = Path(plain_parser.__file__).read_text()
    assert source.count(old) == 1 or old.endswith("= 2")
    wrong = source.replace("TAGS_MAX = EXTENSIONS_MAX = 2", "TAGS_MAX = 2\nEXTENSIONS_MAX = 2").replace(old, new)
    module: dict[str, object] = {"__name__": "tests.oracle.plain_parser"}
    exec(compile(wrong, "a faulty parser", "exec"), module)
    faulty = module["parse"]
    assert callable(faulty)
    cuts = [(whole[:keep], len(whole)) for whole in built for keep in (40, 60, 2000)]
    batch = EventBatch.from_bytes([data for data, _ in cuts], wire_len=[size for _, size in cuts])
    found = disagreements(batch, [faulty(data, size) for data, size in cuts], 4)
    assert any(line.startswith((field, f"presence of {field}")) for line in found), found


def test_a_fault_in_the_compiler_is_found(monkeypatch: pytest.MonkeyPatch, built: list[bytes]) -> None:
    """A header length that is wrong by one byte."""
    from sevenm.compiler.protocols.packet import Packet as Headers

    right = Headers.ip_l4.func
    monkeypatch.setattr(Headers, "ip_l4", property(lambda self: self.at(right(self), 1)))
    batch = EventBatch.from_bytes(built)
    found = disagreements(batch, [parse(batch.data(i), len(batch.data(i))) for i in range(len(batch))], 4)
    assert any(line.startswith("tcp.srcport") for line in found)
    assert not any(line.startswith("ip.ttl") for line in found)
    assert questions.answers(["ip"], batch)["ip"].any()
