"""The packet parser, written once, as expressions over the bytes of a frame.

One idea: each header is a base (where it starts), an end (where the enclosing header says the bytes stop) and a
validity; fields are loads relative to the base. No back end knows a protocol: they all evaluate these nodes.

Sources: IEEE 802.3 and 802.1Q, RFC 826 (ARP), 791 (IPv4), 8200 (IPv6 and extension headers), 4302 (AH),
792 and 4443 (ICMP), 9293 (TCP), 768 (UDP), 9260 (SCTP). Names and units are Wireshark's.

Validity: a header counts only whole. Its fields are absent where its fixed part is not captured, where the header
before it does not announce it, or where it contradicts itself in a way that leaves nothing to trust.
"""

from __future__ import annotations

from functools import cached_property

from sevenm.boundary import SIZE_MAX
from sevenm.compiler.plan.graph import Graph

TAGS = (0x8100, 0x88A8, 0x9100)
"""Ethertypes of a VLAN tag: customer, service (802.1ad), and the older double tag."""
EXTENSIONS = 2
"""IPv6 extension headers that are walked; past them ``parse.truncated`` is set."""
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132


class Packet:
    """Nodes of one Ethernet frame's headers. Properties are nodes; they are built when asked for."""

    def __init__(self, graph: Graph) -> None:
        self.g = graph
        self.captured = graph.captured()
        self.zero = graph.const(0)

    # Helpers

    def at(self, base: int, disp: int) -> int:
        return self.g.add(base, self.g.const(disp))

    def fits(self, base: int, length: int, end: int) -> int:
        """Whether [base, base + length) ends at or before ``end``."""
        return self.g.le(self.at(base, length), end)

    def smaller(self, a: int, b: int) -> int:
        return self.g.mux(self.g.lt(a, b), a, b)

    def is_(self, value: int, constant: int) -> int:
        return self.g.eq(value, self.g.const(constant))

    # Ethernet and VLAN

    @cached_property
    def eth(self) -> int:
        return self.fits(self.zero, 14, self.captured)

    @cached_property
    def types(self) -> tuple[int, int, int]:
        """The two bytes where an ethertype stands after no, one and two tags."""
        return self.g.load(self.zero, 12, 2), self.g.load(self.zero, 16, 2), self.g.load(self.zero, 20, 2)

    def _is_tag(self, ethertype: int) -> int:
        return self.g.member(ethertype, [(t, t) for t in TAGS])

    @cached_property
    def tags(self) -> tuple[int, int]:
        """Validity of the outer and of the inner tag."""
        outer = self.g.all(self.eth, self._is_tag(self.types[0]), self.fits(self.zero, 18, self.captured))
        inner = self.g.all(outer, self._is_tag(self.types[1]), self.fits(self.zero, 22, self.captured))
        return outer, inner

    @cached_property
    def _tag_cut(self) -> int:
        """A tag is announced whose bytes are not there."""
        outer, inner = self.tags
        return self.g.any(
            self.g.all(self.eth, self._is_tag(self.types[0]), self.g.invert(outer)),
            self.g.all(outer, self._is_tag(self.types[1]), self.g.invert(inner)),
        )

    @cached_property
    def ethertype(self) -> int:
        """The type after the last tag."""
        outer, inner = self.tags
        return self.g.mux(inner, self.types[2], self.g.mux(outer, self.types[1], self.types[0]))

    @cached_property
    def l3(self) -> int:
        outer, inner = self.tags
        return self.g.mux(inner, self.g.const(22), self.g.mux(outer, self.g.const(18), self.g.const(14)))

    def _announces(self, ethertype: int) -> int:
        return self.g.all(self.eth, self.is_(self.ethertype, ethertype))

    @cached_property
    def version(self) -> int:
        """Version of IP, if that is what the ethertype announces."""
        return self.g.bits(self.g.load(self.l3, 0, 1), 4, 4)

    # ARP

    @cached_property
    def arp(self) -> int:
        return self.g.all(self._announces(0x0806), self.fits(self.l3, 8, self.captured))

    @cached_property
    def _arp_addresses(self) -> int:
        """ARP between Ethernet and IPv4 addresses: 20 bytes of addresses are announced."""
        hardware, sizes = self.g.load(self.l3, 0, 2), self.g.load(self.l3, 4, 2)
        return self.g.all(
            self.arp, self.g.member(hardware, [(1, 1), (6, 6)]), self.is_(self.g.load(self.l3, 2, 2), 0x0800),
            self.is_(sizes, 0x0604),
        )  # fmt: skip

    @cached_property
    def arp_ipv4(self) -> int:
        return self.g.all(self._arp_addresses, self.fits(self.l3, 28, self.captured))

    # IPv4

    @cached_property
    def _ip_whole(self) -> int:
        return self.g.all(self._announces(0x0800), self.fits(self.l3, 20, self.captured))

    @cached_property
    def ip_words(self) -> int:
        """Header length in 32-bit words."""
        return self.g.bits(self.g.load(self.l3, 0, 1), 0, 4)

    @cached_property
    def _ip_sound(self) -> int:
        return self.g.all(self.is_(self.version, 4), self.g.le(self.g.const(5), self.ip_words))

    @cached_property
    def ip(self) -> int:
        return self.g.all(self._ip_whole, self._ip_sound)

    @cached_property
    def ip_total(self) -> int:
        return self.g.load(self.l3, 2, 2)

    @cached_property
    def ip_declared(self) -> int:
        """Where the IPv4 packet says it ends; a total length of 0 (segmentation offload) means the frame's end."""
        return self.g.mux(self.is_(self.ip_total, 0), self.g.size(), self.g.add(self.l3, self.ip_total))

    @cached_property
    def ip_l4(self) -> int:
        return self.g.add(self.l3, self.g.mul(self.ip_words, self.g.const(4)))

    @cached_property
    def ip_fragment(self) -> int:
        """Fragment offset in units of 8 bytes."""
        return self.g.bits(self.g.load(self.l3, 6, 2), 0, 13)

    # IPv6

    @cached_property
    def _ip6_whole(self) -> int:
        return self.g.all(self._announces(0x86DD), self.fits(self.l3, 40, self.captured))

    @cached_property
    def _ip6_sound(self) -> int:
        return self.is_(self.version, 6)

    @cached_property
    def ip6(self) -> int:
        return self.g.all(self._ip6_whole, self._ip6_sound)

    @cached_property
    def ip6_declared(self) -> int:
        """Where the IPv6 packet says it ends; a payload length of 0 (jumbogram, offload) means the frame's end."""
        length = self.g.load(self.l3, 4, 2)
        return self.g.mux(self.is_(length, 0), self.g.size(), self.g.add(self.at(self.l3, 40), length))

    @cached_property
    def ip6_end(self) -> int:
        return self.smaller(self.captured, self.ip6_declared)

    @cached_property
    def extensions(self) -> tuple[Extension, ...]:
        """The walked extension headers, in order."""
        walked: list[Extension] = []
        alive, offset, kind = self.ip6, self.at(self.l3, 40), self.g.load(self.l3, 6, 1)
        for _ in range(EXTENSIONS):
            step = Extension(self, alive, offset, kind)
            walked.append(step)
            alive, offset, kind = step.next_alive, step.next_offset, step.next_kind
        return tuple(walked)

    @cached_property
    def _ip6_more(self) -> int:
        """After the last walked extension header stands yet another one."""
        last = self.extensions[-1]
        return self.g.all(last.next_alive, extension_kind(self.g, last.next_kind))

    # Layer 4

    @cached_property
    def l4(self) -> int:
        """A transport header may start at ``l4_base``: header before it whole, not a later fragment."""
        g, last = self.g, self.extensions[-1]
        four = g.all(self.ip, self.is_(self.ip_fragment, 0), g.le(self.ip_l4, self.l4_end))
        return g.any(four, last.next_alive)

    @cached_property
    def l4_kind(self) -> int:
        return self.g.mux(self.ip, self.g.load(self.l3, 9, 1), self.extensions[-1].next_kind)

    @cached_property
    def l4_base(self) -> int:
        return self.g.mux(self.ip, self.ip_l4, self.extensions[-1].next_offset)

    @cached_property
    def declared(self) -> int:
        """Where the IP packet says it ends, counted from the start of the frame."""
        return self.g.mux(self.ip, self.ip_declared, self.ip6_declared)

    @cached_property
    def l4_end(self) -> int:
        return self.smaller(self.captured, self.declared)

    def transport(self, kind: int, length: int, over: int | None = None) -> int:
        """Validity of a transport header with a fixed part of ``length`` bytes."""
        here = self.g.all(self.l4, self.is_(self.l4_kind, kind), self.fits(self.l4_base, length, self.l4_end))
        return here if over is None else self.g.all(over, here)

    @cached_property
    def tcp(self) -> int:
        return self.transport(TCP, 20)

    @cached_property
    def tcp_header(self) -> int:
        """Length of the TCP header in bytes."""
        return self.g.mul(self.g.bits(self.g.load(self.l4_base, 12, 1), 4, 4), self.g.const(4))

    @cached_property
    def tcp_payload(self) -> int:
        return self.g.add(self.l4_base, self.tcp_header)

    @cached_property
    def tcp_sound(self) -> int:
        """The data offset is at least 5 and ends inside of the packet."""
        g = self.g
        return g.all(self.tcp, g.le(g.const(20), self.tcp_header), g.le(self.tcp_payload, self.declared))

    @cached_property
    def udp(self) -> int:
        return self.transport(UDP, 8)

    @cached_property
    def udp_length(self) -> int:
        return self.g.load(self.l4_base, 4, 2)

    @cached_property
    def udp_sound(self) -> int:
        """The length covers the header (0 is a jumbogram's)."""
        g = self.g
        return g.all(self.udp, g.any(self.is_(self.udp_length, 0), g.le(g.const(8), self.udp_length)))

    @cached_property
    def udp_end(self) -> int:
        """Captured end of the UDP payload."""
        ends = self.smaller(self.l4_end, self.g.add(self.l4_base, self.udp_length))
        return self.g.mux(self.is_(self.udp_length, 0), self.l4_end, ends)

    @cached_property
    def sctp(self) -> int:
        return self.transport(SCTP, 12)

    @cached_property
    def icmp(self) -> int:
        return self.transport(ICMP, 8, self.ip)

    @cached_property
    def icmpv6(self) -> int:
        return self.transport(ICMPV6, 4, self.ip6)

    @cached_property
    def icmpv6_echo(self) -> int:
        """An echo: identifier and sequence number follow the first four bytes."""
        return self.g.all(self.icmpv6, self.g.member(self.g.load(self.l4_base, 0, 1), [(128, 129)]))

    # What is wrong with the frame

    @cached_property
    def _cut(self) -> int:
        """Bytes of the frame were not captured."""
        return self.g.lt(self.captured, self.g.size())

    @cached_property
    def _short(self) -> int:
        """An announced header at or below IP does not fit in what was captured."""
        g = self.g
        return g.any(
            g.invert(self.eth), self._tag_cut,
            *(g.all(self._announces(kind), g.invert(self.fits(self.l3, length, self.captured)))
              for kind, length in ((0x0806, 8), (0x0800, 20), (0x86DD, 40))),
            g.all(self._arp_addresses, g.invert(self.arp_ipv4)),
            g.all(self.ip, g.lt(self.captured, self.ip_l4), g.le(self.ip_l4, self.ip_declared)),
        )  # fmt: skip

    @cached_property
    def _l4_short(self) -> tuple[int, int]:
        """A transport header is announced that runs past (the declared end, what was captured)."""
        g = self.g
        past_declared, past_captured = [], []
        for kind, length, family in (
            (TCP, 20, g.true), (UDP, 8, g.true), (SCTP, 12, g.true), (ICMP, 8, self.ip), (ICMPV6, 4, self.ip6),
            (ICMPV6, 8, self.icmpv6_echo),
        ):  # fmt: skip
            announced = g.all(self.l4, self.is_(self.l4_kind, kind), family)
            inside = self.fits(self.l4_base, length, self.declared)
            past_declared.append(g.all(announced, g.invert(inside)))
            past_captured.append(g.all(announced, inside, g.invert(self.fits(self.l4_base, length, self.captured))))
        return g.any(*past_declared), g.any(*past_captured)

    @cached_property
    def malformed(self) -> int:
        """The frame contradicts itself: a wrong version, a length that lies, a header that its packet cannot hold."""
        g = self.g
        whole = g.invert(self._cut)
        beyond_frame = g.all(g.lt(g.size(), self.declared), g.lt(g.size(), g.const(SIZE_MAX)))
        past_declared, past_captured = self._l4_short
        udp_lies = g.all(
            self.udp, g.invert(self.is_(self.udp_length, 0)),
            g.any(g.lt(self.udp_length, g.const(8)), g.lt(self.declared, g.add(self.l4_base, self.udp_length))),
        )  # fmt: skip
        first_fragment = g.any(*(e.is_first_of_many for e in self.extensions))
        more = g.all(self.ip, self.is_(g.bits(g.load(self.l3, 6, 1), 5, 1), 1))
        return g.any(
            g.all(self._short, whole),
            g.all(self._ip_whole, g.invert(self._ip_sound)),
            g.all(self._ip6_whole, g.invert(self._ip6_sound)),
            g.all(self.ip, g.lt(self.ip_declared, self.ip_l4)),
            g.all(g.any(self.ip, self.ip6), beyond_frame),
            past_declared,
            g.all(past_captured, whole),
            g.all(self.tcp, g.invert(self.tcp_sound)),
            g.all(udp_lies, g.invert(first_fragment), g.invert(more)),
            *(g.all(e.unsound, g.any(e.past_declared, whole)) for e in self.extensions),
        )

    @cached_property
    def truncated(self) -> int:
        """A header was announced whose bytes are not there: cut by the capture, or past the bound on tags or extension
        headers."""
        g = self.g
        third_tag = g.all(self.tags[1], self._is_tag(self.types[2]))
        _, past_captured = self._l4_short
        tcp_options = g.all(self.tcp_sound, g.lt(self.captured, self.tcp_payload))
        return g.any(
            g.all(g.any(self._short, past_captured, tcp_options), self._cut),
            third_tag,
            self._ip6_more,
            *(g.all(e.unsound, g.invert(e.past_declared), self._cut) for e in self.extensions),
        )


