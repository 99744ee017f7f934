"""The numbers that every event and every match ends in, whoever adds them up.

One idea: a report is made from these alone, so it needs neither NumPy nor rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sevenm.boundary import Cause

CAUSES = {int(cause): cause.name.lower() for cause in Cause}
"""Why a match was not delivered, by slot; ``sevenm.boundary.Cause`` explains them."""
TOTALS = ("events", "bytes", "malformed", "truncated", "punted", "dropped", "passed")
"""``passed``: neither dropped nor forwarded. ``bytes``: captured ones. ``punted``: decided by the host for a device."""


class Counts(Protocol):
    """``rules``, ``counters``: events by number. ``matched``, ``delivered``: by channel; ``undelivered``: by channel,
    then by slot of ``CAUSES``. ``forwarded``: events by port."""

    @property
    def forwarded(self) -> Iterable[int]: ...
    @property
    def rules(self) -> Iterable[int]: ...
    @property
    def counters(self) -> Iterable[int]: ...
    @property
    def matched(self) -> Iterable[int]: ...
    @property
    def delivered(self) -> Iterable[int]: ...
    @property
    def undelivered(self) -> Iterable[Sequence[int]]: ...
    def total(self, name: str) -> int:
        """One of TOTALS."""
        ...
