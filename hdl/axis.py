"""AXI4-Stream of packets, as the core takes and gives it (ARM IHI 0051A, without TSTRB and TID).

One idea: the signature is stated once, with typed sidebands, and everything in the core connects through it.
"""

from __future__ import annotations

from typing import Any

from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

BEAT_BYTES = 64
"""Bytes in one beat: 512 bits."""


def packet_beat() -> StructLayout:
    """What travels with one beat, as one vector: 689 bits with the sidebands.

    data  512 bits   byte 0 of the frame is bits [7:0] of the first beat
    keep  64 bits    bit i: byte i is there; all ones except on the last beat, and contiguous from bit 0
    last  1 bit      the packet ends here
    size  16 bits    bytes of the frame on the wire, saturated at 65535
    src   16 bits    source ports, one-hot as the shell has them
    dst   16 bits    destination ports
    ts    64 bits    arrival, nanoseconds
    """
    return StructLayout({"data": 512, "keep": 64, "last": 1, "size": 16, "src": 16, "dst": 16, "ts": 64})


class PacketStream(wiring.Signature):
    """512-bit AXI4-Stream with the sidebands ``size``, ``src``, ``dst`` and ``ts`` as TUSER parts.

    Members (directions as the source of the stream has them)
    -------
    tdata : Out(512)
    tkeep : Out(64)
    tvalid : Out(1)
    tready : In(1)
    tlast : Out(1)
    tuser_size, tuser_src, tuser_dst : Out(16)
    tuser_ts : Out(64)
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "tdata": Out(512),
                "tkeep": Out(64),
                "tvalid": Out(1),
                "tready": In(1),
                "tlast": Out(1),
                "tuser_size": Out(16),
                "tuser_src": Out(16),
                "tuser_dst": Out(16),
                "tuser_ts": Out(64),
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PacketStream)

    def __repr__(self) -> str:
        return "PacketStream()"

    def __hash__(self) -> int:
        return hash(PacketStream)


SIDEBANDS: tuple[tuple[str, Any], ...] = (("size", 16), ("src", 16), ("dst", 16), ("ts", 64))
"""Names and widths of the sidebands."""
