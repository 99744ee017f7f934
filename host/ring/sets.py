"""Rings that one channel has when several workers deliver into it: ``NAME.0``, ``NAME.1``, … for the channel ``NAME``.

One idea: a ring has one writer, so each worker has its own, and who wants the channel takes all of them. The ring of
worker 0 is made last, so that where it is there all are there. Their numbers add up to the channel's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sevenm.host.latency import Summary

from .control import Ring, RingStats, SubscriberStats
from .listing import Entry

MEMBER = re.compile(r"(.+)\.(0|[1-9]\d?)")
RINGS_MAX = 64
"""Of a set; as many are waited for at a time (``csrc/ring_wait_any.h``)."""


def member(name: str, worker: int) -> str:
    """The ring's name."""
    return f"{name}.{worker}"


def members(name: str) -> list[str]:
    """Those there are, in order of worker, whatever lies between them; none where there is no such set."""
    return sorted((one for one in Ring.names() if _of(one) == name), key=lambda one: int(one.rpartition(".")[2]))


def rings_of(name: str) -> list[str]:
    """What a person means by the name: the ring itself, if it is there or there is no set, else the set's rings."""
    some = members(name)
    return some if some[:1] == [member(name, 0)] and name not in Ring.names() else [name]


def folded(entries: Sequence[Entry]) -> list[Entry]:
    """Complete sets of at least two rings of one shape as one entry each, under the name of the channel."""
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(_of(entry.name) or entry.name, []).append(entry)
    out: list[Entry] = []
    for name, some in by_name.items():
        some.sort(key=lambda entry: (len(entry.name), entry.name))
        stats = [entry.stats for entry in some if entry.stats is not None]
        whole = [entry.name for entry in some] == [member(name, worker) for worker in range(len(some))]
        shapes = {(one.slots, one.slot_size, one.layout_hash, one.header) for one in stats}
        if len(stats) == len(some) > 1 and whole and len(shapes) == 1:
            out.append(Entry(name, "ring", together(name, stats), ""))
        else:
            out += some
    return out


def together(name: str, rings: Sequence[RingStats]) -> RingStats:
    """The sums over the rings of a set. Its producer is silent as soon as one of them is, and it is closed when all
    are. Percentiles of latencies are the largest of any ring, which those of all together do not exceed."""
    first, subscribers = rings[0], dict[str, list[SubscriberStats]]()
    for ring in rings:
        for one in ring.subscribers:
            subscribers.setdefault(one.name, []).append(one)
    beats = [ring for ring in rings if ring.beat_age is not None]
    oldest = max(beats, key=lambda ring: ring.beat_age or 0.0, default=first)
    return replace(
        first,
        name=name,
        slots=sum(ring.slots for ring in rings),
        producer_pid=next((ring.producer_pid for ring in rings if ring.producer_pid is not None), None),
        reader_pid=next((ring.reader_pid for ring in rings if ring.reader_pid is not None), None),
        closed=all(ring.closed for ring in rings),
        created_ns=min(ring.created_ns for ring in rings),
        delivered=sum(ring.delivered for ring in rings),
        consumed=sum(ring.consumed for ring in rings),
        lost=sum(ring.lost for ring in rings),
        undelivered=_sum([ring.undelivered for ring in rings]),
        subscribers=tuple(_subscriber(some) for some in subscribers.values()),
        beat_ns=oldest.beat_ns,
        beat_age=oldest.beat_age,
        latency=_slowest([ring.latency for ring in rings]),
        rings=len(rings),
    )


def _of(name: str) -> str | None:
    """The name of the set that a ring of this name belongs to."""
    found = MEMBER.fullmatch(name)
    return None if found is None or int(found[2]) >= RINGS_MAX else found[1]


def _subscriber(some: Sequence[SubscriberStats]) -> SubscriberStats:
    policies = {one.policy for one in some}
    return replace(
        some[0],
        policy=policies.pop() if len(policies) == 1 else "several",
        pid=next((one.pid for one in some if one.pid is not None), None),
        delivered=sum(one.delivered for one in some),
        in_ring=sum(one.in_ring for one in some),
        lost=sum(one.lost for one in some),
        undelivered=_sum([one.undelivered for one in some]),
        corrupt=any(one.corrupt for one in some),
        start=sum(one.start for one in some),
        latency=_slowest([one.latency for one in some]),
    )


def _sum(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for one in counts:
        total.update(one)
    return dict(total)


def _slowest(latencies: Sequence[Summary | None]) -> Summary | None:
    some = [one for one in latencies if one is not None]
    if not some:
        return None
    most = {name: max(getattr(one, name) for one in some) for name in ("p50", "p90", "p99", "p999", "max")}
    sums = {name: sum(getattr(one, name) for one in some) for name in ("count", "over", "early", "unknown")}
    return Summary(**most, **sums)
