"""Match core of Plan filter: 1 rule.

digest   7ccb84d536b5088fb6e961b6e8b93178c006eb7bfa4b74b14bfdc99da1f36955
latency  29 cycles from a packet's first beat in to its first beat out
window   4 beats of 64 bytes: fields reach 256 bytes

Written by sevenm from the Plan; edit the rules instead. An expression is about one packet; where registers stand
between expressions is decided when it is elaborated.
"""

from sevenm.hdl.core import PacketCore
from sevenm.hdl.pipeline import Description, First, Pipeline, Rule, captured, field, mux, one_of, size


class Match(Description):
    """What the core says of each packet."""

    ethertype_1 = field(at=12, bytes=2)
    ethertype_2 = field(at=16, bytes=2)
    ethertype_3 = field(at=20, bytes=2)
    eth = captured >= 14
    vlan_1 = eth & one_of(ethertype_1, 0x8100, 0x88a8, 0x9100) & (captured >= 18)
    vlan_2 = vlan_1 & one_of(ethertype_2, 0x8100, 0x88a8, 0x9100) & (captured >= 22)
    ethertype = mux(vlan_2, ethertype_3, mux(vlan_1, ethertype_2, ethertype_1))
    l3 = mux(vlan_2, 22, mux(vlan_1, 18, 14))
    ext1_start = l3 + 40
    l3_0 = field(l3, bytes=1)
    l3_version = l3_0[4:8]
    ext1_kind = field(l3, at=6, bytes=1)
    l3_4_6 = field(l3, at=4, bytes=2)
    ipv6_len_end = mux(l3_4_6 == 0, size, ext1_start + l3_4_6)
    ipv6_end = mux(captured < ipv6_len_end, captured, ipv6_len_end)
    ext1_is_ext = one_of(ext1_kind, 0, range(43, 45), 51, 60)
    ext1 = eth & (ethertype == 0x86dd) & (captured >= ext1_start) & (l3_version == 6) & ext1_is_ext
    l3_41 = field(l3, at=41, bytes=1)
    ext1_len = mux(ext1_kind == 44, 8, mux(ext1_kind == 51, (l3_41 + 2) * 4, (l3_41 + 1) * 8))
    ext1_end = ext1_start + ext1_len
    ext1_whole = ext1 & (ipv6_end >= l3 + 48) & (ipv6_end >= ext1_end)
    ext1_later = (eth & (ethertype == 0x86dd) & (captured >= ext1_start) & (l3_version == 6) & (ext1_kind == 44)
                  & (field(l3, at=42, bytes=2)[3:16] != 0))
    ext2_1 = eth & (ethertype == 0x86dd) & (captured >= ext1_start) & (l3_version == 6) & ~ext1
    ext2_2 = ext1_whole | ext2_1
    ext2_start = mux(ext1_whole, ext1_end, ext1_start)
    ext2_kind = mux(ext1_whole, field(l3, at=40, bytes=1), ext1_kind)
    ext2_is_ext = one_of(ext2_kind, 0, range(43, 45), 51, 60)
    ext2 = ext2_2 & ~ext1_later & ext2_is_ext
    ext2_start_1 = field(ext2_start, at=1, bytes=1)
    ext2_len = mux(ext2_kind == 44, 8, mux(ext2_kind == 51, (ext2_start_1 + 2) * 4, (ext2_start_1 + 1) * 8))
    ext2_end = ext2_start + ext2_len
    ext2_whole = ext2 & (ipv6_end >= ext2_start + 8) & (ipv6_end >= ext2_end)
    ext2_later_1 = field(ext2_start, at=2, bytes=2)[3:16] == 0
    ext2_later = ext2_2 & ~ext1_later & (ext2_kind == 44) & ~ext2_later_1
    ext2_passed_1 = ext2_whole | ext2_2 & ~ext1_later & ~ext2
    ext2_passed = ext2_passed_1 & ~ext2_later
    ipv6_l4 = mux(ext2_whole, ext2_end, ext2_start)
    ipv6_protocol = mux(ext2_whole, field(ext2_start, bytes=1), ext2_kind)
    ip_words = l3_0[0:4]
    ip = eth & (ethertype == 0x0800) & (captured >= l3 + 20) & (l3_version == 4) & (ip_words >= 5)
    ip_frag_offset = field(l3, at=6, bytes=2)[0:13]
    ip_l4 = l3 + ip_words * 4
    ip_len = field(l3, at=2, bytes=2)
    ip_end = mux(ip_len == 0, size, l3 + ip_len)
    l3_end = mux(ip, ip_end, ipv6_len_end)
    l4_end = mux(captured < l3_end, captured, l3_end)
    has_l4 = ext2_passed | ip & (ip_frag_offset == 0) & (l4_end >= ip_l4)
    l4_protocol = mux(ip, field(l3, at=9, bytes=1), ipv6_protocol)
    l4 = mux(ip, ip_l4, ipv6_l4)
    tcp_dstport = field(l4, at=2, bytes=2)
    rule_filter = has_l4 & (l4_protocol == 6) & (l4_end >= l4 + 20) & (tcp_dstport == 443)

    # In packets longer than 256 bytes: is what counts inside of them?
    ipv6_end_least = mux(ipv6_len_end > 257, 257, ipv6_len_end)
    ext1_whole_known_1 = (ipv6_len_end <= 257) | (ipv6_end_least >= l3 + 48)
    ext1_whole_known_2 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext1_end)
    ext1_whole_known = (ext1_whole_known_1 & ext1_whole_known_2 | (ethertype != 0x86dd) | (l3_version != 6)
                        | ~ext1_is_ext | (ipv6_end < l3 + 48) & ext1_whole_known_1
                        | (ipv6_end < ext1_end) & ext1_whole_known_2)
    ext2_known_1 = ext1_whole_known | eth & (captured >= ext1_start) & ~ext1
    ext2_known_2 = ext2_known_1 & ~ext2_2
    ext2_known_3 = ext1_whole_known & ~ext2_is_ext
    ext2_known = ext1_later | ext1_whole_known & ext2_known_1 | ext2_known_2 | ext2_known_3
    ext2_whole_known_1 = (ext2_kind == 44) | ext1_whole_known & (ext2_start + 2 <= 256)
    ext2_whole_known_2 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext2_start + 8)
    ext2_whole_known_3 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext2_end)
    ext2_whole_known = (ext1_later | ext2_known_2 | ext2_known_3 | ext1_whole_known & ext2_known_1 &
                        ext2_whole_known_1 & ext2_whole_known_2 & ext2_whole_known_3
                        | ext1_whole_known & (ipv6_end < ext2_start + 8) & ext2_whole_known_2
                        | ext1_whole_known & ext2_whole_known_1 & (ipv6_end < ext2_end) & ext2_whole_known_3)
    ext2_later_known = (ext1_later | ext2_known_2 | ext1_whole_known & ext2_known_1 & (ext2_start + 4 <= 256)
                        | ext1_whole_known & (ext2_kind != 44)
                        | ext1_whole_known & (ext2_start + 4 <= 256) & ext2_later_1)
    ext2_passed_known_1 = ext1_later | ext2_known_2 | ext2_known_1 & ext2_known | ext2_2 & ext2_is_ext & ext2_known
    ext2_passed_known_2 = (ext2_whole_known & ext2_passed_known_1 | ext2_whole & ext2_whole_known
                           | ext2_2 & ~ext1_later & ~ext2 & ext2_passed_known_1)
    ext2_passed_known = (ext2_later_known & ext2_passed_known_2 | ext2_passed_known_2 & ~ext2_passed_1
                         | ext2_later & ext2_later_known)
    ipv6_l4_known_1 = ext1_whole_known & ~ext2_whole
    l4_end_least = mux(l3_end > 257, 257, l3_end)
    has_l4_known_1 = ((ip_words < 5) | (l3_end <= 257) | (l4_end_least >= ip_l4) | (ethertype != 0x0800)
                      | (l3_version != 4) | (ip_frag_offset != 0))
    has_l4_known = (ext2_passed_known & has_l4_known_1 | ext2_passed & ext2_passed_known
                    | ip & (ip_frag_offset == 0) & (l4_end >= ip_l4) & has_l4_known_1)
    l4_protocol_known = (ext2_whole_known & (ipv6_l4_known_1 | ext1_whole_known & ext2_whole & (ext2_start + 1 <=
                         256)) | ip)
    l4_known = ext2_whole_known & (ext1_whole_known & ext2_whole_known_1 & ext2_whole | ipv6_l4_known_1) | ip
    punt_1 = (l3_end <= 257) | (l4_end_least >= l4 + 20)

    block_filter = First(Rule(rule_filter, deliver=("matched",)))
    channels = ("matched",)
    punt = (~(has_l4_known & l4_protocol_known & l4_known & punt_1 & (l4 + 4 <= 256) | has_l4_known & ~has_l4 |
            l4_protocol_known & (l4_protocol != 6) | l4_known & (l4_end < l4 + 20) & punt_1 | l4_known & (l4 + 4 <=
            256) & (tcp_dstport != 443)) & (captured > 256))


class Core(PacketCore):
    """The packets, each marked with its verdict."""

    def __init__(self, fifo_depth=None):
        super().__init__(Pipeline(Match, levels=3, latency=21), fifo_depth)
