"""Generated packets: repeatable, and read by scapy and Wireshark as they were meant."""

from __future__ import annotations

import hashlib
import socket
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import bind_layers

from sevenm.sim import frames as f
from sevenm.sim import packets
from sevenm.sim.packets import MUTATIONS, Packet

WELL_FORMED = packets.packets(11, 2000, mutated_percent=0)

# scapy knows the older tag 0x9100 nowhere, and 0x88a8 only on the outside.
for outer in (Ether, Dot1Q, Dot1AD):
    bind_layers(outer, Dot1Q, type=0x9100)
    bind_layers(outer, Dot1AD, type=0x88A8)
bind_layers(Dot1AD, Dot1Q, type=0x8100)


def ids(packet: Packet) -> str:
    return "/".join(packet.layers) + " " + packet.data[:100].hex()


def test_the_same_seed_gives_the_same_packets() -> None:
    digest = hashlib.sha256(b"".join(packets.frames(1, 300))).hexdigest()
    assert digest == hashlib.sha256(b"".join(packets.frames(1, 300))).hexdigest()
    assert digest != hashlib.sha256(b"".join(packets.frames(2, 300))).hexdigest()
    assert packets.frames(1, 300)[:100] == packets.frames(1, 100)


def test_every_kind_and_every_damage_occurs() -> None:
    made = packets.packets(3, 3000)
    layers = Counter(layer for packet in made for layer in set(packet.layers))
    for layer in ("vlan", "arp", "ip", "ipv6", "tcp", "udp", "sctp", "icmp", "icmpv6", *packets.EXTENSIONS.values()):
        assert layers[layer] >= 20, layer
    assert {packet.layers.count("vlan") for packet in made} == {0, 1, 2, 3}
    damage = Counter(packet.mutation for packet in made)
    assert set(damage) == {"", *MUTATIONS}
    assert 1900 < damage[""] < 2300
    sizes = [len(packet.data) for packet in made]
    assert (min(sizes), max(sizes) >= 9000) == (0, True)
    fields = [packet.fields for packet in made]
    assert sum(1 for found in fields if found.get("ip.frag_offset")) >= 20
    assert sum(1 for found in fields if found.get("ip.hdr_len", 20) != 20) >= 100
    assert all(packet.wire_len >= len(packet.data) for packet in made)


def test_a_batch_holds_the_packets_with_rising_times() -> None:
    made, batch = packets.packets(5, 50), packets.batch(5, 50)
    assert [batch.data(i) for i in range(50)] == [packet.data for packet in made]
    assert batch.events["wire_len"].tolist() == [packet.wire_len for packet in made]
    assert (batch.events["ts_ns"][1:] > batch.events["ts_ns"][:-1]).all()


def test_well_formed_frames_are_read_by_scapy_as_they_were_meant() -> None:
    checked: Counter[str] = Counter()
    for packet in WELL_FORMED:
        read, expected = Ether(packet.data), packet.fields
        assert bytes.fromhex(read.dst.replace(":", "")) == expected["eth.dst"]
        if packet.layers.count("vlan"):
            layer = read.payload
            for number in range(1, packet.layers.count("vlan") + 1):
                got = (layer.vlan, layer.prio)
                assert got == (expected[f"vlan.id#{number}"], expected[f"vlan.priority#{number}"]), ids(packet)
                layer = layer.payload
        found: dict[str, int | bytes] = {}
        if "arp" in packet.layers:
            found = {
                "arp.opcode": read[ARP].op,
                "arp.src.proto_ipv4": socket.inet_aton(read[ARP].psrc),
                "arp.dst.proto_ipv4": socket.inet_aton(read[ARP].pdst),
            }
        if "ip" in packet.layers:
            ip = read[IP]
            found |= {
                "ip.src": socket.inet_aton(ip.src), "ip.dst": socket.inet_aton(ip.dst), "ip.proto": ip.proto,
                "ip.ttl": ip.ttl, "ip.flags.mf": int(ip.flags) & 1, "ip.frag_offset": ip.frag, "ip.hdr_len": ip.ihl * 4,
                "ip.len": ip.len,
            }  # fmt: skip
            start = 14 + 4 * packet.layers.count("vlan")
            assert f.checksum(packet.data[start : start + ip.ihl * 4]) == 0, ids(packet)
        if "ipv6" in packet.layers:
            ip = read[IPv6]
            found |= {
                "ipv6.src": socket.inet_pton(socket.AF_INET6, ip.src),
                "ipv6.dst": socket.inet_pton(socket.AF_INET6, ip.dst),
                "ipv6.nxt": ip.nh, "ipv6.hlim": ip.hlim, "ipv6.plen": ip.plen,
            }  # fmt: skip
        # scapy does not look past an authentication header; Wireshark does, below.
        if "ah" not in packet.layers:
            if "tcp" in packet.layers:
                tcp = read[TCP]
                found |= {
                    "tcp.srcport": tcp.sport, "tcp.dstport": tcp.dport, "tcp.flags": int(tcp.flags),
                    "tcp.hdr_len": tcp.dataofs * 4, "tcp.window_size_value": tcp.window,
                }  # fmt: skip
            if "udp" in packet.layers:
                udp = read[UDP]
                found |= {"udp.srcport": udp.sport, "udp.dstport": udp.dport, "udp.length": udp.len}
            if "sctp" in packet.layers:
                found |= {"sctp.srcport": read[SCTP].sport, "sctp.dstport": read[SCTP].dport}
            if "icmp" in packet.layers:
                found |= {"icmp.type": read[ICMP].type, "icmp.code": read[ICMP].code}
        for name, value in found.items():
            assert value == expected[name], f"{name} {ids(packet)}"
            checked[name] += 1
    assert len(checked) == 28
    assert min(checked.values()) > 50


