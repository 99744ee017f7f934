"""A capture as if it arrived now: its events with the distances that they were captured with, or faster, or slower.

One idea: C hands out what is due of a piece of the capture and sleeps until there is more; Python gives it the next
piece where it would wait anyway. The events keep the times of the capture, so that rules which look at time (`prev`,
`ttl`) see what they would have seen then, at any speed.
"""

from __future__ import annotations

import errno
import math
import stat
from collections.abc import Iterator
from pathlib import Path

from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import CaptureReader, open_capture
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.live import WAIT_S, LiveIngress
from sevenm.host.native import NativeMissing, native

SPEED_MIN, SPEED_MAX = 1e-6, 1e6
FASTEST = "max"
BEHIND_MS = 5
"""A delay of fewer milliseconds is not worth a word."""


class ReplayIngress(LiveIngress):
    """The events of a capture in a file; ``speed``: how much faster than they were captured, None: without waiting.

    No wait is longer than a minute. It ends with the capture; what had not come by then stays there, and is not
    ``left``. Raises CaptureError."""

    def __init__(self, path: str, speed: float | None = 1.0) -> None:
        if speed is not None and not SPEED_MIN <= speed <= SPEED_MAX:
            raise ValueError(f"speed must be from {SPEED_MIN:g} to {SPEED_MAX:g}, not {speed:g}")
        self._reader = _open_file(path)
        try:
            super().__init__("sm_replay_ingress", f"replay:{path}", self._reader.link_type)
        except BaseException:
            self._reader.close()
            raise
        self.lib.sm_replay_ingress_open(self.struct, speed or 0.0)
        self._pieces: Iterator[LoopIngress] = self._reader.pieces()
        self._damage: CaptureError | None = None

    def counters(self) -> dict[str, int]:
        """``dropped``: 0, nobody drops. ``shortened``: waits of more than a minute. ``backwards``: events that were
        older than one before. ``behind_ms``: milliseconds by which it is later than the pace."""
        of = self.struct
        return {
            "received": self.position,
            "dropped": 0,
            "shortened": int(of.shortened),
            "backwards": int(of.backwards),
            "behind_ms": int(of.behind_ns) // 1_000_000,
        }

    def wait(self, seconds: float = WAIT_S) -> bool:
        of = self.struct
        if not (of.holds or of.live.ended or of.live.fault or of.piece):
            self._feed()
            return True
        return super().wait(seconds)

    def finish(self) -> None:
        self.leave_unread()

    def close(self) -> None:
        super().close()
        self._reader.close()

    def fault(self) -> str:
        return str(self._damage) if self._damage is not None else super().fault()

    def warnings(self) -> list[str]:
        counts = self.counters()
        said = list(self._reader.warnings())
        if counts["shortened"]:
            longest = self.lib.SM_REPLAY_LONGEST_NS // 10**9
            said.append(f"{counts['shortened']} waits of more than {longest} s were shortened to that")
        if counts["backwards"]:
            said.append(f"{counts['backwards']} events were older than one before them, and came with it")
        if counts["behind_ms"] >= BEHIND_MS:
            said.append(f"it came {counts['behind_ms'] / 1000:.3g} s behind the pace, with the events' own distances")
        return said

    def _feed(self) -> None:
        """The next piece; at the end of the capture, or where it is damaged, the end."""
        try:
            piece = next(self._pieces, None)
        except CaptureError as error:
            self._damage = error
            self.live.fault = errno.EBADMSG
            return
        if piece is None:
            self.live.ended = 1
        else:
            self.lib.sm_replay_ingress_feed(self.struct, piece.pointer)


def _open_file(path: str) -> CaptureReader:
    """What never ends, or makes one wait, could not be stopped while it is read."""
    try:
        regular = stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError):
        regular = path != "-"
    if not regular:
        raise CaptureError(f"replay:{path}: is not a file; a pipe or standard input is read with -r")
    return open_capture(path, use_native=True)


def parse(text: str) -> tuple[str, float | None]:
    """``FILE`` or ``FILE@SPEED``; a speed of None is `max`. Raises CaptureError."""
    path, at, word = text.rpartition("@")
    if not at or Path(text).exists():
        return text, 1.0
    if word == FASTEST:
        return path, None
    try:
        speed = float(word.removeprefix("x"))
    except ValueError:
        speed = math.nan
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise CaptureError(
            f"replay:{text}: there is no such file, and {word!r} is no speed: a number from {SPEED_MIN:g} to "
            f"{SPEED_MAX:g}, or {FASTEST}"
        )
    return path, speed


def _open(text: str, wanted: Wanted) -> ReplayIngress:
    return ReplayIngress(*parse(text))


def _missing() -> str | None:
    try:
        native()
    except NativeMissing as error:
        return str(error)
    return None


REPLAY = IngressKind(
    "a capture with the timing it was captured with, or faster: FILE[@SPEED]", _open, _missing, live=True
)
