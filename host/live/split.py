"""One live source in several parts, each for a worker of its own.

One idea: whoever hands the events out, the kernel or the card, decides which part gets one, by a hash of what
identifies the flow. So a flow's events come by one part, in their order, and no two parts see the same event. That
holds only while the parts are all there: they begin together, and none is closed before all have ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from sevenm.host.capture.format import CaptureError
from sevenm.host.live.live import LiveIngress

WORKERS_MAX = 64
"""Parts of one source at most, and so workers of one run."""


class Split:
    """``parts``: opened, none has begun. ``how``: who shares the events out, by what, for people."""

    size: int | None = None

    def __init__(self, parts: Sequence[LiveIngress], how: str) -> None:
        self.parts, self.how = tuple(parts), how
        first = self.parts[0]
        self.name, self.link_type, self.drops_by = first.name, first.link_type, first.drops_by

    def begin(self, port: int = 0) -> None:
        """All receive from now on, as ingress port ``port``; the second time it does nothing. Raises CaptureError."""
        for part in self.parts:
            part.begin(port)

    @property
    def position(self) -> int:
        """Events so far, of all parts."""
        return sum(part.position for part in self.parts)

    def warnings(self) -> list[str]:
        """How it is shared out, and what a person should know of any part, once each."""
        said = [f"{len(self.parts)} parts, by {self.how}"]
        return list(dict.fromkeys(said + [line for part in self.parts for line in part.warnings()]))

    def close(self) -> None:
        """Lets go of every part. All of them have to have ended: who leaves earlier leaves its flows to the others."""
        with ExitStack() as stack:
            for part in self.parts:
                stack.callback(part.close)


def check_parts(name: str, parts: int, most: int = WORKERS_MAX) -> None:
    """Raises CaptureError for a number of parts that cannot be."""
    if not 1 <= parts <= most:
        raise CaptureError(f"{name}: can be split into 1 to {most} parts, not {parts}")
