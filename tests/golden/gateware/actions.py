"""Match core of Plan actions: 5 rules.

digest   0b2dc73d40e59abef79c491e4aad128e61ce3b1a833dbfd1663fc1a2306f4264
latency  33 cycles from a packet's first beat in to its first beat out
window   4 beats of 64 bytes: fields reach 256 bytes

Written by sevenm from the Plan; edit the rules instead. An expression is about one packet; where registers stand
between expressions is decided when it is elaborated.
"""

from sevenm.hdl.core import PacketCore
from sevenm.hdl.pipeline import All, Description, First, Pipeline, Rule, any_of, captured, field, mux, one_of, size


class Match(Description):
    """What the core says of each packet."""

    ethertype_1 = field(at=12, bytes=2)
    ethertype_2 = field(at=16, bytes=2)
    ethertype_3 = field(at=20, bytes=2)
    eth = captured >= 14
    vlan_1_1 = one_of(ethertype_1, 0x8100, 0x88a8, 0x9100)
    vlan_1 = eth & vlan_1_1 & (captured >= 18)
    vlan_2_1 = one_of(ethertype_2, 0x8100, 0x88a8, 0x9100)
    vlan_2 = vlan_1 & vlan_2_1 & (captured >= 22)
    ethertype = mux(vlan_2, ethertype_3, mux(vlan_1, ethertype_2, ethertype_1))
    l3 = mux(vlan_2, 22, mux(vlan_1, 18, 14))
    l3_0 = field(l3, bytes=1)
    l3_version = l3_0[4:8]
    ip_words = l3_0[0:4]
    ip = eth & (ethertype == 0x0800) & (captured >= l3 + 20) & (l3_version == 4) & (ip_words >= 5)
    ip_src = field(l3, at=12, bytes=4)
    rule_bogon = ip & one_of(ip_src, range(0x0a000000, 0x0b000000), range(0xc0a80000, 0xc0a90000))
    vlan_id_1 = field(at=14, bytes=2)[0:12]
    vlan_id_2 = field(at=18, bytes=2)[0:12]
    rule_voice = vlan_1 & (vlan_id_1 == 7) | vlan_2 & (vlan_id_2 == 7)
    rule_large = size > 1000
    eth_src = field(at=6, bytes=6)
    rule_odd = eth & eth_src[40:41]
    ip_len = field(l3, at=2, bytes=2)
    ip_end = mux(ip_len == 0, size, l3 + ip_len)
    l3_4_6 = field(l3, at=4, bytes=2)
    ext1_start = l3 + 40
    ipv6_len_end = mux(l3_4_6 == 0, size, l3_4_6 + ext1_start)
    l3_end = mux(ip, ip_end, ipv6_len_end)
    ipv6 = eth & (ethertype == 0x86dd) & (captured >= ext1_start) & (l3_version == 6)
    ext1_kind = field(l3, at=6, bytes=1)
    ipv6_end = mux(captured < ipv6_len_end, captured, ipv6_len_end)
    ext1_is_ext = one_of(ext1_kind, 0, range(43, 45), 51, 60)
    ext1 = ipv6 & ext1_is_ext
    l3_41 = field(l3, at=41, bytes=1)
    ext1_len = mux(ext1_kind == 44, 8, mux(ext1_kind == 51, (l3_41 + 2) * 4, (l3_41 + 1) * 8))
    ext1_end = ext1_start + ext1_len
    ext1_whole = ext1 & (ipv6_end >= l3 + 48) & (ipv6_end >= ext1_end)
    parse_truncated_1 = (captured >= l3 + 48) & (ipv6_len_end < ext1_end)
    ext1_later = ipv6 & (ext1_kind == 44) & (field(l3, at=42, bytes=2)[3:16] != 0)
    ext2_1 = ext1_whole | ipv6 & ~ext1
    ext2_start = mux(ext1_whole, ext1_end, ext1_start)
    ext2_kind = mux(ext1_whole, field(l3, at=40, bytes=1), ext1_kind)
    ext2_is_ext = one_of(ext2_kind, 0, range(43, 45), 51, 60)
    ext2 = ext2_1 & ~ext1_later & ext2_is_ext
    ext2_start_1 = field(ext2_start, at=1, bytes=1)
    ext2_len = mux(ext2_kind == 44, 8, mux(ext2_kind == 51, (ext2_start_1 + 2) * 4, (ext2_start_1 + 1) * 8))
    ext2_end = ext2_start + ext2_len
    ext2_whole = ext2 & (ipv6_end >= ext2_start + 8) & (ipv6_end >= ext2_end)
    parse_truncated_2 = (captured >= ext2_start + 8) & (ipv6_len_end < ext2_end)
    parse_truncated_3 = (ipv6_len_end < ext2_start + 8) | parse_truncated_2
    ext2_later_1 = field(ext2_start, at=2, bytes=2)[3:16] == 0
    ext2_later = ext2_1 & ~ext1_later & (ext2_kind == 44) & ~ext2_later_1
    ext2_passed_1 = ext2_whole | ext2_1 & ~ext1_later & ~ext2
    ext2_passed = ext2_passed_1 & ~ext2_later
    ipv6_l4 = mux(ext2_whole, ext2_end, ext2_start)
    ipv6_protocol = mux(ext2_whole, field(ext2_start, bytes=1), ext2_kind)
    ip_frag_offset = field(l3, at=6, bytes=2)[0:13]
    ip_l4 = l3 + ip_words * 4
    l4_end = mux(captured < l3_end, captured, l3_end)
    has_l4 = ext2_passed | ip & (ip_frag_offset == 0) & (l4_end >= ip_l4)
    l4_protocol = mux(ip, field(l3, at=9, bytes=1), ipv6_protocol)
    l4 = mux(ip, ip_l4, ipv6_l4)
    parse_malformed_1 = one_of(field(l4, bytes=1), range(128, 130))
    parse_malformed_2 = has_l4 & (l4_protocol == 6) & (l3_end >= l4 + 20) & (captured < l4 + 20)
    parse_malformed_3 = has_l4 & (l4_protocol == 17) & (l3_end >= l4 + 8) & (captured < l4 + 8)
    parse_malformed_4 = has_l4 & (l4_protocol == 132) & (l3_end >= l4 + 12) & (captured < l4 + 12)
    parse_malformed_5 = ip & has_l4 & (l3_end >= l4 + 8) & (captured < l4 + 8) & (l4_protocol == 1)
    parse_malformed_6 = ipv6 & has_l4 & (l4_protocol == 58) & (l3_end >= l4 + 4) & (captured < l4 + 4)
    parse_malformed_7 = (ipv6 & has_l4 & (l4_protocol == 58) & (l4_end >= l4 + 4) & parse_malformed_1
                         & (l3_end < l4 + 8))
    parse_malformed_8 = (ipv6 & has_l4 & (l4_protocol == 58) & (l4_end >= l4 + 4) & parse_malformed_1
                         & (l3_end >= l4 + 8) & (captured < l4 + 8))
    parse_malformed_9 = (parse_malformed_2 | parse_malformed_3 | parse_malformed_4 | parse_malformed_5
                         | parse_malformed_6 | parse_malformed_8)
    udp_length = field(l4, at=4, bytes=2)
    parse_malformed_10 = (udp_length < 8) | (l3_end < l4 + udp_length)
    parse_malformed_11 = field(l3, at=43, bytes=1)[0:1]
    parse_malformed_12 = field(ext2_start, at=3, bytes=1)[0:1]
    parse_malformed_13 = ext2_1 & ~ext1_later & (ext2_kind == 44) & (ipv6_end >= ext2_start + 8) & parse_malformed_12
    parse_malformed_14 = ipv6 & (ext1_kind == 44) & (ipv6_end >= l3 + 48) & parse_malformed_11 | parse_malformed_13
    parse_malformed_15 = ip & ext1_kind[5:6]
    parse_malformed_16 = eth & vlan_1_1 & ~vlan_1
    parse_malformed_17 = vlan_1 & vlan_2_1 & ~vlan_2
    parse_malformed_18 = eth & (ethertype == 0x0806) & (captured < l3 + 8)
    parse_malformed_19 = eth & (ethertype == 0x0800) & (captured < l3 + 20)
    parse_malformed_20 = eth & (ethertype == 0x86dd) & (captured < ext1_start)
    arp_ipv4_1 = one_of(field(l3, bytes=2), 1, 6)
    arp_ipv4 = (eth & (ethertype == 0x0806) & (captured >= l3 + 8) & arp_ipv4_1 & (ip_len == 2048)
                & (l3_4_6 == 1540) & (captured >= l3 + 28))
    parse_malformed_21 = (eth & (ethertype == 0x0806) & (captured >= l3 + 8) & arp_ipv4_1 & (ip_len == 2048)
                          & (l3_4_6 == 1540) & ~arp_ipv4)
    parse_malformed_22 = ip & (captured < ip_l4) & (ip_end >= ip_l4)
    parse_malformed_23 = ((captured < 14) | parse_malformed_16 | parse_malformed_17 | parse_malformed_18
                          | parse_malformed_19 | parse_malformed_20 | parse_malformed_21 | parse_malformed_22)
    parse_malformed_24 = eth & (ethertype == 0x0800) & (captured >= l3 + 20) & ~((l3_version == 4) & (ip_words >= 5))
    parse_malformed_25 = eth & (ethertype == 0x86dd) & (captured >= ext1_start) & (l3_version != 6)
    parse_malformed_26 = ip & (ip_end < ip_l4)
    parse_malformed_27 = (size < l3_end) & (size < 65535) & (ip | ipv6)
    tcp_hdr_len = field(l4, at=12, bytes=1)[4:8] * 4
    tcp_payload = l4 + tcp_hdr_len
    tcp_sound = has_l4 & (l4_protocol == 6) & (l4_end >= l4 + 20) & (tcp_hdr_len >= 20) & (l3_end >= tcp_payload)
    parse_malformed_28 = (has_l4 & (l4_protocol == 17) & (l4_end >= l4 + 8) & (udp_length != 0) & parse_malformed_10
                          & ~parse_malformed_14 & ~parse_malformed_15)
    parse_malformed_29 = (captured >= size) | (ipv6_len_end < l3 + 48) | parse_truncated_1
    parse_malformed_30 = (captured >= size) | (ipv6_len_end < ext2_start + 8) | parse_truncated_2
    parse_malformed = (any_of(has_l4 & (l4_protocol == 6) & (l3_end < l4 + 20), has_l4 & (l4_protocol == 17) &
                       (l3_end < l4 + 8), has_l4 & (l4_protocol == 132) & (l3_end < l4 + 12), ip & has_l4 & (l3_end
                       < l4 + 8) & (l4_protocol == 1), ipv6 & has_l4 & (l4_protocol == 58) & (l3_end < l4 + 4),
                       parse_malformed_7, (captured >= size) & parse_malformed_23, parse_malformed_24,
                       parse_malformed_25, parse_malformed_26, parse_malformed_27, (captured >= size) &
                       parse_malformed_9, has_l4 & (l4_protocol == 6) & (l4_end >= l4 + 20) & ~tcp_sound,
                       parse_malformed_28, ext1 & ~ext1_whole & parse_malformed_29, ext2 & ~ext2_whole &
                       parse_malformed_30))
    parse_truncated_4 = vlan_2 & one_of(ethertype_3, 0x8100, 0x88a8, 0x9100)
    parse_truncated_5 = (any_of(captured < 14, parse_malformed_2, parse_malformed_3, parse_malformed_4,
                         parse_malformed_5, parse_malformed_6, parse_malformed_8, parse_malformed_16,
                         parse_malformed_17, parse_malformed_18, parse_malformed_19, parse_malformed_20,
                         parse_malformed_21, parse_malformed_22, tcp_sound & (captured < tcp_payload)))
    parse_truncated_6 = one_of(ipv6_protocol, 0, range(43, 45), 51, 60)
    parse_truncated_7 = ~((ipv6_len_end < l3 + 48) | parse_truncated_1)
    parse_truncated = (parse_truncated_4 | (captured < size) & parse_truncated_5 | ext2_passed & parse_truncated_6
                       | (captured < size) & ext1 & ~ext1_whole & parse_truncated_7
                       | (captured < size) & ext2 & ~ext2_whole & ~parse_truncated_3)

    # In packets longer than 256 bytes: is what counts inside of them?
    ipv6_end_least = mux(ipv6_len_end > 257, 257, ipv6_len_end)
    ext1_whole_known_1 = (ipv6_len_end <= 257) | (ipv6_end_least >= l3 + 48)
    ext1_whole_known_2 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext1_end)
    ext1_whole_known = (ext1_whole_known_1 & ext1_whole_known_2 | (ethertype != 0x86dd) | (l3_version != 6)
                        | ~ext1_is_ext | (ipv6_end < l3 + 48) & ext1_whole_known_1
                        | (ipv6_end < ext1_end) & ext1_whole_known_2)
    ext2_known_1 = ext1_whole_known | eth & (captured >= ext1_start) & ~ext1
    ext2_known_2 = ext2_known_1 & ~ext2_1
    ext2_known_3 = ext1_whole_known & ~ext2_is_ext
    ext2_known = ext1_later | ext1_whole_known & ext2_known_1 | ext2_known_2 | ext2_known_3
    ext2_whole_known_1 = (ext2_kind == 44) | ext1_whole_known & (ext2_start + 2 <= 256)
    ext2_whole_known_2 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext2_start + 8)
    ext2_whole_known_3 = (ipv6_len_end <= 257) | (ipv6_end_least >= ext2_end)
    ext2_whole_known_4 = ext1_whole_known & (ipv6_end < ext2_start + 8) & ext2_whole_known_2
    ext2_whole_known = (ext1_later | ext2_known_2 | ext2_known_3 | ext1_whole_known & ext2_known_1 &
                        ext2_whole_known_1 & ext2_whole_known_2 & ext2_whole_known_3 | ext2_whole_known_4
                        | ext1_whole_known & ext2_whole_known_1 & (ipv6_end < ext2_end) & ext2_whole_known_3)
    punt_1 = (ext1_whole_known & ext2_whole_known_1 & (ext2_start + 8 <= 257)
              | ext1_whole_known & ext2_whole_known_1 & (ipv6_len_end >= ext2_end))
    punt_2 = ext1_whole_known & (ipv6_len_end < ext2_start + 8)
    punt_3 = (captured >= ext2_start + 8) & (ipv6_len_end < ext2_end) & punt_1
    ext2_later_known_1 = ext1_whole_known & (ext2_kind != 44)
    ext2_later_known = (ext1_later | ext2_known_2 | ext1_whole_known & ext2_known_1 & (ext2_start + 4 <= 256)
                        | ext2_later_known_1 | ext1_whole_known & (ext2_start + 4 <= 256) & ext2_later_1)
    ext2_passed_known_1 = ext1_later | ext2_known_2 | ext2_known_1 & ext2_known | ext2_1 & ext2_is_ext & ext2_known
    ext2_passed_known_2 = (ext2_whole_known & ext2_passed_known_1 | ext2_whole & ext2_whole_known
                           | ext2_1 & ~ext1_later & ~ext2 & ext2_passed_known_1)
    ext2_passed_known_3 = ext2_passed_known_2 & ~ext2_passed_1
    ext2_passed_known_4 = ext2_later & ext2_later_known
    ext2_passed_known = ext2_later_known & ext2_passed_known_2 | ext2_passed_known_3 | ext2_passed_known_4
    ipv6_l4_known_1 = ext1_whole_known & ~ext2_whole
    ipv6_protocol_known = (ext2_whole_known
                           & (ipv6_l4_known_1 | ext1_whole_known & ext2_whole & (ext2_start + 1 <= 256)))
    l4_end_least = mux(l3_end > 257, 257, l3_end)
    has_l4_known_1 = ((ip_words < 5) | (l3_end <= 257) | (l4_end_least >= ip_l4) | (ethertype != 0x0800)
                      | (l3_version != 4) | (ip_frag_offset != 0))
    has_l4_known = (ext2_passed_known & has_l4_known_1 | ext2_passed & ext2_passed_known
                    | ip & (ip_frag_offset == 0) & (l4_end >= ip_l4) & has_l4_known_1)
    l4_protocol_known = ip | ipv6_protocol_known
    l4_known = ip | ext2_whole_known & (ext1_whole_known & ext2_whole_known_1 & ext2_whole | ipv6_l4_known_1)
    punt_4 = (l3_end <= 257) | (l4_end_least >= l4 + 4)
    punt_5 = has_l4_known & l4_protocol_known & l4_known
    tcp_sound_known_1 = has_l4_known & ~has_l4
    tcp_sound_known_2 = l4_protocol_known & (l4_protocol != 6)
    punt_6 = punt_5 | tcp_sound_known_1 | tcp_sound_known_2 | l4_known & (l3_end >= l4 + 20)
    punt_7 = (tcp_sound_known_1 | tcp_sound_known_2 | l4_known & (l4 + 20 <= 257)
              | has_l4_known & l4_protocol_known & l4_known & (l4 + 20 <= 257) | l4_known & (l3_end < l4 + 20))
    punt_8 = l4_protocol_known & (l4_protocol != 17)
    punt_9 = l4_known & (l3_end >= l4 + 8)
    punt_10 = punt_5 | tcp_sound_known_1 | punt_8 | punt_9
    punt_11 = l4_known & (l4 + 8 <= 257)
    punt_12 = has_l4_known & l4_protocol_known & l4_known & (l4 + 8 <= 257)
    punt_13 = l4_known & (l3_end < l4 + 8)
    punt_14 = tcp_sound_known_1 | punt_8 | punt_11 | punt_12 | punt_13
    punt_15 = l4_protocol_known & (l4_protocol != 132)
    punt_16 = punt_5 | tcp_sound_known_1 | punt_15 | l4_known & (l3_end >= l4 + 12)
    punt_17 = (tcp_sound_known_1 | punt_15 | l4_known & (l4 + 12 <= 257)
               | has_l4_known & l4_protocol_known & l4_known & (l4 + 12 <= 257) | l4_known & (l3_end < l4 + 12))
    punt_18 = l4_protocol_known & (l4_protocol != 1)
    punt_19 = ((ip_words < 5) | (ethertype != 0x0800) | (l3_version != 4) | punt_5 | tcp_sound_known_1 | punt_9
               | punt_18)
    punt_20 = ((ip_words < 5) | (ethertype != 0x0800) | (l3_version != 4) | tcp_sound_known_1 | punt_11 | punt_12
               | punt_13 | punt_18)
    punt_21 = l4_protocol_known & (l4_protocol != 58)
    punt_22 = ((ethertype != 0x86dd) | (l3_version != 6) | punt_5 | tcp_sound_known_1 | punt_21
               | l4_known & (l3_end >= l4 + 4))
    punt_23 = ((ethertype != 0x86dd) | (l3_version != 6) | tcp_sound_known_1 | punt_21 | l4_known & (l4 + 4 <= 257)
               | has_l4_known & l4_protocol_known & l4_known & (l4 + 4 <= 257) | l4_known & (l3_end < l4 + 4))
    punt_24 = l4_known & (l4_end < l4 + 4) & punt_4
    punt_25 = l4_known & (l4 + 1 <= 256) & ~parse_malformed_1
    punt_26 = ((ethertype != 0x86dd) | (l3_version != 6) | tcp_sound_known_1 | punt_9 | punt_21
               | has_l4_known & l4_protocol_known & l4_known & punt_4 & (l4 + 1 <= 256) | punt_24 | punt_25)
    punt_27 = ((ethertype != 0x86dd) | (l3_version != 6) | tcp_sound_known_1 | punt_11 | punt_13 | punt_21 | punt_24
               | punt_25 | has_l4_known & l4_protocol_known & l4_known & punt_4 & (l4 + 1 <= 256) & (l4 + 8 <= 257))
    punt_28 = has_l4 & (l4_protocol == 6) & (l3_end >= l4 + 20) & (captured < l4 + 20) & punt_7
    punt_29 = has_l4 & (l4_protocol == 17) & (l3_end >= l4 + 8) & (captured < l4 + 8) & punt_14
    punt_30 = has_l4 & (l4_protocol == 132) & (l3_end >= l4 + 12) & (captured < l4 + 12) & punt_17
    punt_31 = ip & has_l4 & (l3_end >= l4 + 8) & (captured < l4 + 8) & (l4_protocol == 1) & punt_20
    punt_32 = ipv6 & has_l4 & (l4_protocol == 58) & (l3_end >= l4 + 4) & (captured < l4 + 4) & punt_23
    punt_33 = (ipv6 & has_l4 & (l4_protocol == 58) & (l4_end >= l4 + 4) & parse_malformed_1 & (l3_end >= l4 + 8)
               & (captured < l4 + 8) & punt_27)
    punt_34 = (punt_7 & punt_14 & punt_17 & punt_20 & punt_23 & punt_27 | punt_28 | punt_29 | punt_30 | punt_31
               | punt_32 | punt_33)
    punt_35 = (l3_end <= 257) | (l4_end_least >= l4 + 8)
    udp_length_known = l4_known & (l4 + 6 <= 256)
    punt_36 = udp_length_known | udp_length_known & (udp_length < 8) | udp_length_known & (l3_end < l4 + udp_length)
    punt_37 = ((ipv6_len_end <= 257) | (ipv6_end_least >= l3 + 48) | (ethertype != 0x86dd) | (l3_version != 6)
               | (ext1_kind != 44) | ~parse_malformed_11)
    punt_38 = (ext1_later | ext2_known_2 | ext2_whole_known_4 | ext2_later_known_1
               | ext1_whole_known & ext2_known_1 & ext2_whole_known_2 & (ext2_start + 4 <= 256)
               | ext1_whole_known & (ext2_start + 4 <= 256) & ~parse_malformed_12)
    punt_39 = (punt_37 & punt_38 | ipv6 & (ext1_kind == 44) & (ipv6_end >= l3 + 48) & parse_malformed_11 & punt_37 |
               ext2_1 & ~ext1_later & (ext2_kind == 44) & (ipv6_end >= ext2_start + 8) & parse_malformed_12 &
               punt_38)
    punt_40 = (size <= 257) | ~parse_malformed_23
    punt_41 = (size <= 257) & punt_34 | punt_34 & ~parse_malformed_9
    tcp_sound_known_3 = (l3_end <= 257) | (l4_end_least >= l4 + 20)
    tcp_sound_known_4 = l4_known & (l4_end < l4 + 20) & tcp_sound_known_3
    tcp_sound_known_5 = l4_known & (l4 + 13 <= 256) & (tcp_hdr_len < 20)
    tcp_sound_known_6 = l4_known & (l4 + 13 <= 256) & (l3_end < tcp_payload)
    tcp_sound_known = (tcp_sound_known_1 | tcp_sound_known_2
                       | has_l4_known & l4_protocol_known & l4_known & tcp_sound_known_3 & (l4 + 13 <= 256)
                       | tcp_sound_known_4 | tcp_sound_known_5 | tcp_sound_known_6)
    punt_42 = (tcp_sound_known_1 | tcp_sound_known_2 | tcp_sound_known_4
               | has_l4_known & l4_protocol_known & l4_known & tcp_sound_known_3 & tcp_sound_known
               | tcp_sound & tcp_sound_known)
    punt_43 = (tcp_sound_known_1 | punt_8 | parse_malformed_15
               | has_l4_known & l4_protocol_known & punt_35 & udp_length_known & punt_36 & punt_39
               | l4_known & (l4_end < l4 + 8) & punt_35 | udp_length_known & (udp_length == 0)
               | punt_36 & ~parse_malformed_10 | parse_malformed_14 & punt_39)
    punt_44 = (size <= 257) | (ipv6_len_end < l3 + 48) | parse_truncated_1
    punt_45 = eth & (captured >= ext1_start) & (ipv6_end >= l3 + 48) & (ipv6_end >= ext1_end) & ext1_whole_known
    punt_46 = ((ethertype != 0x86dd) | (l3_version != 6) | ~ext1_is_ext | ext1_whole_known & punt_44
               | punt_44 & ~parse_malformed_29 | punt_45)
    punt_47 = (size <= 257) | punt_2 | punt_3
    punt_48 = ext2_1 & ext2_is_ext & (ipv6_end >= ext2_start + 8) & (ipv6_end >= ext2_end) & ext2_whole_known
    punt_49 = (ext1_later | ext2_known_2 | ext2_known_3
               | ext1_whole_known & ext2_known_1 & ext2_whole_known & punt_47 | punt_47 & ~parse_malformed_30
               | punt_48)
    punt_50 = (tcp_sound_known_1 | tcp_sound_known_2 | tcp_sound_known_4 | tcp_sound_known_5 | tcp_sound_known_6
               | l4_known & (l4 + 13 <= 256) & (tcp_payload <= 257) | has_l4_known & l4_protocol_known & l4_known &
               tcp_sound_known_3 & (l4 + 13 <= 256) & (tcp_payload <= 257))
    punt_51 = ((size <= 257) | any_of(punt_28, punt_29, punt_30, punt_31, punt_32, punt_33, parse_malformed_16,
               parse_malformed_17, parse_malformed_18, parse_malformed_19, parse_malformed_20, parse_malformed_21,
               parse_malformed_22, punt_7 & punt_14 & punt_17 & punt_20 & punt_23 & punt_27 & punt_50, tcp_sound &
               (captured < tcp_payload) & punt_50) & ~parse_truncated_5)
    punt_52 = (ext2_passed_known_3 | ext2_passed_known_4
               | ext2_later_known & ext2_passed_known_2 & ipv6_protocol_known
               | ipv6_protocol_known & ~parse_truncated_6)
    punt_53 = ((size <= 257) | (ethertype != 0x86dd) | (l3_version != 6) | ~ext1_is_ext | (ipv6_len_end < l3 + 48)
               | parse_truncated_1 | punt_45)
    punt_54 = ((size <= 257) | ext1_later | ext2_known_2 | ext2_known_3 | punt_48
               | parse_truncated_3 & (ext1_whole_known & punt_1 | punt_2 | punt_3))

    block_edge = First(
        Rule(rule_bogon, drop=True),
        Rule(rule_voice, deliver=("voice",), forward=(3,)),
        Rule(1, forward=(0,), default=True),
    )
    block_marks = All(
        Rule(rule_large, deliver=("large",)),
        Rule(rule_odd, deliver=("voice",)),
    )
    channels = ("voice", "large")
    malformed = parse_malformed
    truncated = parse_truncated
    punt = ((captured > 256) & (~any_of(parse_malformed_24, parse_malformed_25, parse_malformed_26,
            parse_malformed_27, punt_6 & punt_10 & punt_16 & punt_19 & punt_22 & punt_26 & punt_40 & punt_41 &
            punt_42 & punt_43 & punt_46 & punt_49, has_l4 & (l4_protocol == 6) & (l3_end < l4 + 20) & punt_6, has_l4
            & (l4_protocol == 17) & (l3_end < l4 + 8) & punt_10, has_l4 & (l4_protocol == 132) & (l3_end < l4 + 12)
            & punt_16, ip & has_l4 & (l3_end < l4 + 8) & (l4_protocol == 1) & punt_19, ipv6 & has_l4 & (l4_protocol
            == 58) & (l3_end < l4 + 4) & punt_22, ipv6 & has_l4 & (l4_protocol == 58) & (l4_end >= l4 + 4) &
            parse_malformed_1 & (l3_end < l4 + 8) & punt_26, (captured >= size) & parse_malformed_23 & punt_40,
            (captured >= size) & parse_malformed_9 & punt_41, has_l4 & (l4_protocol == 6) & (l4_end >= l4 + 20) &
            ~tcp_sound & punt_42, has_l4 & (l4_protocol == 17) & (l4_end >= l4 + 8) & (udp_length != 0) &
            parse_malformed_10 & ~parse_malformed_14 & ~parse_malformed_15 & punt_43, ext1 & ~ext1_whole &
            parse_malformed_29 & punt_46, ext2 & ~ext2_whole & parse_malformed_30 & punt_49) | ~(parse_truncated_4 |
            punt_51 & punt_52 & punt_53 & punt_54 | (captured < size) & parse_truncated_5 & punt_51 | ext2_passed &
            parse_truncated_6 & punt_52 | (captured < size) & ext1 & ~ext1_whole & parse_truncated_7 & punt_53 |
            (captured < size) & ext2 & ~ext2_whole & ~parse_truncated_3 & punt_54)))


class Core(PacketCore):
    """The packets, each marked with its verdict."""

    def __init__(self, fifo_depth=None):
        super().__init__(Pipeline(Match, levels=3, latency=25), fifo_depth)
