"""Reads of an FST file what tests ask for: its span of time and the names in it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

HEADER, HIERARCHY_LZ4 = 0, 6


class Fst(NamedTuple):
    """Times in picoseconds; ``hierarchy`` holds the names, each ended by a zero byte."""

    start: int
    end: int
    variables: int
    hierarchy: bytes


def read_fst(path: Path) -> Fst:
    data, at, blocks = path.read_bytes(), 0, {}
    while at < len(data):
        size = struct.unpack_from(">Q", data, at + 1)[0]
        blocks[data[at]] = data[at + 9 : at + 1 + size]
        at += 1 + size
    header = blocks[HEADER]
    start, end = struct.unpack_from(">QQ", header)
    variables = struct.unpack_from(">Q", header, 16 + 8 + 8 + 8)[0]
    packed = blocks[HIERARCHY_LZ4]
    return Fst(start, end, variables, _literals(packed[8:], struct.unpack_from(">Q", packed)[0]))


def _literals(packed: bytes, size: int) -> bytes:
    """A block of lz4 that is one run of literals."""
    length, at = packed[0] >> 4, 1
    if length == 15:
        while True:
            length += packed[at]
            at += 1
            if packed[at - 1] != 255:
                break
    assert (packed[0] & 15, length, len(packed) - at) == (0, size, size)
    return packed[at:]
