"""Which bytes of a packet are read together: neighbouring fields come with one read of up to four bytes.

One idea: per packet, a read and a store are what a field costs; taking fields apart is done on columns, 64 packets
at a time, with one byte shuffle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sevenm.compiler.passes.visibility import Access

TOGETHER_BYTES = 4
"""Most bytes of a read that serves several loads."""


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


def shuffle(access: Access, offset: int, lane: int) -> int:
    """Byte indices that take a load out of a lane of ``lane`` bytes in which it starts at byte ``offset``, lowest
    byte of the value first, 0x80 (a zero byte) above it; as one little-endian number."""
    order = range(access.count) if access.little else reversed(range(access.count))
    indices = [offset + at for at in order] + [0x80] * (lane - access.count)
    return int.from_bytes(bytes(indices), "little")
