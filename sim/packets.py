"""Generated traffic: the same packets for the same seed, everywhere.

One idea: a packet remembers how it was made. ``layers`` and ``fields`` say what a correct parser has to find in a
well-formed frame; ``mutation`` says what was done to the others. Values are drawn from what rules are written about
(well-known ports, private networks, boundaries) as often as from the whole range, so that rules of tests do match.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from sevenm.host.batch import EventBatch

from . import frames as f

PORTS = (0, 22, 53, 67, 80, 123, 443, 1023, 1024, 5060, 8000, 8080, 9400, 26400, 65535)
NETWORKS4 = ("0a000000", "0a010203", "ac100000", "c0a80000", "c0a801ff", "e0000001", "7f000001", "ffffffff", "00000000")
NETWORKS6 = ("fe80" + 28 * "0", "20010db8" + 24 * "0", "ff02" + 27 * "0" + "1", 31 * "0" + "1")
TPIDS = (0x8100, 0x88A8, 0x9100)
EXTENSIONS = {
    f.HOP_BY_HOP: "hopopts",
    f.ROUTING: "routing",
    f.FRAGMENT: "fraghdr",
    f.AUTHENTICATION: "ah",
    f.DESTINATION: "dstopts",
}
"""Names of IPv6 extension headers among a packet's layers."""
MTU_MAX = 9000
"""Longest generated IP packet."""


@dataclass(frozen=True)
class Packet:
    """``data`` is what was captured of a frame of ``wire_len`` bytes. ``layers`` run from "eth" to the last header that
    was built; ``fields`` are named as in Wireshark (``vlan.id#1``), addresses as bytes. Both describe the frame before
    ``mutation``, which is "" for a well-formed, whole one."""

    data: bytes
    wire_len: int
    layers: tuple[str, ...]
    fields: dict[str, int | bytes] = field(default_factory=dict)
    mutation: str = ""


def frames(seed: int, n: int) -> list[bytes]:
    """The bytes of ``packets(seed, n)``."""
    return [packet.data for packet in packets(seed, n)]


def batch(seed: int, n: int, mutated_percent: int = 30) -> EventBatch:
    """``packets`` as a batch; timestamps count up from one second by a microsecond and more."""
    made = packets(seed, n, mutated_percent)
    times = [1_000_000_000 + 1009 * number for number in range(n)]
    return EventBatch.from_bytes([p.data for p in made], times, [p.wire_len for p in made])


def packets(seed: int, n: int, mutated_percent: int = 30) -> list[Packet]:
    """``n`` packets, of which about ``mutated_percent`` in a hundred are broken or cut in one of ``MUTATIONS``."""
    if n < 0:
        raise ValueError(f"n must not be negative, and is {n}")
    if not 0 <= mutated_percent <= 100:
        raise ValueError(f"mutated_percent must be from 0 to 100, not {mutated_percent}")
    random = Random(seed)
    out = []
    for _ in range(n):
        packet = _packet(random)
        if random.randrange(100) < mutated_percent:
            packet = _MUTATE[random.choice(MUTATIONS)](random, packet)
        out.append(packet)
    return out


# Well-formed frames


def _packet(random: Random) -> Packet:
    fields: dict[str, int | bytes] = {}
    layers = ["eth"]
    tags = []
    for number in range(random.choice((0, 0, 0, 0, 1, 1, 2, 2, 3))):
        tci = random.choice((0, 1, 5, 7, 0x6064, 0xFFFF, random.getrandbits(16)))
        tags.append((random.choice(TPIDS), tci))
        layers.append("vlan")
        fields[f"vlan.id#{number + 1}"] = tci & 0xFFF
        fields[f"vlan.priority#{number + 1}"] = tci >> 13
    ethertype, payload = random.choices((_ipv4, _ipv6, _arp, _other), (50, 35, 8, 7))[0](random, layers, fields)
    dst, src = _mac(random), _mac(random)
    fields.update({"eth.dst": dst, "eth.src": src, "eth.type": ethertype})
    data = f.ethernet(dst, src, ethertype, payload, tags)
    if random.random() < 0.5:
        data = data.ljust(60, b"\0")
    return Packet(data, len(data), tuple(layers), fields)


def _mac(random: Random) -> bytes:
    return random.choice((b"\xff" * 6, bytes.fromhex("01005e000001"), b"\x02\0\0\0\0\x01", random.randbytes(6)))


def _port(random: Random) -> int:
    return random.choice(PORTS) if random.random() < 0.6 else random.getrandbits(16)


def _address(random: Random, networks: Sequence[str]) -> bytes:
    base = bytes.fromhex(random.choice(networks))
    match random.randrange(3):
        case 0:
            return base
        case 1:
            return base[:-2] + random.randbytes(2)
        case _:
            return random.randbytes(len(base))


def _payload(random: Random, most: int) -> bytes:
    size = random.choice((
        0, 1, random.randrange(32), random.randrange(32), random.randrange(300), random.randrange(1461),
        random.choice((most, random.randrange(most + 1))) if random.random() < 0.15 else random.randrange(64),
    ))  # fmt: skip
    start = random.choice((b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b"", random.randbytes(8)))
    return (start + random.randbytes(max(0, size - len(start))))[:size]


