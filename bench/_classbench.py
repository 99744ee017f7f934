"""ClassBench rule sets: as rule files, as packets that match them, and scanned in NumPy, rule by rule."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LINE = re.compile(r"@(\S+)/(\d+)\s+(\S+)/(\d+)\s+(\d+) : (\d+)\s+(\d+) : (\d+)\s+0x(\w+)/0x(\w+)\s")
FIELDS = ("src", "dst", "sport", "dport", "proto")
PORT_MAX = 0xFFFF
FRAME = 64
"""Bytes of every packet."""
NO_RULE = 0xFFFF
ADDRESSES = 1 << 32
MOVED = 0x1234567
"""Between a network and its copy in the next set."""


@dataclass(frozen=True)
class FiveTuples:
    """``lo`` and ``hi``: (rules, 5) int64, the inclusive ranges of FIELDS."""

    name: str
    lo: NDArray[np.int64]
    hi: NDArray[np.int64]


def folder() -> Path:
    """Where the sets lie: classbench/ in the folder that SEVENM_DATA names."""
    here = Path(os.environ.get("SEVENM_DATA", Path(__file__).parents[2] / "shared" / "data")) / "classbench"
    if not here.is_dir():
        raise SystemExit(f"{here} is absent: set SEVENM_DATA to the folder that holds classbench/")
    return here


def load(name: str, count: int) -> FiveTuples:
    """``count`` rules of the set of 10,000, evenly spread, in its order. Where more are asked for, the whole set
    follows again with its networks elsewhere."""
    found = [m for line in (folder() / f"{name}_10k").read_text().splitlines() if (m := LINE.match(line))]
    once = min(count, len(found))
    rows = [_ranges(found[i * len(found) // once]) for i in range(once)]
    lo, hi = (np.array([[part[end] for part in row] for row in rows]) for end in (0, 1))
    copies = [_elsewhere(lo, hi, number) for number in range(-(-count // once))]
    return FiveTuples(name, *(np.concatenate([copy[end] for copy in copies])[:count] for end in (0, 1)))


def _elsewhere(lo: NDArray[np.int64], hi: NDArray[np.int64], number: int) -> tuple[NDArray[np.int64], ...]:
    """The rules with addresses moved, another way for each number; 0 leaves them where they are."""
    lo, hi = lo.copy(), hi.copy()
    for field in (0, 1):
        size = hi[:, field] - lo[:, field] + 1
        lo[:, field] = (lo[:, field] + number * MOVED) // size * size % ADDRESSES
        hi[:, field] = lo[:, field] + size - 1
    return lo, hi


def _ranges(match: re.Match[str]) -> list[tuple[int, int]]:
    exact = int(match[10], 16) != 0
    proto = int(match[9], 16)
    return [
        _network(match[1], int(match[2])),
        _network(match[3], int(match[4])),
        (int(match[5]), int(match[6])),
        (int(match[7]), int(match[8])),
        (proto, proto) if exact else (0, 255),
    ]


def _network(address: str, length: int) -> tuple[int, int]:
    value = int.from_bytes(bytes(map(int, address.split("."))), "big")
    size = 1 << (32 - length)
    return value // size * size, value // size * size + size - 1


def rule_text(rules: FiveTuples) -> str:
    """The set as a rule file of one ``first`` block."""
    lines = (f"  rule r{at}: {_condition(lo, hi)} => deliver all" for at, (lo, hi) in enumerate(_pairs(rules)))
    return "rules set on packet first {\n" + "\n".join(lines) + "\n}\n"


def _pairs(rules: FiveTuples) -> list[tuple[list[int], list[int]]]:
    return list(zip(rules.lo.tolist(), rules.hi.tolist(), strict=True))


def _condition(lo: list[int], hi: list[int]) -> str:
    """Ports are asked for only of TCP and UDP; the sets do so."""
    parts = []
    for name, first, last in (("ip.src", lo[0], hi[0]), ("ip.dst", lo[1], hi[1])):
        length = 33 - (last - first + 1).bit_length()
        if length:
            parts.append(f"{name} == {'.'.join(str(b) for b in first.to_bytes(4, 'big'))}/{length}")
    if lo[4] == hi[4]:
        parts.append(f"ip.proto == {lo[4]}")
        layer = {6: "tcp", 17: "udp"}.get(lo[4])
        for name, first, last in (("srcport", lo[2], hi[2]), ("dstport", lo[3], hi[3])):
            if layer and (first, last) != (0, PORT_MAX):
                parts.append(f"{layer}.{name} in {{{first}..{last}}}" if first < last else f"{layer}.{name} == {first}")
    return " and ".join(parts) or "ip"


def headers(rules: FiveTuples, count: int, seed: int) -> NDArray[np.int64]:
    """(count, 5): each header is drawn evenly from one of the rules, each rule as likely."""
    rng = np.random.default_rng(seed)
    pick = rng.integers(0, len(rules.lo), count)
    lo, hi = rules.lo[pick], rules.hi[pick]
    out = lo + (rng.random(lo.shape) * (hi - lo + 1)).astype(np.int64)
    anything = hi[:, 4] > lo[:, 4]
    out[anything, 4] = rng.choice([6, 17, 1], np.count_nonzero(anything))
    return out


def packets(fields: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(n, FRAME): Ethernet, IPv4 without options, TCP or UDP ports where there are some."""
    out = np.zeros((len(fields), FRAME), np.uint8)
    out[:, 12:14] = 8, 0
    out[:, 14] = 0x45
    out[:, 17] = FRAME - 14
    out[:, 22] = 64
    out[:, 23] = fields[:, 4]
    for field, at, size in ((0, 26, 4), (1, 30, 4), (2, 34, 2), (3, 36, 2)):
        for byte in range(size):
            out[:, at + byte] = fields[:, field] >> 8 * (size - 1 - byte) & 0xFF
    tcp, udp = fields[:, 4] == 6, fields[:, 4] == 17
    out[tcp, 46] = 0x50
    out[udp, 39] = FRAME - 34
    return out


def first_match(rules: FiveTuples, fields: NDArray[np.int64]) -> NDArray[np.uint16]:
    """The first rule of each header by a linear scan, NO_RULE if none."""
    out = np.full(len(fields), NO_RULE, np.uint16)
    for at in range(len(rules.lo) - 1, -1, -1):
        out[((fields >= rules.lo[at]) & (fields <= rules.hi[at])).all(axis=1)] = at
    return out
