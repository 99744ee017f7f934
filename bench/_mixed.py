"""Rules of all kinds, drawn at random: the same for the same number."""

from __future__ import annotations

import random

NETWORKS, PORTS = 200, 100
"""Members of the two sets."""
TERMS_MAX = 4
ACTIONS = ("drop", "deliver x", "count y, forward 3", "forward 1")


def mixed_rules(count: int) -> str:
    """The text of a rule file with one ``first`` block of so many rules and a default."""
    draw = random.Random(count)
    networks = ", ".join(f"{_address(draw, 3)}.0/24" for _ in range(NETWORKS))
    ports = ", ".join(map(str, sorted(draw.sample(range(1, 65535), PORTS))))
    lines = [f"set nets : ip4 = {{ {networks} }}", f"set ports : u16 = {{ {ports} }}", "rules mixed on packet first {"]
    for number in range(count):
        terms = " and ".join(_term(draw) for _ in range(draw.randint(1, TERMS_MAX)))
        lines.append(f"  rule r{number}: {terms} => {draw.choice(ACTIONS)}")
    return "\n".join([*lines, "  default => drop", "}", ""])


def _term(draw: random.Random) -> str:
    low, port = draw.randrange(1, 2000), draw.randrange(1, 65535)
    return draw.choice((
        f"ip.src == {_address(draw)}",
        f"ip.dst in {{{_address(draw)}, {_address(draw)}}}",
        f"eth.src == {':'.join(f'{draw.randrange(256):02x}' for _ in range(6))}",
        f"vlan.id#1 in {{{low}..{low + draw.randrange(1, 90)}}}",
        "ip.src in $nets",
        "not tcp.dstport in $ports",
        "tcp.flags & 0x12 == 0x02",
        f"ip.ttl < {draw.randrange(2, 255)}",
        f"udp.dstport in {{{low}, {low + 2}, {low + 10}..{low + draw.randrange(11, 7000)}}}",
        f"frame.len > {draw.randrange(60, 1500)}",
        f"tcp.payload[{draw.randrange(8)}] == {draw.randrange(256)}",
        f"ipv6.src in 2001:db8:{draw.randrange(1 << 16):x}::/48",
        f"(tcp.port == {port} or udp.port == {port})",
    ))  # fmt: skip


def _address(draw: random.Random, octets: int = 4) -> str:
    return ".".join([str(draw.randrange(1, 224)), *(str(draw.randrange(256)) for _ in range(octets - 1))])
