"""How fast rings are filled, read and overrun, seen from outside.

One idea: two looks at the counters of a ring, and what lies between them. A look opens the header read-only and takes
part in nothing, so neither side of the ring notices it, however often it is done. Counters only grow; a ring that was
removed and made again under its name begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .control import RingStats
from .listing import Entry, entries


@dataclass(frozen=True, slots=True)
class Rates:
    """Of one ring, per second over the last ``seconds``; all 0 at the first look, which has ``seconds`` 0.

    ``undelivered`` is by cause, those that are 0 left out. ``fill``: part of the slots that hold unread records."""

    stats: RingStats
    seconds: float
    delivered: float
    read: float
    undelivered: dict[str, float]

    @property
    def name(self) -> str:
        return self.stats.name

    @property
    def fill(self) -> float:
        return self.stats.in_ring / self.stats.slots

    @property
    def state(self) -> str:
        """*open*; *closed* by its producer; *dead*: its producer ended without closing it."""
        if self.stats.producer_pid is not None:
            return "open"
        return "closed" if self.stats.closed else "dead"

    @property
    def lost(self) -> float:
        """Undelivered records per second, of all causes."""
        return sum(self.undelivered.values())


@dataclass(frozen=True, slots=True)
class Look:
    """``rings`` by name; ``others``: files that have the name of a ring and are none."""

    rings: tuple[Rates, ...]
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
        self._last: dict[str, tuple[float, RingStats]] = {}

    def look(self) -> Look:
        """All there are now, with what happened since the last look. Raises OSError if their folder cannot be read."""
        found = self._find(self._prefix)
        now = self._clock()
        rings = tuple(self._rates(now, entry.stats) for entry in found if entry.stats is not None)
        self._last = {one.name: (now, one.stats) for one in rings}
        return Look(rings, tuple(entry for entry in found if entry.stats is None))

    def _rates(self, now: float, stats: RingStats) -> Rates:
        before, last = self._last.get(stats.name, (now, stats))
        seconds = now - before
        if last.created_ns != stats.created_ns or last.delivered > stats.delivered or seconds <= 0:
            return Rates(stats, 0.0, 0.0, 0.0, {})
        lost = {cause: (n - last.undelivered[cause]) / seconds for cause, n in stats.undelivered.items()}
        return Rates(
            stats,
            seconds,
            (stats.delivered - last.delivered) / seconds,
            (stats.consumed - last.consumed) / seconds,
            {cause: rate for cause, rate in lost.items() if rate > 0},
        )
