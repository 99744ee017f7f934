"""What the producers of bench/ring.py do, the same job for ours and for the peer.

One idea: a step is one batch. ``records``: copy ready-made records. ``matches``: deliver the events that a mask chose.
``in place``: fill time and id in reserved slots, the rest of a slot staying what it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _ring_peer import EVENT, EVENT_SIZE, RECORD, SLOTS, NumpyRing
from numpy.typing import NDArray

from sevenm.host import batch as host_batch
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import Delivery
from sevenm.host.ring import RingWriter
from sevenm.host.ring.record import Engine

MASKS = 16
"""Different masks, by turns: the processor shall not learn one."""
GENERATION = 3


@dataclass(frozen=True)
class Deliver:
    """The one rule's action."""

    deliver: tuple[int, ...] = (0,)
    count: tuple[int, ...] = ()
    forward: int = 0
    drop: bool = False


@dataclass(frozen=True)
class Work:
    """``what``: records, matches or in place. ``batch``: events of a step. ``percent`` of them match, exactly."""

    what: str
    batch: int
    percent: int = 100

    @property
    def matched(self) -> int:
        """Records of a step."""
        return self.batch * self.percent // 100

    def masks(self) -> NDArray[np.bool_]:
        """(MASKS, batch): which events match."""
        random = np.random.default_rng(self.batch + self.percent)
        mask = np.zeros((MASKS, self.batch), np.bool_)
        mask[:, : self.matched] = True
        return random.permuted(mask, axis=1)

    def expected(self, steps: int) -> int:
        """Sum of all ids delivered, modulo 2**64 as NumPy counts."""
        ids = np.arange(self.batch, dtype=np.uint64)
        sums = [int(ids[mask].sum()) for mask in self.masks()]
        whole, rest = divmod(steps, MASKS)
        return (whole * sum(sums) + sum(sums[:rest])) % (1 << 64)

    def records(self) -> NDArray[np.void]:
        made = np.zeros(self.batch, RECORD)
        made["data"]["id"] = np.arange(self.batch)
        return made

    def events(self) -> host_batch.EventBatch:
        """One after the other, 64 bytes each."""
        data = np.zeros(self.batch, EVENT)
        data["id"] = np.arange(self.batch)
        table = np.zeros(self.batch, host_batch.EVENT)
        table["offset"] = np.arange(self.batch) * EVENT_SIZE
        table["ts_ns"] = np.arange(self.batch)
        table["cap_len"] = table["wire_len"] = EVENT_SIZE
        return host_batch.EventBatch(data.view(np.uint8), table)

    def decisions(self) -> list[Decisions]:
        none = np.zeros(self.batch, np.bool_)
        return [Decisions.from_flags(mask[None], none, none, [Deliver()]) for mask in self.masks()]


Step = Callable[[int], None]


def our_step(work: Work, writer: RingWriter) -> Step:
    """The i-th batch into our ring."""
    if work.what == "records":
        records = work.records()

        def write(_: int) -> None:
            writer.write(records)

        return write
    if work.what == "matches":
        events, decisions = work.events(), work.decisions()
        delivery = Delivery(Accounts([Deliver()], 1, 0), [writer.handle])

        def deliver(i: int) -> None:
            delivery.add(events, decisions[i % MASKS], GENERATION, Engine.HOST)

        return deliver
    ids = np.arange(work.batch, dtype=np.uint64)

    def fill(_: int) -> None:
        slots = writer.reserve(work.batch)
        slots["ts_ns"] = ids
        slots["data"]["id"] = ids
        writer.commit(work.batch)

    return fill


def peer_step(work: Work, ring: NumpyRing) -> Step:
    """The i-th batch into the peer."""
    if work.what == "records":
        data = work.records().view(np.uint8)

        def write(_: int) -> None:
            ring.write(data, work.batch)

        return write
    if work.what == "matches":
        batch, decisions = work.events(), work.decisions()
        events = batch.buffer.view(np.uint64).reshape(-1, 8)
        times = np.ascontiguousarray(batch.events["ts_ns"])
        ring.constant(0, GENERATION, EVENT_SIZE, int(Engine.HOST))

        def deliver(i: int) -> None:
            ring.deliver(events, times, decisions[i % MASKS].rows[0])

        return deliver
    ids = np.arange(work.batch, dtype=np.uint64)

    def fill(_: int) -> None:
        ring.fill(ids, ids)

    return fill


def check(work: Work, records: NDArray[np.void]) -> None:
    """That a step's records carry what they must. Raises AssertionError."""
    if work.what != "matches":
        return
    first = records[0]
    found = {name: int(first[name]) for name in ("rule", "generation", "cap_len", "wire_len", "engine", "flags")}
    wanted = {"rule": 0, "generation": GENERATION, "cap_len": EVENT_SIZE, "wire_len": EVENT_SIZE}
    wanted |= {"engine": int(Engine.HOST), "flags": 0}
    if found != wanted or not (records["ts_ns"] == records["data"]["id"]).all():
        raise AssertionError(f"records are {found}, not {wanted}, or their times are not their events'")


assert SLOTS % 8192 == 0, "no batch of ready records wraps"
