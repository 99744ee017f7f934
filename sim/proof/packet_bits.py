"""The packet that a proof is about: any bytes, of any length, with any sideband, as inputs of the gates.

One idea: a packet is inputs, and what the decision module is told of it are functions of those. Nothing is assumed of
the inputs, so every counterexample is a packet. Where the packet has no byte i, the module may find anything there, but
the same wherever it looks for byte i. The length counts up to a most, which stands for all lengths from there on;
whether a byte past it is there is an input of its own for each byte, so the proof holds for more than what can
happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.boundary import PORTS

from .arithmetic import Bits, constant, is_value, less
from .gates import Gates

SIZE_BITS, TIME_BITS = 16, 64


@dataclass(frozen=True, slots=True)
class Sample:
    """A packet and its sideband; ``source`` has one bit for each port."""

    data: bytes
    size: int
    time: int = 0
    source: int = 0


class PacketBits:
    """The inputs, as literals. ``samples`` are what the gates' signatures are made of. ``length_bits`` are those of
    the length, whose largest value stands for all longer ones as well."""

    def __init__(self, gates: Gates, samples: Sequence[Sample], length_bits: int) -> None:
        self.gates, self._samples = gates, samples
        self.length_max = (1 << length_bits) - 1
        self.length = self._number(length_bits, [min(len(s.data), self.length_max) for s in samples])
        self.size = self._number(SIZE_BITS, [s.size for s in samples])
        self.time = self._number(TIME_BITS, [s.time for s in samples])
        self.source = self._number(PORTS, [s.source for s in samples])
        self._bytes: dict[int, Bits] = {}
        self._past: dict[int, int] = {}
        self._visible: dict[int, int] = {}

    def _number(self, width: int, values: Sequence[int]) -> Bits:
        return tuple(
            self.gates.input(sum((value >> bit & 1) << i for i, value in enumerate(values))) for bit in range(width)
        )

    def byte(self, at: int) -> Bits:
        """Byte ``at``, lowest bit first; anything where the packet has none."""
        if at not in self._bytes:
            self._bytes[at] = self._number(
                8, [s.data[at] if at < len(s.data) else at * 167 % 251 for s in self._samples]
            )
        return self._bytes[at]

    def visible(self, at: int) -> int:
        """Whether the packet has byte ``at``."""
        if at not in self._visible:
            width = len(self.length)
            if at < self.length_max:
                found = less(self.gates, constant(at, width), self.length, False)
            else:
                (self._past[at],) = self._number(1, [at < len(s.data) for s in self._samples])
                found = self.gates.both(is_value(self.gates, self.length, self.length_max), self._past[at])
            self._visible[at] = found
        return self._visible[at]

    def packet(self, ones: frozenset[int]) -> Sample:
        """The packet of an assignment: ``ones`` are the inputs that are 1."""

        def number(bits: Sequence[int]) -> int:
            return sum(1 << i for i, bit in enumerate(bits) if bit >> 1 in ones)

        length = number(self.length)
        if length == self.length_max:
            length = max([length, *(at + 1 for at, past in self._past.items() if past >> 1 in ones)])
        data = bytearray(length)
        for at, raw in self._bytes.items():
            if at < length:
                data[at] = number(raw)
        return Sample(bytes(data), number(self.size), number(self.time), number(self.source))
