"""Frames of many flows whose place in their flow can be read back, and what has to be true of them when they are."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HEAD = bytes.fromhex("020000000002 020000000001")
OTHER = bytes((192, 168, 0, 1))
FRAGMENT, LAST = 0x2000, 3
"""Flags and offset (in units of 8 bytes) of the first and the second fragment of a datagram."""


class Seen(NamedTuple):
    """A frame that was read: flow and place in the flow, and the worker that had it."""

    flow: int
    place: int
    worker: int


def frame(flow: int, place: int, fragment: int = 0) -> bytes:
    """A UDP packet of the flow: every second one goes back; each seventh flow is in a VLAN. ``place``: 16 bits."""
    host = bytes((10, 0, flow >> 8, flow & 255))
    there = place % 2 == 0 or fragment
    ends, ports = ((host, OTHER), (1000 + flow, 53)) if there else ((OTHER, host), (53, 1000 + flow))
    data = struct.pack(">HHHH", *ports, 32, 0) + bytes(24)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), place, fragment, 64, 17, 0) + b"".join(ends)
    tag = b"\x81\x00\x00\x07" if flow % 7 == 0 else b""
    return HEAD + tag + b"\x08\x00" + ip + data


def frames(flows: int, each: int) -> list[bytes]:
    """All flows by turns, ``each`` of every one; of every ninth flow all are fragmented datagrams."""
    out = []
    for place in range(each):
        for flow in range(flows):
            if flow % 9:
                out.append(frame(flow, place))
            else:
                out += [frame(flow, place, FRAGMENT), frame(flow, place, LAST)]
    return out


def seen(records: NDArray[np.void], worker: int) -> Iterable[Seen]:
    """The frames of a ring's records."""
    for data in records["data"]:
        at = 18 if bytes(data[12:14]) == b"\x81\x00" else 14
        ends = bytes(data[at + 12 : at + 16]), bytes(data[at + 16 : at + 20])
        host = ends[0] if ends[0][0] == 10 else ends[1]
        yield Seen(host[2] << 8 | host[3], int.from_bytes(bytes(data[at + 4 : at + 6])), worker)


def faults(got: list[Seen], flows: int, each: int) -> list[str]:
    """What is wrong with them, in the order in which they were read."""
    out = []
    for flow in range(flows):
        mine = [one for one in got if one.flow == flow]
        places = [one.place for one in mine]
        expected = [place for place in range(each) for _ in range(1 if flow % 9 else 2)]
        if sorted(places) != expected:
            out.append(f"flow {flow}: {len(places)} of {len(expected)} frames")
        elif places != expected:
            out.append(f"flow {flow}: out of order")
        if len({one.worker for one in mine}) > 1:
            out.append(f"flow {flow}: several workers")
    return out
