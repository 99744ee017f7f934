"""What the core has to say of packets, from the reference model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate

from .packets import Packet, Verdict


def expected_verdicts(plan: Plan, packets: Sequence[Packet]) -> list[Verdict]:
    """One verdict a packet, in order."""
    lengths = np.array([len(p.data) for p in packets], np.uint32)
    offsets = np.zeros(len(packets), np.uint64)
    offsets[1:] = np.cumsum(lengths[:-1], dtype=np.uint64)
    buffer = np.frombuffer(b"".join(p.data for p in packets), np.uint8)
    sizes = np.array([p.size for p in packets], np.uint32)
    decisions = evaluate(plan, buffer, offsets, lengths, sizes)
    out = []
    for i in range(len(packets)):
        fired = sum(1 << int(r) for r in np.flatnonzero(decisions.fired[:, i]))
        out.append(
            Verdict(
                fired=fired,
                channels=int(decisions.channels[i]),
                forward=int(decisions.forward[i]),
                drop=int(decisions.drop[i]),
                malformed=int(decisions.malformed[i]),
                truncated=int(decisions.truncated[i]),
            )
        )
    return out
