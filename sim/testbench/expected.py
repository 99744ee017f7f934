"""What the core has to say of packets, from the reference model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sevenm.compiler.backends.gateware.memories import AUTO
from sevenm.compiler.backends.gateware.target import WINDOW, for_gateware
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import Decisions, evaluate
from sevenm.hdl.verdict import BlockShape

from .packets import Packet, Verdict


def expected_verdicts(
    plan: Plan, packets: Sequence[Packet], window: int = WINDOW, rows: str = AUTO
) -> list[Verdict]:  # fmt: skip
    """One verdict a packet, in order: what the reference says of the Plan with this window."""
    return verdicts(for_gateware(plan, window, rows), packets)


def verdicts(seen: Plan, packets: Sequence[Packet]) -> list[Verdict]:
    """One verdict a packet, in order, of a Plan as gateware has it (``for_gateware``)."""
    shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in seen.blocks]
    out: list[Verdict] = [Verdict()] * len(packets)
    ports = [(p.src & -p.src).bit_length() - 1 if p.src else 0 for p in packets]
    for port in sorted(set(ports)):
        some = [i for i, p in enumerate(ports) if p == port]
        decisions = _evaluate(seen, [packets[i] for i in some], port)
        for column, i in enumerate(some):
            out[i] = _verdict(seen, shapes, decisions, column)
    return out


def _evaluate(plan: Plan, packets: Sequence[Packet], port: int) -> Decisions:
    lengths = np.array([len(p.data) for p in packets], np.uint32)
    offsets = np.zeros(len(packets), np.uint64)
    offsets[1:] = np.cumsum(lengths[:-1], dtype=np.uint64)
    buffer = np.frombuffer(b"".join(p.data for p in packets), np.uint8)
    sizes = np.array([p.size for p in packets], np.uint32)
    times = np.array([p.ts for p in packets], np.uint64)
    return evaluate(plan, buffer, offsets, lengths, sizes, times, port)


def _verdict(plan: Plan, shapes: Sequence[BlockShape], said: Decisions, i: int) -> Verdict:
    blocks, at, punt = 0, 0, bool(said.punt[i])
    for block, shape in zip(plan.blocks, shapes, strict=True):
        bits, too_many = shape.encode(np.flatnonzero(said.fired[block.start : block.stop, i]).tolist())
        blocks |= bits << at
        at += shape.width
        punt |= too_many
    if punt:
        return Verdict(punt=1)
    return Verdict(
        blocks=blocks,
        channels=int(said.channels[i]),
        forward=int(said.forward[i]),
        drop=int(said.drop[i]),
        malformed=int(said.malformed[i]),
        truncated=int(said.truncated[i]),
    )
