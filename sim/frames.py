"""Headers as bytes: the builders that generated traffic is made of.

One idea: each function returns one header, or one header around a payload, exactly as it stands on the wire, with right
lengths and checksums. They share nothing with the compiler's parser, so that a misreading there is not repeated here.

Sources: IEEE 802.3 and 802.1Q, RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 4302 (AH), 792 and 4443 (ICMP), 9293 (TCP),
768 (UDP), 9260 (SCTP, with the CRC32c of RFC 3309). Numbers outside of their field raise struct.error or ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
ICMP, TCP, UDP, ICMPV6, NO_NEXT_HEADER, SCTP = 1, 6, 17, 58, 59, 132
ARP_TYPE, IPV4_TYPE, IPV6_TYPE = 0x0806, 0x0800, 0x86DD


def checksum(data: bytes) -> int:
    """Internet checksum (RFC 1071) of the data, padded with a zero byte if odd."""
    words: tuple[int, ...] = struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC32C = _crc32c_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC32C[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def ethernet(dst: bytes, src: bytes, ethertype: int, payload: bytes, tags: Sequence[tuple[int, int]] = ()) -> bytes:
    """``tags`` are (TPID, TCI) pairs, outermost first. No padding, no frame check sequence."""
    if len(dst) != 6 or len(src) != 6:
        raise ValueError(f"a MAC address has 6 bytes, not {len(dst)} and {len(src)}")
    head = b"".join(struct.pack(">HH", *tag) for tag in tags)
    return dst + src + head + struct.pack(">H", ethertype) + payload


def arp(operation: int, sender: tuple[bytes, bytes], target: tuple[bytes, bytes]) -> bytes:
    """Between Ethernet and IPv4; ``sender`` and ``target`` are (MAC, IPv4)."""
    return struct.pack(">HHBBH", 1, IPV4_TYPE, 6, 4, operation) + b"".join(sender) + b"".join(target)


def ipv4(
    src: bytes, dst: bytes, protocol: int, payload: bytes, *, options: bytes = b"", identification: int = 0,
    flags: int = 0, offset: int = 0, ttl: int = 64, tos: int = 0,
) -> bytes:  # fmt: skip
    """``flags`` are 3 bits (2 is "don't fragment", 1 "more fragments"); ``offset`` is in units of 8 bytes."""
    if len(options) % 4 or len(options) > 40:
        raise ValueError(f"IPv4 options must be a multiple of 4 up to 40 bytes, not {len(options)}")
    words = 5 + len(options) // 4
    total = words * 4 + len(payload)
    head = struct.pack(
        ">BBHHHBBH", 0x40 | words, tos, total, identification, flags << 13 | offset, ttl, protocol, 0
    )  # fmt: skip
    head += src + dst + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(
    src: bytes, dst: bytes, next_header: int, payload: bytes, *, hop_limit: int = 64, traffic_class: int = 0,
    flow: int = 0,
) -> bytes:  # fmt: skip
    first = 6 << 28 | traffic_class << 20 | flow
    return struct.pack(">IHBB", first, len(payload), next_header, hop_limit) + src + dst + payload


def extension(kind: int, next_header: int, units: int = 0) -> bytes:
    """An IPv6 extension header other than a fragment's, filled so that it is legal: hop-by-hop and destination options
    (PadN), routing (type 0 with no segments left), authentication. ``units`` are further 8-byte units."""
    if kind == AUTHENTICATION:
        # Counted in 4-byte units less 2 (RFC 4302); on IPv6 the whole is a multiple of 8.
        body = struct.pack(">BBHII", next_header, 4 + 2 * units - 2, 0, 0x1000, 1)
        return body + b"\xa5" * (16 + 8 * units - len(body))
    size = 8 + 8 * units
    if kind == ROUTING:
        if units % 2:
            raise ValueError(f"a routing header has an even number of further units, not {units}")
        return struct.pack(">BBBBI", next_header, units, 0, 0, 0) + b"\xfd" * (size - 8)
    rest, pads = size - 2, b""
    while rest:
        part = min(rest, 250)
        pads += bytes((1, part - 2)) + bytes(part - 2)
        rest -= part
    return struct.pack(">BB", next_header, units) + pads


def fragment(next_header: int, offset: int, more: bool, identification: int = 0) -> bytes:
    """IPv6 fragment header; ``offset`` is in units of 8 bytes."""
    return struct.pack(">BBHI", next_header, 0, offset << 3 | more, identification)


def _pseudo(src: bytes, dst: bytes, protocol: int, length: int) -> bytes:
    if len(src) == 4:
        return src + dst + struct.pack(">BBH", 0, protocol, length)
    return src + dst + struct.pack(">IHBB", length, 0, 0, protocol)


def tcp(
    src: bytes, dst: bytes, ports: tuple[int, int], payload: bytes, *, flags: int = 0x10, seq: int = 0, ack: int = 0,
    window: int = 65535, urgent: int = 0, options: bytes = b"",
) -> bytes:  # fmt: skip
    """``flags`` are 9 bits, NS to FIN; ``src`` and ``dst`` are the IP addresses, for the checksum."""
    if len(options) % 4 or len(options) > 40:
        raise ValueError(f"TCP options must be a multiple of 4 up to 40 bytes, not {len(options)}")
    words = 5 + len(options) // 4
    head = struct.pack(">HHIIHHHH", *ports, seq, ack, words << 12 | flags, window, 0, urgent) + options
    value = checksum(_pseudo(src, dst, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack(">H", value) + head[18:] + payload


def udp(src: bytes, dst: bytes, ports: tuple[int, int], payload: bytes) -> bytes:
    length = 8 + len(payload)
    head = struct.pack(">HHHH", *ports, length, 0)
    value = checksum(_pseudo(src, dst, UDP, length) + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", value) + payload


def sctp(ports: tuple[int, int], chunks: bytes, tag: int = 0) -> bytes:
    head = struct.pack(">HHII", *ports, tag, 0)
    return head[:8] + struct.pack("<I", crc32c(head + chunks)) + chunks


def icmp(kind: int, code: int, rest: bytes) -> bytes:
    """``rest`` is the 4 bytes of the rest of the header, then the data."""
    head = struct.pack(">BBH", kind, code, 0) + rest
    return head[:2] + struct.pack(">H", checksum(head)) + head[4:]


def icmpv6(src: bytes, dst: bytes, kind: int, code: int, rest: bytes) -> bytes:
    head = struct.pack(">BBH", kind, code, 0) + rest
    value = checksum(_pseudo(src, dst, ICMPV6, len(head)) + head)
    return head[:2] + struct.pack(">H", value) + head[4:]
