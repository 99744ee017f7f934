"""When a run on live events is over: after so many events, after so long, or because somebody says so."""

from __future__ import annotations

import time
from collections.abc import Callable

from sevenm.host.live.live import WAIT_S

ALL = 1 << 62


class Until:
    """``events``: how many at most. ``seconds``: how long, from ``begin``. None: no limit. ``stop`` may be called from
    another thread."""

    def __init__(self, events: int | None = None, seconds: float | None = None) -> None:
        self._events = ALL if events is None else events
        self._seconds = seconds
        self._end: float | None = None
        self._stopped: Callable[[], bool] = lambda: False

    def begin(self) -> None:
        """Starts the clock."""
        if self._seconds is not None:
            self._end = time.monotonic() + self._seconds

    def stop(self) -> None:
        self._stopped = lambda: True

    def ask(self, stopped: Callable[[], bool]) -> None:
        """It is over, too, once ``stopped`` says so."""
        self._stopped = stopped

    def room(self, events: int) -> int:
        """How many more there may be after so many; 0: it is over."""
        over = self._stopped() or (self._end is not None and time.monotonic() >= self._end)
        return 0 if over else self.limit(events)

    def limit(self, events: int) -> int:
        """The same, whatever the clock says."""
        return max(0, self._events - events)

    def pause(self) -> float:
        """Seconds that one may sleep before asking again."""
        return WAIT_S if self._end is None else max(0.0, min(WAIT_S, self._end - time.monotonic()))
