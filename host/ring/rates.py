"""How fast rings are filled, read and overrun, seen from outside.

One idea: two looks at the counters of a subscriber, and what lies between them. A look opens the header read-only and
takes part in nothing, so neither side of the ring notices it, however often it is done. Counters only grow; a
subscriber that came anew, or a ring that was made again under its name, begins at nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from .control import RingStats, SubscriberStats
from .listing import Entry, entries

SILENT = 1.0
"""Seconds after which a producer that lives and has not said so is called silent; it says it every 100 ms."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one subscriber of a ring, per second over the last ``seconds``; all 0 at the first look, which has ``seconds``
    0. ``missed``: records that it did not get, by cause: why they were undelivered, or *lost*, written over before they
    were read; those that are 0 left out. ``fill``: part of the slots that hold unread records. ``silence``: seconds
    since the producer last said that it goes on."""

    ring: RingStats
    subscriber: SubscriberStats
    seconds: float
    written: float
    read: float
    missed: dict[str, float]
    silence: float = 0.0

    @property
    def name(self) -> tuple[str, str]:
        """Of the ring, and of the subscriber, "" for the default one."""
        return self.ring.name, self.subscriber.name

    @property
    def fill(self) -> float:
        return self.subscriber.in_ring / self.ring.slots

    @property
    def state(self) -> str:
        """Of the ring: *open*; *silent*: its producer lives and hangs, or was stopped; *closed* by its producer;
        *dead*: its producer ended without closing it."""
        if self.ring.producer_pid is not None:
            return "silent" if self.silence > SILENT else "open"
        return "closed" if self.ring.closed else "dead"

    @property
    def loss(self) -> float:
        """Missed records per second, of all causes."""
        return sum(self.missed.values())


@dataclass(frozen=True, slots=True)
class Look:
    """``rates`` in order of ring and subscriber; ``others``: files that have the name of a ring and are none."""

    rates: tuple[Rates, ...]
    others: tuple[Entry, ...]


class Watch:
    """Looks at the rings whose name begins with ``prefix``."""

    def __init__(
        self,
        prefix: str = "",
        find: Callable[[str], list[Entry]] = entries,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix, self._find, self._clock = prefix, find, clock
        self._last: dict[tuple[str, str], tuple[float, Rates]] = {}
        self._beats: dict[str, tuple[float, float, int]] = {}
        """By ring: when its beat was first seen, when it was last looked at, the beat."""

    def look(self) -> Look:
        """All there are now, with what happened since the last look. Raises OSError if their folder cannot be read."""
        found = self._find(self._prefix)
        now = self._clock()
        rings = [entry.stats for entry in found if entry.stats is not None]
        silences = {ring.name: self._silence(now, ring) for ring in rings}
        self._beats = {name: beat for name, beat in self._beats.items() if name in silences}
        rates = tuple(
            replace(self._rates(now, ring, subscriber), silence=silences[ring.name])
            for ring in rings
            for subscriber in ring.subscribers
        )
        self._last = {one.name: (now, one) for one in rates}
        return Look(rates, tuple(entry for entry in found if entry.stats is None))

    def _silence(self, now: float, ring: RingStats) -> float:
        """The beat's age by the clock, as far as two looks do not know better: the producer may have another clock."""
        if ring.beat_age is None:
            return 0.0
        first, last, beat = self._beats.get(ring.name, (now, now, ring.beat_ns))
        changed = beat != ring.beat_ns
        seen = now if changed else first
        silence = min(ring.beat_age, now - last) if changed else max(ring.beat_age, now - first)
        self._beats[ring.name] = (seen, now, ring.beat_ns)
        return silence

    def _rates(self, now: float, ring: RingStats, subscriber: SubscriberStats) -> Rates:
        fresh = Rates(ring, subscriber, 0.0, 0.0, 0.0, {})
        before, last = self._last.get(fresh.name, (now, fresh))
        seconds, was = now - before, last.subscriber
        if last.ring.created_ns != ring.created_ns or was.delivered > subscriber.delivered or seconds <= 0:
            return fresh
        grown = {cause: n - was.undelivered[cause] for cause, n in subscriber.undelivered.items()}
        grown["lost"] = subscriber.lost - was.lost
        return Rates(
            ring,
            subscriber,
            seconds,
            (subscriber.delivered - was.delivered) / seconds,
            max(subscriber.read - was.read, 0) / seconds,
            {cause: n / seconds for cause, n in grown.items() if n > 0},
        )
