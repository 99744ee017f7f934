"""What people call the parts of the packet parser: starts, ends and validities of headers.

One idea: the parser is nodes like any other, and its parts get names like any other; so generated code says ``l4`` and
``ip_end`` where a rule reads ``tcp.dstport``.
"""

from __future__ import annotations

from collections.abc import Iterator

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.names import Name, name
from sevenm.compiler.protocols.packet import Packet


def parser_names(graph: Graph) -> Iterator[tuple[int, Name]]:
    """(node, name) of every part of the parser; parts that nothing asked for are nodes that nothing needs."""
    packet = Packet(graph)
    for text, node in _parts(packet):
        yield node, name("header", text)


def _parts(p: Packet) -> Iterator[tuple[str, int]]:
    for number, ethertype in enumerate(p.types, 1):
        yield f"ethertype#{number}", ethertype
    for number, tag in enumerate(p.tags, 1):
        yield f"vlan#{number}", tag
    yield from (("eth", p.eth), ("ethertype", p.ethertype), ("l3", p.l3))
    yield from (("arp", p.arp), ("arp.ipv4", p.arp_ipv4))
    yield from (
        ("l3.version", p.version),
        ("ip", p.ip),
        ("ip.words", p.ip_words),
        ("ip.len", p.ip_total),
        ("ip.l4", p.ip_l4),
    )
    yield from (("ip.frag_offset", p.ip_fragment), ("ip.end", p.ip_declared))
    yield from (("ipv6", p.ip6), ("ipv6.len_end", p.ip6_declared), ("ipv6.end", p.ip6_end))
    for number, step in enumerate(p.extensions, 1):
        yield f"ext{number}", step.is_extension
        yield f"ext{number}.start", step.offset
        yield f"ext{number}.kind", step.kind
        yield f"ext{number}.len", step.length
        yield f"ext{number}.end", step.after
        yield f"ext{number}.is_ext", step.is_kind
        yield f"ext{number}.whole", step.whole
        yield f"ext{number}.fragment", step.is_fragment
        yield f"ext{number}.later", step.is_later
        yield f"ext{number}.passed", step.next_alive
    last = p.extensions[-1]
    yield from (("ipv6.l4", last.next_offset), ("ipv6.protocol", last.next_kind), ("ipv6.has_l4", last.next_alive))
    yield from (("l3.end", p.declared), ("l4.end", p.l4_end), ("has_l4", p.l4), ("l4", p.l4_base))
    yield from (
        ("l4.protocol", p.l4_kind),
        ("tcp", p.tcp),
        ("tcp.hdr_len", p.tcp_header),
        ("tcp.payload", p.tcp_payload),
    )
    yield from (("tcp.sound", p.tcp_sound), ("udp", p.udp), ("udp.length", p.udp_length), ("udp.sound", p.udp_sound))
    yield from (("udp.end", p.udp_end), ("sctp", p.sctp), ("icmp", p.icmp), ("icmpv6", p.icmpv6))
