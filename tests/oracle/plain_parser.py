"""A packet parser that shares nothing with the compiler: one packet, one branch after the other, from the standards.

One idea: read each header the way its standard draws it, and write down what docs/fields.md names. What the standards
leave open (what is absent, what is malformed, what is truncated) is docs/meaning.md. Nothing of sevenm is imported.

Sources: IEEE 802.3 and 802.1Q, RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 4302 (AH), 792 and 4443 (ICMP), 9293 (TCP),
768 (UDP), 9260 (SCTP).
"""

from __future__ import annotations

from dataclasses import dataclass, field

SIZE_MAX = 0xFFFF
"""``frame.len`` of a frame of this size or more."""
UNBOUNDED = 1 << 32
"""Where a packet ends as long as no IP header has said so."""
TAGS_MAX = EXTENSIONS_MAX = 2

TPIDS = (0x8100, 0x88A8, 0x9100)
ETHERTYPE_MIN, LENGTH_MAX = 0x0600, 1500
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)
ICMP_QUERIES = (0, 8, 13, 14, 15, 16, 17, 18)
"""Echo, time stamp, information and address mask, replies and requests: the messages with an identifier."""


@dataclass
class Parsed:
    """What stands in one packet.

    values     fields that are present, each with its values in the order of docs/fields.md; addresses as numbers
    regions    fields that are bytes and are present: what can be sliced of them
    presence   fields that only are there: ``vlan`` and ``ipv6.fraghdr``
    """

    values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    regions: dict[str, bytes] = field(default_factory=dict)
    presence: set[str] = field(default_factory=set)
    malformed: bool = False
    truncated: bool = False

    def present(self, name: str) -> bool:
        return name in self.values or name in self.regions or name in self.presence


def parse(data: bytes, wire_len: int) -> Parsed:
    """Reads a frame of ``wire_len`` bytes, of which ``data`` was captured."""
    packet = _Packet(data, min(wire_len, SIZE_MAX))
    packet.frame()
    found = packet.found
    found.values["parse.malformed"] = (int(found.malformed),)
    found.values["parse.truncated"] = (int(found.truncated),)
    return found


