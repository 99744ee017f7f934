"""The numbers that every event and every match ends in, whoever adds them up, and the actions that they count.

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


class Actions(Protocol):
    """What a fired rule does: numbers of channels and counters, a mask of ports. ``sevenm.manifest.Rule``,
    ``sevenm.starts.StartRule`` and the compiler's ``Rule`` are such."""

    @property
    def deliver(self) -> Sequence[int]: ...
    @property
    def count(self) -> Sequence[int]: ...
    @property
    def forward(self) -> int: ...
    @property
    def drop(self) -> bool: ...


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