@pytest.mark.needs("tshark")
def test_well_formed_frames_are_read_by_wireshark_as_they_were_meant(tmp_path: Path) -> None:
    path = tmp_path / "generated.pcap"
    records = (
        struct.pack("<IIII", number, 0, len(packet.data), packet.wire_len) + packet.data
        for number, packet in enumerate(WELL_FORMED)
    )
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records))
    names = (
        "arp.opcode", "ip.proto", "ip.ttl", "ip.hdr_len", "ipv6.plen", "ipv6.hlim", "tcp.srcport", "tcp.dstport",
        "tcp.hdr_len", "udp.srcport", "udp.dstport", "udp.length", "sctp.srcport", "sctp.dstport", "icmp.type",
        "icmpv6.type", "icmpv6.code",
    )  # fmt: skip
    # The first occurrence of a field: an ICMP error may quote a packet, a payload may look like a tunnel.
    options = [part for name in names for part in ("-e", name)]
    preferences = ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]
    command = ["tshark", "-n", "-r", str(path), *preferences, "-T", "fields", "-E", "occurrence=f", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(WELL_FORMED)
    checked: Counter[str] = Counter()
    for packet, line in zip(WELL_FORMED, lines, strict=True):
        for name, text in zip(names, line.split("\t"), strict=True):
            if name in packet.fields:
                assert text != "", f"{name} {ids(packet)}"
                assert int(text, 0) == packet.fields[name], f"{name} {ids(packet)}"
                checked[name] += 1
    assert set(checked) == set(names)


def test_checksums_are_those_of_the_standards() -> None:
    # The example of RFC 1071, and the check value of CRC-32C.
    assert f.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D
    assert f.crc32c(b"123456789") == 0xE3069283
    for packet in WELL_FORMED:
        read = Ether(packet.data)
        if packet.layers[-1] in ("tcp", "udp") and "ah" not in packet.layers and "fraghdr" not in packet.layers:
            if "ip" in packet.layers and read[IP].flags & 1:
                continue
            layer = read[TCP if packet.layers[-1] == "tcp" else UDP]
            sent = layer.chksum
            del layer.chksum
            again = Ether(bytes(read))
            assert again[TCP if packet.layers[-1] == "tcp" else UDP].chksum == sent, ids(packet)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, -1), "n must not be negative, and is -1"),
        ((1, 1, 101), "mutated_percent must be from 0 to 100, not 101"),
    ],
)
def test_impossible_numbers_are_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        packets.packets(*arguments)


def test_builders_refuse_what_has_no_place_in_the_header() -> None:
    with pytest.raises(ValueError, match="IPv4 options must be a multiple of 4 up to 40 bytes, not 44"):
        f.ipv4(bytes(4), bytes(4), 6, b"", options=bytes(44))
    with pytest.raises(ValueError, match="TCP options must be a multiple of 4 up to 40 bytes, not 3"):
        f.tcp(bytes(4), bytes(4), (1, 2), b"", options=bytes(3))
    with pytest.raises(ValueError, match="a MAC address has 6 bytes, not 6 and 5"):
        f.ethernet(bytes(6), bytes(5), 0x0800, b"")
    with pytest.raises(ValueError, match="an even number of further units, not 1"):
        f.extension(f.ROUTING, f.TCP, 1)
