"""A command that runs until somebody ends it ends by itself: SIGINT and SIGTERM set a flag that it looks at.

One idea: what was begun is finished, so that files have their end and counts add up. A second signal ends it at once.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """``asked``: the signal that came, None if none did."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None

    def __call__(self) -> bool:
        return self.asked is not None

    @property
    def code(self) -> int:
        """What a shell shows of a program that the signal ended: 130 for SIGINT, 143 for SIGTERM; 0 without one."""
        return 0 if self.asked is None else 128 + self.asked


@contextmanager
def until_stopped(at_once: bool = False) -> Iterator[Stop]:
    """Within the block the signals are noted; the second one, or ``at_once`` the first, raises KeyboardInterrupt."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        again, stop.asked = stop(), signal.Signals(number)
        if again or at_once:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
