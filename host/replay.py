"""Events at a pace: those of a capture with its own timing, faster or slower, or so many per second.

One idea: a pace gives every event the second at which it is due, and the pacer hands out what is due by now. Who is
held up (a full ring, a busy machine) goes on with the spacing of the events and not with all that is overdue at once:
at most SLACK seconds' worth come together, the rest of the delay is added to what is left, and told.
"""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import SIZE_MAX, Flag
from sevenm.host.batch import EventBatch

SLACK = 0.01
"""Seconds of overdue events that may come at once."""
LOOK = 0.1
"""Longest sleep, in seconds: a signal that only sets a flag is seen after it."""
SHORTEST = 1e-6
"""Shortest sleep, in seconds: less than the clock can tell would be none."""
TOGETHER = 4096
"""Most events that are handed out at once."""
Seconds = NDArray[np.float64]


class Pace(Protocol):
    """When events are due, in seconds after the start; never less than before."""

    def due(self, batch: EventBatch) -> Seconds: ...


class Original:
    """As they were captured, ``speed`` times as fast. An event that is older than the one before comes with it."""

    def __init__(self, speed: float = 1.0) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be more than 0, not {speed:g}")
        self._speed = speed
        self._first: int | None = None
        self._last = 0.0

    def due(self, batch: EventBatch) -> Seconds:
        times = batch.events["ts_ns"]
        if self._first is None:
            self._first = int(times[0])
        # Differences of unsigned numbers, read as signed ones: before the first is negative.
        seconds = (times - np.uint64(self._first)).astype(np.int64) / (1e9 * self._speed)
        out = np.maximum(np.maximum.accumulate(seconds), self._last)
        self._last = float(out[-1])
        return out


class Rate:
    """``events`` per second, evenly."""

    def __init__(self, events: float) -> None:
        if not 0 < events < float("inf"):
            raise ValueError(f"a rate must be more than 0 events per second, not {events:g}")
        self._events = events
        self._done = 0

    def due(self, batch: EventBatch) -> Seconds:
        out: Seconds = np.arange(self._done, self._done + len(batch)) / self._events
        self._done += len(batch)
        return out


@dataclass
class Pacer:
    """Hands events out when they are due; at once where there is no pace. ``behind``: seconds that were added."""

    pace: Pace | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    behind: float = field(default=0.0, init=False)
    _start: float | None = field(default=None, init=False)

    def parts(self, batch: EventBatch) -> Iterator[EventBatch | None]:
        """The events in order, in pieces; None after each sleep, for the caller to look around."""
        due = np.full(len(batch), -np.inf) if self.pace is None or not len(batch) else self.pace.due(batch)
        at = 0
        if self._start is None:
            self._start = self.clock()
        while at < len(batch):
            now = self.clock() - self._start
            if self.pace is not None and now - due[at] > SLACK:
                late = float(now - due[at]) - SLACK
                self.behind += late
                self._start += late
                now -= late
            end = min(int(np.searchsorted(due, now, side="right")), at + TOGETHER)
            if end > at:
                yield batch.slice(at, end)
                at = end
            else:
                self.sleep(min(max(float(due[at]) - now, SHORTEST), LOOK))
                yield None


def as_records(batch: EventBatch, dtype: np.dtype[Any]) -> NDArray[np.void]:
    """The events as (n,) records of a ring, that no rule decided; what is longer than the slot is cut, and says so."""
    assert dtype.fields is not None
    kind, offset = dtype.fields["data"][:2]
    room, table = kind.itemsize, batch.events
    out = np.zeros(len(batch), dtype)
    held = np.minimum(table["cap_len"], room).astype(np.int64)
    place = np.arange(room)
    inside = place < held[:, None]
    data = out.view(np.uint8).reshape(len(batch), dtype.itemsize)[:, offset : offset + room]
    data[inside] = batch.buffer[(table["offset"].astype(np.int64)[:, None] + place)[inside]]
    out["ts_ns"], out["cap_len"], out["source"] = table["ts_ns"], held, batch.source
    out["wire_len"] = np.minimum(table["wire_len"], SIZE_MAX)
    out["flags"] = np.where(table["cap_len"] > room, Flag.CUT, 0)
    return out


class InterfaceError(Exception):
    """The interface cannot be sent on: it is not there, is down, or the user may not."""


_UNSENT = {errno.EMSGSIZE: "too_long", errno.ENOBUFS: "no_buffer"}


class Interface:
    """Sends frames on an interface, as they are. ``unsent``: frames by cause: *cut*, the capture has less than was on
    the wire; *too_long* for the interface; *no_buffer*, the queue of the interface was full.

    Needs CAP_NET_RAW. Raises InterfaceError."""

    def __init__(self, name: str) -> None:
        self.name, self.sent = name, 0
        self.unsent: dict[str, int] = {}
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        except PermissionError as error:
            raise InterfaceError(
                f"frames cannot be sent on {name} by this user: run as root, or with CAP_NET_RAW"
            ) from error
        try:
            self._socket.bind((name, 0))
        except OSError as error:
            self._socket.close()
            raise self._gone(error) from error

    def send(self, batch: EventBatch) -> None:
        """Every frame that is whole; waits while the socket's buffer is full."""
        data = batch.buffer.data
        for offset, _, cap_len, wire_len in batch.events.tolist():
            if cap_len < wire_len:
                self._count("cut")
                continue
            try:
                self._socket.send(data[offset : offset + cap_len])
            except OSError as error:
                if error.errno not in _UNSENT:
                    raise self._gone(error) from error
                self._count(_UNSENT[error.errno])
            else:
                self.sent += 1

    def close(self) -> None:
        self._socket.close()

    def _count(self, cause: str) -> None:
        self.unsent[cause] = self.unsent.get(cause, 0) + 1

    def _gone(self, error: OSError) -> InterfaceError:
        reason = "there is no such interface" if error.errno == errno.ENODEV else (error.strerror or str(error)).lower()
        return InterfaceError(f"interface {self.name}: {reason}")
