"""AXI4-Lite as a core's control port has it: 32 bits, words written whole (ARM IHI 0022E, without strobes and PROT)."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

OKAY, SLVERR = 0, 2
"""Answers: done; not done, and nothing has changed."""


class AxiLite(wiring.Signature):
    """The channels, directions as the master has them. Addresses are in bytes; their lowest two bits are not read."""

    def __init__(self, address_bits: int) -> None:
        self.address_bits = address_bits
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(32),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(2),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(32),
                "rresp": In(2),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AxiLite) and self.address_bits == other.address_bits

    def __repr__(self) -> str:
        return f"AxiLite({self.address_bits})"

    def __hash__(self) -> int:
        return hash((AxiLite, self.address_bits))