class _Packet:
    """A packet under reading. ``end`` is where the IP packet says that it ends, ``more`` that it is the first of
    several fragments."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size, self.end = data, size, UNBOUNDED
        self.found = Parsed()
        self.more = False

    def number(self, at: int, count: int) -> int:
        assert at >= 0 and at + count <= len(self.data), (at, count, len(self.data))
        return int.from_bytes(self.data[at : at + count], "big")

    def put(self, name: str, *values: int) -> None:
        self.found.values[name] = values

    def add(self, name: str, value: int) -> None:
        """One more value of a field that may have two."""
        self.found.values[name] = (*self.found.values.get(name, ()), value)

    def region(self, name: str, start: int, end: int) -> None:
        self.found.regions[name] = self.data[start : max(start, end)]

    def holds(self, at: int, count: int) -> bool:
        """Whether an announced header of ``count`` bytes is there; if not, says why: the IP length leaves no room for
        it, the capture was cut, or the frame ended."""
        if at + count <= min(self.end, len(self.data)):
            return True
        if at + count > self.end or len(self.data) >= self.size:
            self.found.malformed = True
        else:
            self.found.truncated = True
        return False

    # Frame, Ethernet, tags

    def frame(self) -> None:
        self.put("frame.len", self.size)
        if self.data:
            self.region("frame", 0, len(self.data))
        if not self.holds(0, 14):
            return
        self.region("eth", 0, len(self.data))
        dst, src, kind = self.number(0, 6), self.number(6, 6), self.number(12, 2)
        self.put("eth.dst", dst)
        self.put("eth.src", src)
        self.put("eth.addr", dst, src)
        if kind >= ETHERTYPE_MIN:
            self.put("eth.type", kind)
        elif kind <= LENGTH_MAX:
            self.put("eth.len", kind)
        self.tags(14, kind)

    def tags(self, at: int, kind: int) -> None:
        tags = 0
        while kind in TPIDS:
            if tags == TAGS_MAX:
                self.found.truncated = True
                return
            if not self.holds(at, 4):
                return
            control, kind = self.number(at, 2), self.number(at + 2, 2)
            self.found.presence.add("vlan")
            self.add("vlan.priority", control >> 13)
            self.add("vlan.dei", control >> 12 & 1)
            self.add("vlan.id", control & 0xFFF)
            if kind >= ETHERTYPE_MIN:
                self.add("vlan.etype", kind)
            tags, at = tags + 1, at + 4
        if kind == ARP:
            self.arp(at)
        elif kind == IPV4:
            self.ipv4(at)
        elif kind == IPV6:
            self.ipv6(at)

    # Above Ethernet

    def arp(self, at: int) -> None:
        if not self.holds(at, 8):
            return
        self.region("arp", at, len(self.data))
        hardware, protocol = self.number(at, 2), self.number(at + 2, 2)
        hardware_size, protocol_size = self.data[at + 4], self.data[at + 5]
        self.put("arp.hw.type", hardware)
        self.put("arp.proto.type", protocol)
        self.put("arp.hw.size", hardware_size)
        self.put("arp.proto.size", protocol_size)
        self.put("arp.opcode", self.number(at + 6, 2))
        usual = hardware in (1, 6) and protocol == IPV4 and (hardware_size, protocol_size) == (6, 4)
        if usual and self.holds(at, 28):
            self.put("arp.src.hw_mac", self.number(at + 8, 6))
            self.put("arp.src.proto_ipv4", self.number(at + 14, 4))
            self.put("arp.dst.hw_mac", self.number(at + 18, 6))
            self.put("arp.dst.proto_ipv4", self.number(at + 24, 4))

    def bound(self, start: int, length: int) -> None:
        """The IP length says where the packet ends; 0 means the end of the frame."""
        if length == 0:
            self.end = self.size
            return
        if start + length > self.size and self.size < SIZE_MAX:
            self.found.malformed = True
        self.end = start + length

    def ipv4(self, at: int) -> None:
        if not self.holds(at, 20):
            return
        version, words = self.data[at] >> 4, self.data[at] & 15
        if version != 4 or words < 5:
            self.found.malformed = True
            return
        service, total, fragment = self.data[at + 1], self.number(at + 2, 2), self.number(at + 6, 2)
        offset, protocol = fragment & 0x1FFF, self.data[at + 9]
        src, dst = self.number(at + 12, 4), self.number(at + 16, 4)
        self.put("ip.version", version)
        self.put("ip.hdr_len", 4 * words)
        self.put("ip.dsfield", service)
        self.put("ip.dsfield.dscp", service >> 2)
        self.put("ip.dsfield.ecn", service & 3)
        self.put("ip.len", total)
        self.put("ip.id", self.number(at + 4, 2))
        self.put("ip.flags", fragment >> 13)
        self.put("ip.flags.rb", fragment >> 15)
        self.put("ip.flags.df", fragment >> 14 & 1)
        self.put("ip.flags.mf", fragment >> 13 & 1)
        self.put("ip.frag_offset", offset)
        self.put("ip.ttl", self.data[at + 8])
        self.put("ip.proto", protocol)
        self.put("ip.checksum", self.number(at + 10, 2))
        self.put("ip.src", src)
        self.put("ip.dst", dst)
        self.put("ip.addr", src, dst)
        self.bound(at, total)
        self.more = bool(fragment & 0x2000)
        self.region("ip", at, self.end)
        if not self.holds(at, 4 * words) or offset:
            return
        above = at + 4 * words
        if protocol == ICMP:
            self.icmp(above)
        else:
            self.transport(above, protocol)

    def ipv6(self, at: int) -> None:
        if not self.holds(at, 40):
            return
        first = self.number(at, 4)
        if first >> 28 != 6:
            self.found.malformed = True
            return
        length, above = self.number(at + 4, 2), self.data[at + 6]
        src, dst = self.number(at + 8, 16), self.number(at + 24, 16)
        self.put("ipv6.version", 6)
        self.put("ipv6.tclass", first >> 20 & 0xFF)
        self.put("ipv6.tclass.dscp", first >> 22 & 0x3F)
        self.put("ipv6.tclass.ecn", first >> 20 & 3)
        self.put("ipv6.flow", first & 0xFFFFF)
        self.put("ipv6.plen", length)
        self.put("ipv6.nxt", above)
        self.put("ipv6.hlim", self.data[at + 7])
        self.put("ipv6.src", src)
        self.put("ipv6.dst", dst)
        self.put("ipv6.addr", src, dst)
        self.bound(at, length and 40 + length)
        self.region("ipv6", at, self.end)
        self.extensions(at + 40, above)

    def extensions(self, at: int, kind: int) -> None:
        walked = 0
        while kind in EXTENSIONS:
            if walked == EXTENSIONS_MAX:
                self.found.truncated = True
                return
            if not self.holds(at, 8):
                return
            above, units = self.data[at], self.data[at + 1]
            if kind == FRAGMENT:
                place = self.number(at + 2, 2)
                self.found.presence.add("ipv6.fraghdr")
                self.add("ipv6.fraghdr.offset", place >> 3)
                self.add("ipv6.fraghdr.more", place & 1)
                self.add("ipv6.fraghdr.ident", self.number(at + 4, 4))
                self.more = self.more or bool(place & 1)
                if place >> 3:
                    return
                length = 8
            else:
                length = 4 * (units + 2) if kind == AUTHENTICATION else 8 * (units + 1)
            if not self.holds(at, length):
                return
            kind, at, walked = above, at + length, walked + 1
        if kind == ICMPV6:
            self.icmpv6(at)
        else:
            self.transport(at, kind)

    # Above IP

    def icmp(self, at: int) -> None:
        if not self.holds(at, 8):
            return
        kind = self.data[at]
        self.region("icmp", at, self.end)
        self.put("icmp.type", kind)
        self.put("icmp.code", self.data[at + 1])
        self.put("icmp.checksum", self.number(at + 2, 2))
        if kind in ICMP_QUERIES:
            self.put("icmp.ident", self.number(at + 4, 2))
            self.put("icmp.seq", self.number(at + 6, 2))

    def icmpv6(self, at: int) -> None:
        if not self.holds(at, 4):
            return
        kind = self.data[at]
        self.region("icmpv6", at, self.end)
        self.put("icmpv6.type", kind)
        self.put("icmpv6.code", self.data[at + 1])
        self.put("icmpv6.checksum", self.number(at + 2, 2))
        if kind in (128, 129) and self.holds(at, 8):
            self.put("icmpv6.echo.identifier", self.number(at + 4, 2))
            self.put("icmpv6.echo.sequence_number", self.number(at + 6, 2))

    def transport(self, at: int, protocol: int) -> None:
        if protocol == TCP:
            self.tcp(at)
        elif protocol == UDP:
            self.udp(at)
        elif protocol == SCTP:
            self.sctp(at)

    def ports(self, name: str, at: int) -> None:
        src, dst = self.number(at, 2), self.number(at + 2, 2)
        for owner in (name, "l4"):
            self.put(f"{owner}.srcport", src)
            self.put(f"{owner}.dstport", dst)
            self.put(f"{owner}.port", src, dst)

    def payload(self, name: str, start: int, end: int) -> None:
        """The bytes above; absent where the packet has none, or none was captured."""
        if start < min(end, len(self.data)):
            self.region(f"{name}.payload", start, end)
            self.region("l4.payload", start, end)

    def tcp(self, at: int) -> None:
        if not self.holds(at, 20):
            return
        words, flags = self.data[at + 12] >> 4, self.number(at + 12, 2) & 0xFFF
        self.ports("tcp", at)
        self.region("tcp", at, self.end)
        self.region("l4", at, self.end)
        self.put("tcp.seq_raw", self.number(at + 4, 4))
        self.put("tcp.ack_raw", self.number(at + 8, 4))
        self.put("tcp.hdr_len", 4 * words)
        self.put("tcp.flags", flags)
        for bit, name in enumerate(("fin", "syn", "reset", "push", "ack", "urg", "ece", "cwr")):
            self.put(f"tcp.flags.{name}", flags >> bit & 1)
        self.put("tcp.window_size_value", self.number(at + 14, 2))
        self.put("tcp.checksum", self.number(at + 16, 2))
        self.put("tcp.urgent_pointer", self.number(at + 18, 2))
        if words < 5:
            self.found.malformed = True
            return
        if at + 4 * words <= self.end:
            self.put("tcp.len", self.end - at - 4 * words)
        if self.holds(at, 4 * words):
            self.payload("tcp", at + 4 * words, self.end)

    def udp(self, at: int) -> None:
        if not self.holds(at, 8):
            return
        length = self.number(at + 4, 2)
        self.ports("udp", at)
        self.put("udp.length", length)
        self.put("udp.checksum", self.number(at + 6, 2))
        # A jumbogram's length is 0 (RFC 2675), and a datagram in several fragments is longer than its first one.
        if 0 < length < 8 or (at + length > self.end and not self.more):
            self.found.malformed = True
        end = min(self.end, at + length) if length else self.end
        self.region("udp", at, end)
        self.region("l4", at, end)
        if length == 0 or length >= 8:
            self.payload("udp", at + 8, end)

    def sctp(self, at: int) -> None:
        if not self.holds(at, 12):
            return
        self.ports("sctp", at)
        self.region("sctp", at, self.end)
        self.region("l4", at, self.end)
        self.put("sctp.verification_tag", self.number(at + 4, 4))
