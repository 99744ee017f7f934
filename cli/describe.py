"""One line of text per packet, for `sevenm filter` without an output file.

One idea: a glance, not a dissection. It names the addresses, ports and protocol it can see and never fails: what is
cut short or unknown is described by the last layer that was whole. Rules do not depend on anything here. This is the
definition; captures are described by ``host/csrc/describe.c``, which writes the same.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from sevenm.compiler.protocols.packet import TAGS

HEAD_MAX = 192
"""Bytes of a packet that the description looks at."""
_EXTENSIONS = (0, 43, 60)
_FRAGMENT = 44
_WALK_MAX = 8
_L4 = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 51: "AH", 58: "ICMPv6", 89: "OSPF", 132: "SCTP"}
_PORTS = (6, 17, 132)
_ETHER = {0x0806: "ARP", 0x8847: "MPLS", 0x8863: "PPPoE", 0x8864: "PPPoE", 0x88CC: "LLDP", 0x88F7: "PTP"}
_FLAGS = "FSRPAUEC"


def timestamp(ts_ns: int) -> str:
    """Nanoseconds since 1970 as UTC, ISO 8601 with nine digits; plain seconds past the year 9999."""
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    date = _second(seconds)
    return f"{seconds}.{ns:09d}" if date is None else f"{date}.{ns:09d}Z"


# What one packet says, the next ones mostly say again: the same second, the same addresses.
@lru_cache(16)
def _second(seconds: int) -> str | None:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(4096)
def _address(data: bytes) -> str:
    """4 or 16 bytes."""
    if len(data) == 4:
        return str(IPv4Address(data))
    address = IPv6Address(data)
    if address.ipv4_mapped is not None:  # Python writes these in one way up to 3.12, in another after it
        return f"::ffff:{int.from_bytes(data[12:14], 'big'):x}:{int.from_bytes(data[14:], 'big'):x}"
    return str(address)


def packet(head: bytes) -> str:
    """``source > destination protocol`` of a frame's first bytes."""
    try:
        return _ethernet(head[:HEAD_MAX])
    except (struct.error, IndexError):
        return "cut short"


def _ethernet(data: bytes) -> str:
    if len(data) < 14:
        return f"{len(data)} bytes, too short for Ethernet"
    at, tags = 12, ""
    kind = int.from_bytes(data[at : at + 2], "big")
    while kind in TAGS and len(data) >= at + 6:
        tags += f" vlan {int.from_bytes(data[at + 2 : at + 4], 'big') & 0xFFF}"
        at += 4
        kind = int.from_bytes(data[at : at + 2], "big")
    body = data[at + 2 :]
    macs = f"{data[6:12].hex(':')} > {data[0:6].hex(':')}"
    if kind == 0x0800 and len(body) >= 20:
        return _ip4(body) + tags
    if kind == 0x86DD and len(body) >= 40:
        return _ip6(body) + tags
    if kind == 0x0806 and len(body) >= 28 and body[:6] == b"\x00\x01\x08\x00\x06\x04":
        return _arp(body) + tags
    if kind < 0x600:
        return f"{macs} 802.3 length {kind}{tags}"
    return f"{macs} {_ETHER.get(kind, f'type 0x{kind:04x}')}{tags}"


def _arp(body: bytes) -> str:
    operation = int.from_bytes(body[6:8], "big")
    sender, target = _address(body[14:18]), _address(body[24:28])
    if operation == 1:
        return f"{sender} > {target} ARP who has {target}"
    if operation == 2:
        return f"{sender} > {target} ARP is at {body[8:14].hex(':')}"
    return f"{sender} > {target} ARP operation {operation}"


def _ip4(body: bytes) -> str:
    source, target = _address(body[12:16]), _address(body[16:20])
    fragment = int.from_bytes(body[6:8], "big")
    offset = (fragment & 0x1FFF) * 8
    if offset:
        return f"{source} > {target} {_name(body[9])} fragment at {offset}"
    more = " first fragment" if fragment & 0x2000 else ""
    return _layer4(source, target, body[9], body[(body[0] & 15) * 4 :]) + more


def _ip6(body: bytes) -> str:
    source, target = _address(body[8:24]), _address(body[24:40])
    kind, at, more = body[6], 40, ""
    for _ in range(_WALK_MAX):
        if kind in _EXTENSIONS and len(body) >= at + 8:
            kind, at = body[at], at + 8 * (body[at + 1] + 1)
        elif kind == _FRAGMENT and len(body) >= at + 8:
            place = int.from_bytes(body[at + 2 : at + 4], "big")
            kind = body[at]
            if place >> 3:
                return f"{source} > {target} {_name(kind)} fragment at {place & ~7}"
            more = " first fragment" if place & 1 else ""
            at += 8
        else:
            break
    return _layer4(source, target, kind, body[at:], brackets=True) + more


def _layer4(source: str, target: str, kind: int, data: bytes, brackets: bool = False) -> str:
    name = _name(kind)
    if kind in _PORTS and len(data) >= 4:
        if brackets:
            source, target = f"[{source}]", f"[{target}]"
        sport, dport = struct.unpack_from(">HH", data)
        flags = ""
        if kind == 6 and len(data) >= 14:
            flags = " " + ("".join(f for bit, f in enumerate(_FLAGS) if data[13] >> bit & 1) or "none")
        return f"{source}:{sport} > {target}:{dport} {name}{flags}"
    if kind in (1, 58) and len(data) >= 2:
        return f"{source} > {target} {name} type {data[0]} code {data[1]}"
    return f"{source} > {target} {name}"


def _name(kind: int) -> str:
    return _L4.get(kind, f"protocol {kind}")
