"""Which bytes of a packet are read together: neighbouring fields come with one read of up to four bytes.

One idea: per packet, a read and a store are what a field costs; taking fields apart is done on columns, 64 packets
at a time, with one byte shuffle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from sevenm.compiler.backends.c.guards import Guard
from sevenm.compiler.passes.visibility import Access
from sevenm.compiler.plan.ops import Node

TOGETHER_BYTES = 4
"""Most bytes of a read that serves several loads."""
GATHER_MAX = 16
"""Reads in one gathering loop."""
GATHER_BYTES = 256
"""Bytes from the first to the last read of one gathering loop: what a copy for an event that ends early holds."""
FETCH_BYTES = 64
"""Loads at a fixed place that end here, where nearly every frame has bytes, are read while packets are fetched."""
BESIDE_BYTES = 16
"""Fields this near to one that is read anyway are read with it."""


@dataclass(frozen=True, slots=True)
class Read:
    """``size`` bytes (1, 2, 4, 8 or 16) at ``at + disp``; ``loads`` are node numbers."""

    at: int
    disp: int
    size: int
    loads: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.disp + self.size

    @property
    def text(self) -> str:
        return f"get_u{8 * self.size}"


def reads(loads: Sequence[int], accesses: Mapping[int, Access]) -> list[Read]:
    """Groups loads by their place; in order of place."""
    out: list[Read] = []
    group: list[int] = []
    for ref in sorted(loads, key=lambda r: (accesses[r].at, accesses[r].disp, r)):
        if group and not _fits(accesses[group[0]], accesses[ref]):
            out.append(_read(group, accesses))
            group = []
        group.append(ref)
    return [*out, _read(group, accesses)] if group else out


def _fits(first: Access, other: Access) -> bool:
    return other.at == first.at and max(other.disp + other.read, first.disp + first.read) <= first.disp + TOGETHER_BYTES


def _read(group: list[int], accesses: Mapping[int, Access]) -> Read:
    first = accesses[group[0]]
    span = max(accesses[r].disp + accesses[r].read for r in group) - first.disp
    return Read(first.at, first.disp, 1 << (span - 1).bit_length(), tuple(group))


def gathers(moving: Sequence[Read]) -> list[list[Read]]:
    """Reads that one loop does: at one base, near to each other."""
    out: list[list[Read]] = []
    for read in moving:
        here = out[-1] if out else []
        near = here and here[0].at == read.at and read.end - here[0].disp <= GATHER_BYTES
        if near and len(here) < GATHER_MAX:
            here.append(read)
        else:
            out.append([read])
    return out


def shuffle(access: Access, offset: int, lane: int) -> int:
    """Byte indices that take a load out of a lane of ``lane`` bytes in which it starts at byte ``offset``, lowest
    byte of the value first, 0x80 (a zero byte) above it; as one little-endian number."""
    order = range(access.count) if access.little else reversed(range(access.count))
    indices = [offset + at for at in order] + [0x80] * (lane - access.count)
    return int.from_bytes(bytes(indices), "little")


def is_fixed(nodes: Sequence[Node], access: Access) -> bool:
    """Whether every event has the bytes at the same place."""
    return nodes[access.at].op == "const"


def beside(
    nodes: Sequence[Node], order: Sequence[int], accesses: Mapping[int, Access], guards: Mapping[int, Guard]
) -> set[int]:
    """Loads whose bytes come with those of a load that is guarded no more than their base: a move per event in a loop
    that runs anyway is less than a loop of their own."""
    places: defaultdict[int, list[int]] = defaultdict(list)
    loads = {ref: accesses[ref] for ref in order if ref in accesses and not is_fixed(nodes, accesses[ref])}
    for ref, access in loads.items():
        if guards[ref] == guards[access.at]:
            places[access.at].append(access.disp)
    return {r for r, a in loads.items() if any(abs(a.disp - disp) < BESIDE_BYTES for disp in places[a.at])}


def near_others(nodes: Sequence[Node], order: Sequence[int], accesses: Mapping[int, Access]) -> set[int]:
    """Loads at a place that the event decides, of which there is another close by: one window is read for both."""
    loads = {ref: accesses[ref] for ref in order if ref in accesses and not is_fixed(nodes, accesses[ref])}
    places: defaultdict[int, list[int]] = defaultdict(list)
    for access in loads.values():
        places[access.at].append(access.disp)
    return {r for r, a in loads.items() if sum(abs(a.disp - disp) < BESIDE_BYTES for disp in places[a.at]) > 1}


def load_levels(
    order: Sequence[int], accesses: Mapping[int, Access], operands: Callable[[int], Sequence[int]],
    guards: Mapping[int, Guard], free: Set[int],
) -> dict[int, list[int]]:  # fmt: skip
    """Loads by how many others must come before, for their base or, unless they are ``free`` of it, for what guards
    them. Nothing that a level's reads need waits for another of them, so any of them may share a loop."""
    level: dict[int, int] = {}
    levels: defaultdict[int, list[int]] = defaultdict(list)
    stack = [(ref, False) for ref in reversed(order)]
    while stack:
        ref, ready = stack.pop()
        if ref in level:
            continue
        before = [*operands(ref), *sorted({literal // 2 for part in guards[ref] for literal in part})]
        if not ready:
            stack.append((ref, True))
            stack.extend((a, False) for a in reversed(before) if a not in level)
            continue
        depth = max((level[a] for a in before), default=0)
        if ref in accesses:
            at = level[accesses[ref].at] if ref in free else depth
            levels[at].append(ref)
            depth = max(depth, at + 1)
        level[ref] = depth
    return levels