def _arp(random: Random, layers: list[str], fields: dict[str, int | bytes]) -> tuple[int, bytes]:
    layers.append("arp")
    operation = random.choice((1, 1, 2, random.getrandbits(16)))
    sender, target = ((_mac(random), _address(random, NETWORKS4)) for _ in range(2))
    fields.update({"arp.opcode": operation, "arp.src.proto_ipv4": sender[1], "arp.dst.proto_ipv4": target[1]})
    return f.ARP_TYPE, f.arp(operation, sender, target)


def _other(random: Random, layers: list[str], fields: dict[str, int | bytes]) -> tuple[int, bytes]:
    data = _payload(random, 1500)
    length = len(data) if len(data) <= 1500 else 1500
    return random.choice((0x88CC, 0x8847, 0x0842, 0xFFFF, length)), data


def _ipv4(random: Random, layers: list[str], fields: dict[str, int | bytes]) -> tuple[int, bytes]:
    src, dst = _address(random, NETWORKS4), _address(random, NETWORKS4)
    options = (
        b"" if random.random() < 0.7 else random.choice((b"\x94\x04\0\0", b"\x01" * 8, b"\x07\x27\x04" + bytes(37)))
    )
    # Which part of a fragmented packet: none, first, middle, last.
    part = random.choices(range(4), (80, 8, 6, 6))[0]
    flags = {0: random.choice((0, 2)), 1: 1, 2: 1, 3: 0}[part]
    offset = random.randrange(1, 1000) if part >= 2 else 0
    layers.append("ip")
    room = MTU_MAX - 20 - len(options)
    if part >= 2:
        protocol = random.choice((f.ICMP, f.TCP, f.UDP, f.SCTP))
        body = _payload(random, room)
        body = body[: len(body) & ~7] if part == 2 else body
    else:
        protocol, body = _transport(random, src, dst, room, layers, fields)
        body = body[: max(len(body) & ~7, 64)] if part == 1 and len(body) > 64 else body
    ttl, tos = random.choice((1, 64, 255, random.getrandbits(8))), random.choice((0, 0x2E << 2, random.getrandbits(8)))
    fields.update({
        "ip.src": src, "ip.dst": dst, "ip.proto": protocol, "ip.ttl": ttl, "ip.flags.mf": flags & 1,
        "ip.frag_offset": offset, "ip.hdr_len": 20 + len(options), "ip.len": 20 + len(options) + len(body),
    })  # fmt: skip
    identification = random.getrandbits(16)
    return f.IPV4_TYPE, f.ipv4(
        src, dst, protocol, body, options=options, identification=identification, flags=flags, offset=offset, ttl=ttl,
        tos=tos,
    )  # fmt: skip


def _ipv6(random: Random, layers: list[str], fields: dict[str, int | bytes]) -> tuple[int, bytes]:
    src, dst = _address(random, NETWORKS6), _address(random, NETWORKS6)
    layers.append("ipv6")
    chain = [random.choice(tuple(EXTENSIONS)) for _ in range(random.choice((0, 0, 0, 0, 1, 1, 2, 3, 4)))]
    later = f.FRAGMENT in chain and random.random() < 0.4
    if later:
        # What follows a later fragment's header is not a header any more.
        chain = chain[: chain.index(f.FRAGMENT) + 1]
        protocol, body = random.choice((f.TCP, f.UDP, f.ICMPV6)), _payload(random, 1400)
    else:
        protocol, body = _transport(random, src, dst, MTU_MAX - 40 - 4 * 72, layers, fields)
    at = layers.index("ipv6") + 1
    layers[at:at] = [EXTENSIONS[kind] for kind in chain]
    next_header = protocol
    for kind in reversed(chain):
        if kind == f.FRAGMENT:
            more = later and random.random() < 0.5
            body = body[: len(body) & ~7] if more else body
            head = f.fragment(next_header, random.randrange(1, 1000) if later else 0, more, random.getrandbits(32))
        else:
            units = random.choice((0, 0, 0, 2, 4, 8))
            head = f.extension(kind, next_header, units)
        body, next_header = head + body, kind
    hop_limit = random.choice((1, 64, 255))
    fields.update({
        "ipv6.src": src, "ipv6.dst": dst, "ipv6.nxt": next_header, "ipv6.hlim": hop_limit, "ipv6.plen": len(body),
    })  # fmt: skip
    return f.IPV6_TYPE, f.ipv6(
        src,
        dst,
        next_header,
        body,
        hop_limit=hop_limit,
        traffic_class=random.getrandbits(8),
        flow=random.getrandbits(20),
    )


