"""When a run on live events is over: after so many events, after so long, or because somebody says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sevenm.host.live.live import WAIT_S

ALL = 1 << 62
GRANT = 1 << 16
"""Events that a worker is granted at a time."""
GRANT_S = 0.0005
"""Sleep of one that waits for what others may give back."""


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
        return 0 if self.over else self.limit(events)

    @property
    def over(self) -> bool:
        """Whether somebody said so, or the time is up."""
        return self._stopped() or (self._end is not None and time.monotonic() >= self._end)

    def limit(self, events: int) -> int:
        """The same, whatever the clock says."""
        return max(0, self._events - events)

    def pause(self, events: int) -> float:
        """Seconds that one may sleep before asking again, after so many events."""
        return WAIT_S if self._end is None else max(0.0, min(WAIT_S, self._end - time.monotonic()))


class Together:
    """One end for several workers: each gets an ``Until`` of its own, and together they decide exactly as many events
    as ``until`` allows. A worker is granted some at a time, and gives back what it did not use before it sleeps."""

    def __init__(self, until: Until) -> None:
        self._until = until
        self._lock = threading.Lock()
        self._left = until.limit(0)
        self._granted = 0
        self._stopped = False

    def share(self) -> Share:
        """For another worker."""
        return Share(self)

    def stop(self) -> None:
        """It is over for all of them."""
        self._stopped = True

    @property
    def over(self) -> bool:
        return self._stopped or self._until.over

    def exchange(self, granted: int, used: int, more: int) -> int:
        """Takes back a grant of which so much was used, and grants up to ``more``; -1: there are none now, but others
        may give some back."""
        with self._lock:
            self._granted -= granted
            self._left += granted - used
            new = min(self._left, more)
            self._left -= new
            self._granted += new
            return -1 if more and not new and self._granted else new

    def pause(self) -> float:
        return self._until.pause(0)


class Share(Until):
    """What one worker of several asks; one thread does."""

    def __init__(self, together: Together) -> None:
        super().__init__()
        self._together = together
        self._granted = self._at = 0

    @property
    def over(self) -> bool:
        return self._together.over

    def room(self, events: int) -> int:
        while not self.over:
            new = self._exchange(events, GRANT)
            if new >= 0:
                return new
            time.sleep(GRANT_S)
        self._exchange(events, 0)
        return 0

    def pause(self, events: int) -> float:
        self._exchange(events, 0)
        return self._together.pause()

    def _exchange(self, events: int, more: int) -> int:
        new = self._together.exchange(self._granted, events - self._at if self._granted else 0, more)
        self._granted, self._at = max(new, 0), events
        return new
