"""What the stage behind a core gives out, in plain Python.

One idea: packets are bytes and the record is NumPy's dtype of the house's definition, so this shares with the gateware
what a record is and nothing of how it is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sevenm.boundary import PORTS, RECORD_HEADER, SIZE_MAX, Engine, Flag, dtype
from sevenm.hdl.verdict import BlockShape

from .destination import Destinations
from .record import NO_RULE


class Frame(NamedTuple):
    """A packet with its sidebands."""

    data: bytes
    size: int
    src: int
    dst: int
    ts: int


class ActionModel:
    """Acts on packets in order; ``counts`` has the packets that each rule fired on, ``seq`` the records so far."""

    def __init__(self, blocks: Sequence[BlockShape], destinations: Destinations, in_band: bool) -> None:
        self.blocks = tuple(blocks)
        self.destinations = destinations
        self.in_band = in_band
        self.counts = [0] * sum(block.rules for block in blocks)
        self.seq = 0

    def act(self, frame: Frame, verdict: Any) -> Frame | None:
        """What becomes of a packet, None if it is dropped; ``verdict`` has the parts of ``verdict_layout``."""
        fired = self._fired(verdict.blocks)
        for rule in fired:
            self.counts[rule] += 1
        if verdict.drop:
            return None
        out = frame._replace(dst=self.destinations.of(verdict.forward, frame.dst))
        if not self.in_band:
            return out
        record = np.zeros(1, dtype("sm_record"))
        record["ts_ns"], record["seq"] = frame.ts, self.seq
        record["rule"] = fired[0] if fired else NO_RULE
        record["cap_len"] = record["wire_len"] = frame.size
        record["engine"] = Engine.NIC
        flags = {Flag.MALFORMED: verdict.malformed, Flag.TRUNCATED: verdict.truncated, Flag.PUNT: verdict.punt}
        record["flags"] = sum(flag for flag, said in flags.items() if said)
        record["source"] = next((port for port in range(PORTS) if frame.src >> port & 1), 0)
        self.seq += 1
        return out._replace(data=record.tobytes() + frame.data, size=min(frame.size + RECORD_HEADER, SIZE_MAX))

    def _fired(self, bits: int) -> list[int]:
        """Numbers in the Plan of the rules that fired, ascending."""
        out, start = [], 0
        for block in self.blocks:
            out += [start + number for number in block.decode(bits & (1 << block.width) - 1)]
            bits >>= block.width
            start += block.rules
        return out