def _transport(
    random: Random, src: bytes, dst: bytes, room: int, layers: list[str], fields: dict[str, int | bytes]
) -> tuple[int, bytes]:
    """A layer 4 packet of at most ``room`` bytes: (protocol, bytes)."""
    family = 4 if len(src) == 4 else 6
    kind = random.choices(("tcp", "udp", "sctp", "icmp", "none"), (40, 35, 8, 12, 5))[0]
    payload = _payload(random, room - 64)
    ports = _port(random), _port(random)
    if kind in ("tcp", "udp", "sctp"):
        layers.append(kind)
        fields.update({f"{kind}.srcport": ports[0], f"{kind}.dstport": ports[1]})
    match kind:
        case "tcp":
            flags = random.choice((0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0, random.getrandbits(9)))
            options = random.choice(
                (b"", b"", b"\x02\x04\x05\xb4", b"\x01\x01\x08\x0a" + random.randbytes(8), b"\x01" * 40)
            )
            window = random.choice((0, 1024, 65535, random.getrandbits(16)))
            seq, ack = random.getrandbits(32), random.getrandbits(32)
            fields.update({"tcp.flags": flags, "tcp.hdr_len": 20 + len(options), "tcp.window_size_value": window})
            return f.TCP, f.tcp(src, dst, ports, payload, flags=flags, seq=seq, ack=ack, window=window, options=options)
        case "udp":
            fields["udp.length"] = 8 + len(payload)
            return f.UDP, f.udp(src, dst, ports, payload)
        case "sctp":
            chunk = struct.pack(">BBH", random.choice((0, 1, 3, 6)), 0, 4)
            return f.SCTP, f.sctp(ports, chunk, random.getrandbits(32))
        case "icmp" if family == 4:
            layers.append("icmp")
            of = random.choice((0, 3, 8, 8, 11)), random.choice((0, 1, 3))
            fields.update({"icmp.type": of[0], "icmp.code": of[1]})
            return f.ICMP, f.icmp(*of, random.randbytes(4) + payload)
        case "icmp":
            layers.append("icmpv6")
            of = random.choice((1, 128, 129, 135, 136)), random.choice((0, 0, 1))
            fields.update({"icmpv6.type": of[0], "icmpv6.code": of[1]})
            return f.ICMPV6, f.icmpv6(src, dst, *of, random.randbytes(4) + payload)
    return random.choice((f.NO_NEXT_HEADER, 47, 50, 89)), payload


# What goes wrong


def _cut(random: Random, packet: Packet) -> Packet:
    """The capture kept less than was on the wire."""
    keep = random.choice((0, 14, 34, 54, 64, 68, 96, 128, 255, 256, random.randrange(len(packet.data) + 1)))
    return replace(packet, data=packet.data[:keep], mutation="cut")


def _short(random: Random, packet: Packet) -> Packet:
    """The frame itself ends early, whatever its headers say."""
    data = packet.data[: random.randrange(min(len(packet.data), 120) + 1)]
    return replace(packet, data=data, wire_len=len(data), mutation="short")


def _flip(random: Random, packet: Packet) -> Packet:
    """One to eight bits of the first 128 bytes are wrong."""
    data = bytearray(packet.data)
    for _ in range(random.randrange(1, 9)):
        at = random.randrange(min(len(data), 128))
        data[at] ^= 1 << random.randrange(8)
    return replace(packet, data=bytes(data), mutation="flip")


def _lie(random: Random, packet: Packet) -> Packet:
    """A length or version field says something else: IPv4 version and words, total length, IPv6 payload length, TCP
    data offset, UDP length, extension header length."""
    data = bytearray(packet.data)
    base = 14 + 4 * packet.layers.count("vlan")
    words = data[base] & 15 if len(data) > base else 0
    four, six = base + 4 * words, base + 40
    places = {
        "ip": ((base, 1), (base, 1), (base + 2, 2), (base + 6, 2)),
        "ipv6": ((base, 1), (base + 4, 2), (base + 6, 1), (six + 1, 1)),
        "tcp": ((four + 12, 1), (six + 12, 1)),
        "udp": ((four + 4, 2), (six + 4, 2)),
    }
    known = [place for layer in packet.layers for place in places.get(layer, ())] or [(12, 2)]
    at, count = random.choice(known)
    most = (1 << 8 * count) - 1
    near = int.from_bytes(data[at : at + count], "big") + random.choice((-9, -8, -1, 1, 4, 8, 16))
    value = random.choice((0, most, near & most, near & most, random.randrange(most + 1)))
    if at + count <= len(data):
        data[at : at + count] = value.to_bytes(count, "big")
    return replace(packet, data=bytes(data), mutation="lie")


def _edge(random: Random, packet: Packet) -> Packet:
    """Cut or padded to a length around a beat, the window, the size sideband's end, or a jumbo frame."""
    size = random.choice((0, 1, 13, 14, 63, 64, 65, 127, 128, 129, 192, 255, 256, 257, 320, 1514, 9000))
    data = packet.data[:size].ljust(size, b"\x5a")
    return replace(
        packet, data=data, wire_len=random.choice((size, size, size + 1, 65535, 65536, 100000)), mutation="edge"
    )


_MUTATE: dict[str, Callable[[Random, Packet], Packet]] = {
    "cut": _cut, "short": _short, "flip": _flip, "lie": _lie, "edge": _edge,
}  # fmt: skip
MUTATIONS = tuple(_MUTATE)
"""Kinds of damage: cut by the capture, short on the wire, flipped bits, lying lengths, edge lengths."""
