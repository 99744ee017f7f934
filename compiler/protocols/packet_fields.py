"""The catalogue of packet fields: names as in Wireshark, over the headers of ``protocols.Packet``."""

from __future__ import annotations

from collections.abc import Callable

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import Field, Region, Type, Value
from sevenm.compiler.protocols.packet import Packet

FLAG = Type("int", 1)
IP4, IP6, MAC = Type("ip4", 32), Type("ip6", 128), Type("mac", 48)


def packet_fields(graph: Graph) -> dict[str, Field]:
    """All names that rules on packets may use. Nodes are made when a field is asked for."""
    return _Catalogue(Packet(graph)).fields


class _Catalogue:
    def __init__(self, packet: Packet) -> None:
        self.p, self.g = packet, packet.g
        self.fields: dict[str, Field] = {}
        self._frame()
        self._ethernet()
        self._vlan()
        self._arp()
        self._ipv4()
        self._ipv6()
        self._icmp()
        self._tcp()
        self._udp()
        self._sctp()
        self._l4()
        self._parse()

    # Ways to declare

    def value(self, name: str, about: str, of: Type, *values: Callable[[], tuple[int, int]]) -> None:
        """A field; each callable gives one occurrence's (valid, value)."""

        def occurrences() -> tuple[Value, ...]:
            return tuple(Value(valid, (node,)) for valid, node in (v() for v in values))

        self.fields[name] = Field(name, about, of, values=occurrences)

    def header(
        self, name: str, about: str, present: Callable[[], int], region: Callable[[], Region] | None = None
    ) -> None:
        self.fields[name] = Field(name, about, present=present, region=region)

    def payload(self, name: str, about: str, region: Callable[[], Region]) -> None:
        """Bytes that can be sliced; present where there is at least one."""

        def present() -> int:
            r = region()
            return self.g.all(r.valid, self.g.lt(self.p.at(r.base, r.disp), r.end))

        self.fields[name] = Field(name, about, present=present, region=region)

    def loads(
        self, prefix: str, valid: Callable[[], int], base: Callable[[], int],
        rows: tuple[tuple[str, str, int, int, int, int], ...],
    ) -> None:  # fmt: skip
        """Unsigned fields of a header: (name, about, byte, bytes, lsb, width) each."""
        for name, about, disp, count, lsb, width in rows:

            def occurrence(disp: int = disp, count: int = count, lsb: int = lsb, width: int = width) -> tuple[int, int]:
                return valid(), self.g.bits(self.g.load(base(), disp, count), lsb, width)

            self.value(f"{prefix}.{name}", about, Type("int", width), occurrence)

    def address(self, name: str, about: str, of: Type, valid: Callable[[], int], base: Callable[[], int],
                *disps: int) -> None:  # fmt: skip
        def at(disp: int) -> Callable[[], tuple[int, int]]:
            return lambda: (valid(), self.g.load(base(), disp, of.bits // 8))

        self.value(name, about, of, *(at(d) for d in disps))

    # The headers

    def _frame(self) -> None:
        p, g = self.p, self.g
        self.payload("frame", "the frame as captured", lambda: Region(g.true, p.zero, 0, p.captured))
        self.value("frame.len", "bytes on the wire, 65535 for more", Type("int", 16), lambda: (g.true, g.size()))

    def _ethernet(self) -> None:
        p, g = self.p, self.g

        def base() -> int:
            return p.zero

        def eth() -> int:
            return p.eth

        self.header("eth", "Ethernet", eth, lambda: Region(p.eth, p.zero, 0, p.captured))
        self.address("eth.dst", "destination address", MAC, eth, base, 0)
        self.address("eth.src", "source address", MAC, eth, base, 6)
        self.address("eth.addr", "either address", MAC, eth, base, 0, 6)
        kind = p.types[0]
        self.value("eth.type", "ethertype before any tag (1536 and above)", Type("int", 16),
                   lambda: (g.all(p.eth, g.le(g.const(1536), kind)), kind))  # fmt: skip
        self.value("eth.len", "802.3 length (1500 and below)", Type("int", 16),
                   lambda: (g.all(p.eth, g.le(kind, g.const(1500))), kind))  # fmt: skip

    def _vlan(self) -> None:
        p, g = self.p, self.g
        self.header("vlan", "at least one VLAN tag", lambda: p.tags[0])

        def tag(which: int, lsb: int, width: int) -> Callable[[], tuple[int, int]]:
            return lambda: (p.tags[which], g.bits(g.load(p.zero, 14 + 4 * which, 2), lsb, width))

        for name, about, lsb, width in (
            ("id", "VLAN identifier", 0, 12), ("priority", "priority code point", 13, 3),
            ("dei", "drop eligible", 12, 1),
        ):  # fmt: skip
            self.value(f"vlan.{name}", about, Type("int", width), tag(0, lsb, width), tag(1, lsb, width))

        def etype(which: int) -> Callable[[], tuple[int, int]]:
            kind = p.types[which + 1]
            return lambda: (g.all(p.tags[which], g.le(g.const(1536), kind)), kind)

        self.value("vlan.etype", "ethertype after the tag (1536 and above)", Type("int", 16), etype(0), etype(1))

    def _arp(self) -> None:
        p = self.p

        def base() -> int:
            return p.l3

        def ipv4() -> int:
            return p.arp_ipv4

        self.header("arp", "ARP", lambda: p.arp, lambda: Region(p.arp, p.l3, 0, p.captured))
        self.loads("arp", lambda: p.arp, base, (
            ("hw.type", "hardware type", 0, 2, 0, 16), ("proto.type", "protocol type", 2, 2, 0, 16),
            ("hw.size", "bytes in a hardware address", 4, 1, 0, 8),
            ("proto.size", "bytes in a protocol address", 5, 1, 0, 8),
            ("opcode", "1 request, 2 reply", 6, 2, 0, 16),
        ))  # fmt: skip
        self.address("arp.src.hw_mac", "sender's Ethernet address", MAC, ipv4, base, 8)
        self.address("arp.src.proto_ipv4", "sender's IPv4 address", IP4, ipv4, base, 14)
        self.address("arp.dst.hw_mac", "target's Ethernet address", MAC, ipv4, base, 18)
        self.address("arp.dst.proto_ipv4", "target's IPv4 address", IP4, ipv4, base, 24)

    def _ipv4(self) -> None:
        p, g = self.p, self.g

        def base() -> int:
            return p.l3

        def ip() -> int:
            return p.ip

        self.header("ip", "IPv4", ip, lambda: Region(p.ip, p.l3, 0, p.l4_end))
        self.loads("ip", ip, base, (
            ("version", "4", 0, 1, 4, 4), ("dsfield", "differentiated services field", 1, 1, 0, 8),
            ("dsfield.dscp", "code point", 1, 1, 2, 6), ("dsfield.ecn", "congestion notification", 1, 1, 0, 2),
            ("len", "total length in bytes", 2, 2, 0, 16), ("id", "identification", 4, 2, 0, 16),
            ("flags", "the three flags: 1 MF, 2 DF, 4 reserved", 6, 1, 5, 3),
            ("flags.rb", "reserved", 6, 1, 7, 1), ("flags.df", "don't fragment", 6, 1, 6, 1),
            ("flags.mf", "more fragments", 6, 1, 5, 1), ("ttl", "time to live", 8, 1, 0, 8),
            ("proto", "protocol above", 9, 1, 0, 8), ("checksum", "header checksum", 10, 2, 0, 16),
        ))  # fmt: skip
        self.value("ip.hdr_len", "header length in bytes", Type("int", 6),
                   lambda: (p.ip, g.mul(p.ip_words, g.const(4))))  # fmt: skip
        self.value("ip.frag_offset", "fragment offset in units of 8 bytes", Type("int", 13),
                   lambda: (p.ip, p.ip_fragment))  # fmt: skip
        self.address("ip.src", "source address", IP4, ip, base, 12)
        self.address("ip.dst", "destination address", IP4, ip, base, 16)
        self.address("ip.addr", "either address", IP4, ip, base, 12, 16)

    def _ipv6(self) -> None:
        p = self.p

        def base() -> int:
            return p.l3

        def ip6() -> int:
            return p.ip6

        self.header("ipv6", "IPv6", ip6, lambda: Region(p.ip6, p.l3, 0, p.l4_end))
        self.loads("ipv6", ip6, base, (
            ("version", "6", 0, 1, 4, 4), ("tclass", "traffic class", 0, 2, 4, 8),
            ("tclass.dscp", "code point", 0, 2, 6, 6), ("tclass.ecn", "congestion notification", 0, 2, 4, 2),
            ("flow", "flow label", 1, 3, 0, 20), ("plen", "payload length in bytes", 4, 2, 0, 16),
            ("nxt", "next header of the fixed header", 6, 1, 0, 8), ("hlim", "hop limit", 7, 1, 0, 8),
        ))  # fmt: skip
        self.address("ipv6.src", "source address", IP6, ip6, base, 8)
        self.address("ipv6.dst", "destination address", IP6, ip6, base, 24)
        self.address("ipv6.addr", "either address", IP6, ip6, base, 8, 24)
        self._ipv6_fragment()

    def _ipv6_fragment(self) -> None:
        p, g = self.p, self.g

        def each(read: Callable[[int], int]) -> tuple[Callable[[], tuple[int, int]], ...]:
            """The first fragment header, whichever extension header it is, and the second."""

            def first() -> tuple[int, int]:
                outer, inner = p.extensions
                at = g.mux(outer.fragment_valid, outer.offset, inner.offset)
                return g.any(outer.fragment_valid, inner.fragment_valid), read(at)

            def second() -> tuple[int, int]:
                outer, inner = p.extensions
                return g.all(outer.fragment_valid, inner.fragment_valid), read(inner.offset)

            return first, second

        self.header("ipv6.fraghdr", "IPv6 fragment header", lambda: g.any(*(e.fragment_valid for e in p.extensions)))
        self.value("ipv6.fraghdr.offset", "fragment offset in units of 8 bytes", Type("int", 13),
                   *each(lambda at: g.bits(g.load(at, 2, 2), 3, 13)))  # fmt: skip
        self.value("ipv6.fraghdr.more", "more fragments", FLAG, *each(lambda at: g.bits(g.load(at, 3, 1), 0, 1)))
        self.value("ipv6.fraghdr.ident", "identification", Type("int", 32), *each(lambda at: g.load(at, 4, 4)))

    def _icmp(self) -> None:
        p, g = self.p, self.g

        def base() -> int:
            return p.l4_base

        common = (
            ("type", "type", 0, 1, 0, 8), ("code", "code", 1, 1, 0, 8), ("checksum", "checksum", 2, 2, 0, 16),
        )  # fmt: skip
        self.header("icmp", "ICMP", lambda: p.icmp, lambda: Region(p.icmp, p.l4_base, 0, p.l4_end))
        self.loads("icmp", lambda: p.icmp, base, common)

        def query() -> int:
            kind = g.load(p.l4_base, 0, 1)
            return g.all(p.icmp, g.member(kind, [(0, 0), (8, 8), (13, 18)]))

        self.loads("icmp", query, base, (
            ("ident", "identifier of a query or reply", 4, 2, 0, 16), ("seq", "sequence number", 6, 2, 0, 16),
        ))  # fmt: skip
        self.header("icmpv6", "ICMPv6", lambda: p.icmpv6, lambda: Region(p.icmpv6, p.l4_base, 0, p.l4_end))
        self.loads("icmpv6", lambda: p.icmpv6, base, common)

        def echo() -> int:
            return g.all(p.icmpv6_echo, p.fits(p.l4_base, 8, p.l4_end))

        self.loads("icmpv6.echo", echo, base, (
            ("identifier", "identifier of an echo", 4, 2, 0, 16), ("sequence_number", "sequence number", 6, 2, 0, 16),
        ))  # fmt: skip

    def ports(self, name: str, valid: Callable[[], int]) -> None:
        p, g = self.p, self.g

        def port(disp: int) -> Callable[[], tuple[int, int]]:
            return lambda: (valid(), g.load(p.l4_base, disp, 2))

        self.value(f"{name}.srcport", "source port", Type("int", 16), port(0))
        self.value(f"{name}.dstport", "destination port", Type("int", 16), port(2))
        self.value(f"{name}.port", "either port", Type("int", 16), port(0), port(2))

    def _tcp(self) -> None:
        p, g = self.p, self.g

        def tcp() -> int:
            return p.tcp

        self.header("tcp", "TCP", tcp, lambda: Region(p.tcp, p.l4_base, 0, p.l4_end))
        self.ports("tcp", tcp)
        self.loads("tcp", tcp, lambda: p.l4_base, (
            ("seq_raw", "sequence number", 4, 4, 0, 32), ("ack_raw", "acknowledgement number", 8, 4, 0, 32),
            ("flags", "all twelve flags", 12, 2, 0, 12),
            *((f"flags.{n}", about, 13, 1, bit, 1) for bit, (n, about) in enumerate((
                ("fin", "no more data"), ("syn", "synchronise"), ("reset", "reset"), ("push", "push"),
                ("ack", "acknowledgement"), ("urg", "urgent"), ("ece", "congestion echo"),
                ("cwr", "congestion window reduced")))),
            ("window_size_value", "window, unscaled", 14, 2, 0, 16), ("checksum", "checksum", 16, 2, 0, 16),
            ("urgent_pointer", "urgent pointer", 18, 2, 0, 16),
        ))  # fmt: skip
        self.value("tcp.hdr_len", "header length in bytes", Type("int", 6), lambda: (p.tcp, p.tcp_header))
        self.value("tcp.len", "bytes of payload in this segment, by the IP length", Type("int", 16),
                   lambda: (p.tcp_sound, g.sub(p.declared, p.tcp_payload)))  # fmt: skip
        self.payload("tcp.payload", "bytes of the segment", self._tcp_payload)

    def _tcp_payload(self) -> Region:
        return Region(self.p.tcp_sound, self.p.tcp_payload, 0, self.p.l4_end)

    def _udp(self) -> None:
        p = self.p

        def udp() -> int:
            return p.udp

        self.header("udp", "UDP", udp, lambda: Region(p.udp, p.l4_base, 0, p.udp_end))
        self.ports("udp", udp)
        self.loads("udp", udp, lambda: p.l4_base, (
            ("length", "length in bytes, with the header", 4, 2, 0, 16), ("checksum", "checksum", 6, 2, 0, 16),
        ))  # fmt: skip
        self.payload("udp.payload", "bytes of the datagram", self._udp_payload)

    def _udp_payload(self) -> Region:
        return Region(self.p.udp_sound, self.p.l4_base, 8, self.p.udp_end)

    def _sctp(self) -> None:
        p = self.p

        def sctp() -> int:
            return p.sctp

        self.header("sctp", "SCTP", sctp, lambda: Region(p.sctp, p.l4_base, 0, p.l4_end))
        self.ports("sctp", sctp)
        self.loads("sctp", sctp, lambda: p.l4_base, (("verification_tag", "verification tag", 4, 4, 0, 32),))

    def _l4(self) -> None:
        p, g = self.p, self.g

        def transport() -> int:
            return g.any(p.tcp, p.udp, p.sctp)

        def payload() -> Region:
            tcp, udp = self._tcp_payload(), self._udp_payload()
            start = g.mux(p.tcp, tcp.base, p.at(udp.base, udp.disp))
            return Region(g.any(tcp.valid, udp.valid), start, 0, g.mux(p.tcp, tcp.end, udp.end))

        def end() -> int:
            return g.mux(p.udp, p.udp_end, p.l4_end)

        self.header("l4", "TCP, UDP or SCTP", transport, lambda: Region(transport(), p.l4_base, 0, end()))
        self.ports("l4", transport)
        self.payload("l4.payload", "bytes of the TCP segment or UDP datagram", payload)

    def _parse(self) -> None:
        p, g = self.p, self.g
        self.value("parse.malformed", "the frame contradicts itself", FLAG, lambda: (g.true, p.malformed))
        self.value("parse.truncated", "an announced header was not captured", FLAG, lambda: (g.true, p.truncated))
