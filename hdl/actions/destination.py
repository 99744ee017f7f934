"""Where a packet goes: what ``forward`` said, as the shell behind the stage wants it in ``dst``.

``ports``    each port is a bit of ``dst``, by default the bit of its number: so the OpenNIC shell has physical
             functions at 0 to 3 and MACs from 6 on
``queues``   ``dst`` is the number that the lowest port has, by default its own: a queue, or what a TDEST is made of

A packet that no rule forwards keeps the ``dst`` that it came with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Const, Mux

from sevenm.boundary import PORTS

from .record import lowest

DST_BITS = 16
PLAIN_MAP = tuple(range(PORTS))


@dataclass(frozen=True, slots=True)
class Destinations:
    """``kind`` is "ports" or "queues"; ``numbers`` has the bit or the queue of each port. Raises ValueError."""

    kind: str = "ports"
    numbers: Sequence[int] = PLAIN_MAP

    def __post_init__(self) -> None:
        if self.kind not in ("ports", "queues"):
            raise ValueError(f"destinations are ports or queues, not {self.kind}")
        most = DST_BITS if self.kind == "ports" else 1 << DST_BITS
        if len(self.numbers) != PORTS or not all(0 <= number < most for number in self.numbers):
            raise ValueError(f"each of the {PORTS} ports needs a number from 0 to {most - 1} for {self.kind}")

    def of(self, forward: int, dst: int) -> int:
        """``dst`` of a packet that came with ``dst``, as a model."""
        ports = [port for port in range(PORTS) if forward >> port & 1]
        if not ports:
            return dst
        if self.kind == "queues":
            return self.numbers[ports[0]]
        out = 0
        for port in ports:
            out |= 1 << self.numbers[port]
        return out

    def value(self, forward: Any, dst: Any) -> Any:
        """The same in gateware."""
        if self.kind == "queues":
            _, port = lowest(forward)
            there = Array(Const(number, DST_BITS) for number in self.numbers)[port]
        else:
            there = Const(0, DST_BITS)
            for port, bit in enumerate(self.numbers):
                there = there | Mux(forward[port], Const(1 << bit, DST_BITS), 0)
        return Mux(forward.any(), there, dst)