def extension_kind(g: Graph, kind: int) -> int:
    return g.member(kind, [(k, k) for k in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION)])


class Extension:
    """One step of the walk over IPv6 extension headers (RFC 8200 section 4).

    ``alive`` says that a header of ``kind`` starts at ``offset``. Where it is an extension header the step moves past
    it; where it is not, the step passes everything on.
    """

    def __init__(self, packet: Packet, alive: int, offset: int, kind: int) -> None:
        g, self.g, self.packet, self.offset = packet.g, packet.g, packet, offset
        end = packet.ip6_end
        self.kind = kind
        self.is_kind = extension_kind(g, kind)
        self.is_extension = g.all(alive, self.is_kind)
        self.is_fragment = g.all(alive, packet.is_(kind, FRAGMENT))
        announced = g.load(offset, 1, 1)
        units = g.mul(g.add(announced, g.const(1)), g.const(8))
        ah_units = g.mul(g.add(announced, g.const(2)), g.const(4))
        self.length = g.mux(
            packet.is_(kind, FRAGMENT), g.const(8), g.mux(packet.is_(kind, AUTHENTICATION), ah_units, units)
        )
        self.after = g.add(offset, self.length)
        head = packet.fits(offset, 8, end)
        self.whole = g.all(self.is_extension, head, g.le(self.after, end))
        self.unsound = g.all(self.is_extension, g.invert(self.whole))
        self.past_declared = g.any(
            g.lt(packet.ip6_declared, packet.at(offset, 8)),
            g.all(packet.fits(offset, 8, packet.captured), g.lt(packet.ip6_declared, self.after)),
        )
        self.fragment_valid = g.all(self.is_fragment, head)
        self.fragment_offset = g.bits(g.load(offset, 2, 2), 3, 13)
        self.is_later = g.all(self.is_fragment, g.invert(packet.is_(self.fragment_offset, 0)))
        self.next_alive = g.all(g.any(g.all(alive, g.invert(self.is_extension)), self.whole), g.invert(self.is_later))
        self.next_offset = g.mux(self.whole, self.after, offset)
        self.next_kind = g.mux(self.whole, g.load(offset, 0, 1), kind)

    @property
    def is_first_of_many(self) -> int:
        """A fragment header with more fragments to come: lengths above it speak of the whole."""
        return self.g.all(self.fragment_valid, self.g.bits(self.g.load(self.offset, 3, 1), 0, 1))
