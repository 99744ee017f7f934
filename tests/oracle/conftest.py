"""Traffic, and what Wireshark's display filters say of it.

One idea: all captures become one file, and one run of tshark answers all filters, by a listener per filter.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkInit
from scapy.packet import Packet, Raw

from sevenm.compiler import compile_filter
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch

OFFICE = Path(__file__).resolve().parents[2] / "examples" / "capture" / "office.pcap"
LUA = Path(__file__).parent / "display_filters.lua"
PREFERENCES = ("ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE")
"""Each packet for itself, as rules see it."""
Readable = Callable[[Path], EventBatch]
Wireshark = Callable[[Path, Sequence[str]], list[set[int]]]


def rare() -> list[Packet]:
    """Frames of kinds that real captures do not have, or hardly."""
    ethernet, four, six = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02"), IP(), IPv6()
    four.src, four.dst, six.src, six.dst = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
    return [
        ethernet / four / SCTP(sport=36412, dport=36412) / SCTPChunkInit(),
        ethernet / four / SCTP(sport=2905, dport=2905) / SCTPChunkData(data=b"M3UA"),
        ethernet / six / SCTP(sport=5000, dport=53) / SCTPChunkData(data=b"six"),
        ethernet / Dot1Q(vlan=7) / four / SCTP(sport=80, dport=900),
        ethernet / Dot1Q(vlan=4094, prio=7, dei=1) / four / UDP(sport=1, dport=2) / Raw(b"eligible"),
        ethernet / Dot1AD(vlan=150, prio=5, dei=1) / Dot1Q(vlan=7) / six / TCP(sport=4000, dport=443),
        ethernet / IPv6(src="2001:db8::1", dst="2001:db8::2", tc=46 << 2 | 1) / UDP(sport=5060, dport=5060) / Raw(b"x"),
        ethernet / IP(src="192.0.2.1", dst="192.0.2.2", flags="evil", ttl=1) / TCP(sport=1, dport=80, flags="SEC"),
        ethernet / four / TCP(sport=2, dport=23, flags="UPA", urgptr=3, window=0) / Raw(b"urgent"),
        ethernet / four / ICMP(type=13, id=0x2222, seq=1) / Raw(bytes(12)),
        ethernet / four / ICMP(type=8, chksum=0) / Raw(b"zero checksum"),
        ethernet / four / UDP(sport=53, dport=4000, chksum=0) / Raw(b"\x12\x34\x01\x00answer"),
        ethernet / IP(src="192.0.2.1", dst="192.0.2.2", frag=100, proto=17) / Raw(b"later fragment"),
    ]


def write_pcap(path: Path, batch: EventBatch) -> None:
    """Written here and not by sevenm's own writer, which is not what is compared."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for i, event in enumerate(batch.events):
            seconds, nanoseconds = divmod(int(event["ts_ns"]), 10**9)
            data = batch.data(i)
            out.write(struct.pack("<IIII", seconds, nanoseconds, len(data), int(event["wire_len"])) + data)


@pytest.fixture(scope="session")
def office(readable: Readable) -> EventBatch:
    return readable(OFFICE)


@pytest.fixture(scope="session")
def traffic(office: EventBatch, readable: Readable, request: pytest.FixtureRequest) -> EventBatch:
    """Rare frames, the capture of the examples, and the shared captures where there are some."""
    own = [EventBatch.from_bytes([bytes(packet) for packet in rare()]), office]
    try:
        folder: Path = request.getfixturevalue("captures_dir")
    except pytest.skip.Exception:
        return EventBatch.joined(own)
    return EventBatch.joined([*own, *map(readable, sorted(folder.iterdir()))])


@pytest.fixture(scope="session")
def wireshark_version() -> str:
    """Major and minor: "4.0"."""
    words = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return ".".join(words[2].split(".")[:2])


@pytest.fixture(scope="session")
def wireshark(tmp_path_factory: pytest.TempPathFactory) -> Wireshark:
    """Frame numbers, from 1, that each display filter takes from a capture. Fails where Wireshark refuses one."""

    def run(capture: Path, filters: Sequence[str]) -> list[set[int]]:
        given = tmp_path_factory.mktemp("filters") / "filters.txt"
        given.write_text("".join(f"{line}\n" for line in filters))
        options = [word for preference in PREFERENCES for word in ("-o", preference)]
        command = ["tshark", "-n", "-q", "-r", str(capture), *options]
        command += ["-X", f"lua_script:{LUA}", "-X", f"lua_script1:{given}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: list[set[int]] = [set() for _ in filters]
        for line in done.stdout.splitlines():
            words = line.split()
            assert len(words) == 2, f"Wireshark refuses a filter: {line}; {done.stdout[-300:]}"
            found[int(words[0]) - 1].add(int(words[1]))
        return found

    return run


def fired(plan: Plan, batch: EventBatch) -> NDArray[np.bool_]:
    """(rules, n): which rules fire, by the reference model."""
    e = batch.events
    return evaluate(plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"]).fired


@pytest.fixture(scope="session")
def rules_fired() -> Callable[[Plan, EventBatch], NDArray[np.bool_]]:
    return fired


@pytest.fixture(scope="session")
def matching() -> Callable[[str, EventBatch], set[int]]:
    """Frame numbers, from 1, that a filter of ours takes."""
    return lambda expr, batch: set((np.flatnonzero(fired(compile_filter(expr).plan, batch)[0]) + 1).tolist())


@pytest.fixture(scope="session")
def pcap_of() -> Callable[[Path, EventBatch], None]:
    return write_pcap
