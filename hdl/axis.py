"""AXI4-Stream of packets, as the core takes and gives it (ARM IHI 0051A, without TSTRB and TID).

One idea: the signature is stated once, with typed sidebands, and everything in the core connects through it.
"""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out

BEAT_BYTES = 64
"""Bytes in one beat unless another width is asked for: 512 bits."""
BEATS_OF = (8, 16, 32, 64)
"""Bytes that a beat can have (64 to 512 bits): at 156 to 322 MHz for 10 to 100 Gb/s."""
SIDEBANDS: tuple[tuple[str, int], ...] = (("size", 16), ("src", 16), ("dst", 16), ("ts", 64))
"""Names and widths of the sidebands:

size  bytes of the frame on the wire, saturated at 65535
src   source ports, one-hot as the shell has them
dst   destination ports
ts    arrival, nanoseconds
"""


def sideband_layout() -> StructLayout:
    """A packet's sidebands as one vector."""
    return StructLayout(dict(SIDEBANDS))


class PacketStream(wiring.Signature):
    """AXI4-Stream of ``beat_bytes`` with the sidebands ``size``, ``src``, ``dst`` and ``ts`` as TUSER parts.

    Members (directions as the source of the stream has them)
    -------
    tdata : Out(8 * beat_bytes)    byte 0 of the frame is bits [7:0] of the first beat
    tkeep : Out(beat_bytes)        bit i: byte i is there; all ones except on the last beat, contiguous from bit 0
    tvalid : Out(1)
    tready : In(1)
    tlast : Out(1)                 the packet ends here
    tuser_size, tuser_src, tuser_dst : Out(16)
    tuser_ts : Out(64)
    """

    def __init__(self, beat_bytes: int = BEAT_BYTES) -> None:
        if beat_bytes not in BEATS_OF:
            raise ValueError(f"a beat has {', '.join(map(str, BEATS_OF))} bytes, not {beat_bytes}")
        self.beat_bytes = beat_bytes
        super().__init__(
            {
                "tdata": Out(8 * beat_bytes),
                "tkeep": Out(beat_bytes),
                "tvalid": Out(1),
                "tready": In(1),
                "tlast": Out(1),
                **{f"tuser_{name}": Out(width) for name, width in SIDEBANDS},
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PacketStream) and other.beat_bytes == self.beat_bytes

    def __repr__(self) -> str:
        return f"PacketStream({self.beat_bytes})"

    def __hash__(self) -> int:
        return hash((PacketStream, self.beat_bytes))
