"""What is known of a ring from outside: its errors, its counters, its removal.

One idea: each result of the C runtime has one exception, made in one place, with the text that C wrote.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sevenm.boundary import Cause
from sevenm.host.latency import Histogram, Summary
from sevenm.host.native import native

POLICIES = ("drop_newest", "block", "drop_oldest")
"""What a producer does when a subscriber's lane is full: count the newest as undelivered, wait for the reader, or write
over the oldest, which the reader counts as lost."""
CAUSES = tuple(cause.name.lower() for cause in Cause if cause is not Cause.NO_RING)
"""Why records were not delivered; positions of the counters in the ring's header."""
FOLDER = Path("/dev/shm")
PREFIX = "sevenm."


class RingError(Exception):
    """A ring cannot be used; the message says which, why, and what to do."""


class RingAbsent(RingError):
    """There is no ring of that name, or its producer has not finished making it."""


class RingNotReady(RingAbsent):
    """Its producer is just making it, or died while it did: try again."""


class RingTaken(RingError):
    """A living process already is this side of the ring."""


class RingMismatch(RingError):
    """The ring has another geometry, layout or policy than asked for."""


class RingCorrupt(RingError):
    """What the shared memory says cannot be."""


class RingForeign(RingError):
    """What has the ring's name is no file that only this user can use."""


class ProducerGone(RingError):
    """The producer died without closing the ring, and everything it committed has been read."""


@dataclass(frozen=True, slots=True)
class SubscriberStats:
    """Counters of a subscriber since it came, over all its readers: delivered = read + lost + in ring.

    ``name``: "" is the default subscriber. ``pid``: of its living reader. ``lost``: written over before they were read.
    ``corrupt``: its indices cannot be, and are shown as 0. ``start``: records that its lane had got when it came."""

    name: str
    policy: str
    pid: int | None
    delivered: int
    in_ring: int
    lost: int
    undelivered: dict[str, int]
    corrupt: bool = False
    start: int = 0
    latency: Summary | None = None
    """From arrival until read, where the present or last reader measures it."""

    @property
    def sent(self) -> int:
        return self.delivered + sum(self.undelivered.values())

    @property
    def read(self) -> int:
        return self.delivered - self.in_ring - self.lost


@dataclass(frozen=True, slots=True)
class RingStats:
    """Counters of a ring since it was made, over all its producers and readers. ``sent`` counts what was offered.

    The totals are sums over all lanes, of subscribers that have left as well: a record that is offered to three of
    them was sent three times. ``policy``, ``reader_pid`` and ``reader_epoch`` are those of the default subscriber,
    which comes first of ``subscribers``."""

    name: str
    slots: int
    slot_size: int
    policy: str
    layout_hash: int
    digest: str
    epoch: int
    reader_epoch: int
    producer_pid: int | None
    reader_pid: int | None
    closed: bool
    created_ns: int
    delivered: int
    consumed: int
    lost: int
    undelivered: dict[str, int]
    subscribers: tuple[SubscriberStats, ...]
    header: bool = True
    """Whether slots begin with a record header."""
    beat_ns: int = 0
    """When the producer last said that it goes on, by CLOCK_MONOTONIC; 0: never."""
    beat_age: float | None = None
    """Seconds since then when this was read, or None. In another time namespace the clock is another one, and so the
    age; whether ``beat_ns`` changes is true everywhere. What lies ahead is 0 seconds ago."""
    latency: Summary | None = None
    """From arrival until in the ring, where the present or last producer measures it."""
    rings: int = 1
    """How many these are the sums of (``sevenm.host.ring.sets``)."""

    @property
    def sent(self) -> int:
        return self.delivered + sum(self.undelivered.values())

    @property
    def in_ring(self) -> int:
        return self.delivered - self.consumed


def check(code: int, error: Any) -> None:
    """Raises what the C runtime's result means."""
    ffi, lib = native()
    if code == lib.SM_RING_OK:
        return
    text = ffi.string(error).decode()
    if code == lib.SM_RING_BAD:
        raise ValueError(text)
    if code == lib.SM_RING_OS:
        raise OSError(ffi.errno, text)
    raise {
        lib.SM_RING_ABSENT: RingAbsent,
        lib.SM_RING_NOT_READY: RingNotReady,
        lib.SM_RING_TAKEN: RingTaken,
        lib.SM_RING_MISMATCH: RingMismatch,
        lib.SM_RING_CORRUPT: RingCorrupt,
        lib.SM_RING_FOREIGN: RingForeign,
    }.get(code, RingError)(text)


def encoded(name: str) -> bytes:
    """The name for C, where what no ring's name can have stays visible as such."""
    return name.replace("\0", "?").encode("ascii", "replace")


def open_ring(function: str, name: str, *arguments: object) -> Any:
    """The handle that ``sm_ring_create``, ``…attach`` or ``…observe`` gives. Raises what the result means."""
    return _opened(function, encoded(name), *arguments)


def open_descriptor(function: str, descriptor: int, *arguments: object) -> Any:
    """The same of a ring without a name. Raises ValueError for what can be no descriptor."""
    if not 0 <= descriptor < 1 << 31:
        raise ValueError(f"descriptor must be an open one, not {descriptor}")
    return _opened(function, descriptor, *arguments)


def _opened(function: str, *arguments: object) -> Any:
    ffi, lib = native()
    out, error = ffi.new("sm_ring **"), ffi.new("char[]", lib.SM_RING_ERROR)
    check(getattr(lib, function)(*arguments, out, error), error)
    return ffi.gc(out[0], lib.sm_ring_free)


def read_stats(ring: Any, name: str) -> RingStats:
    """Raises RingCorrupt if the default lane's indices cannot be."""
    ffi, lib = native()
    raw = ffi.new("sm_ring_stats *")
    if lib.sm_ring_read_stats(ring, raw) != lib.SM_RING_OK:
        default = raw.lanes[0]
        raise RingCorrupt(
            f"ring {name} is corrupt: written {default.delivered} and consumed {default.consumed} do not fit its "
            f"{raw.slots} slots; remove it: sevenm ring rm {name}"
        )
    default = raw.lanes[0]
    lanes = [raw.lanes[i] for i in range(lib.SM_RING_LANES)]
    sound = [lane for i, lane in enumerate(lanes) if not raw.corrupt >> i & 1]
    return RingStats(
        name=name,
        slots=raw.slots,
        slot_size=raw.slot_size,
        policy=_policy(default.policy),
        layout_hash=raw.layout_hash,
        digest=ffi.string(raw.digest).decode("ascii"),
        epoch=raw.epoch,
        reader_epoch=default.epoch,
        producer_pid=raw.producer_pid if raw.producer_alive else None,
        reader_pid=default.pid if default.alive else None,
        closed=raw.state == lib.SM_RING_STATE_CLOSED,
        created_ns=raw.created_ns,
        delivered=sum(lane.delivered for lane in sound),
        consumed=sum(lane.consumed for lane in sound),
        lost=sum(lane.lost for lane in sound),
        undelivered={cause: sum(lane.undelivered[i] for lane in sound) for i, cause in enumerate(CAUSES)},
        subscribers=tuple(
            _subscriber(lane, bool(raw.corrupt >> i & 1), _latency(ring, raw.measured, 1 + i))
            for i, lane in enumerate(lanes)
            if lane.open
        ),
        header=raw.record_header != 0,
        beat_ns=raw.beat_ns,
        beat_age=max(time.monotonic_ns() - raw.beat_ns, 0) / 1e9 if raw.beat_ns else None,
        latency=_latency(ring, raw.measured, 0),
    )


def _policy(number: int) -> str:
    return POLICIES[number] if number < len(POLICIES) else f"unknown ({number})"


def _latency(ring: Any, measured: int, which: int) -> Summary | None:
    """None: nobody measures it, or what is there cannot be."""
    _, lib = native()
    if not measured >> which & 1:
        return None
    histogram = Histogram()
    if not lib.sm_ring_read_latency(ring, which, histogram.pointer) or not histogram.sound:
        return None
    return histogram.summary()


def _subscriber(lane: Any, corrupt: bool, latency: Summary | None) -> SubscriberStats:
    """What a lane counted since its subscriber came. Another process may have written nonsense there."""
    ffi, _ = native()
    known = not corrupt and lane.start <= lane.delivered and lane.start_lost <= lane.lost
    return SubscriberStats(
        name=ffi.string(lane.name).decode("ascii"),
        policy=_policy(lane.policy),
        pid=lane.pid if lane.alive else None,
        delivered=lane.delivered - lane.start if known else 0,
        in_ring=lane.delivered - lane.consumed if known else 0,
        lost=lane.lost - lane.start_lost if known else 0,
        undelivered={
            cause: max(lane.undelivered[i] - lane.start_undelivered[i], 0) if known else 0
            for i, cause in enumerate(CAUSES)
        },
        corrupt=not known,
        start=lane.start,
        latency=latency,
    )


class Ring:
    """What can be done with a ring from outside, by name."""

    @staticmethod
    def names() -> list[str]:
        """Names of this machine's rings, of all users."""
        return sorted(path.name.removeprefix(PREFIX) for path in FOLDER.glob(f"{PREFIX}*"))

    @staticmethod
    def check_name(name: str) -> None:
        """Raises ValueError if no ring can have this name."""
        ffi, lib = native()
        error = ffi.new("char[]", lib.SM_RING_ERROR)
        check(lib.sm_ring_check_name(encoded(name), error), error)

    @staticmethod
    def stats(name: str) -> RingStats:
        """Looks at a ring without taking part in it.

        Raises RingAbsent, RingNotReady, RingCorrupt, RingForeign, ValueError for a bad name, OSError.
        """
        return read_stats(open_ring("sm_ring_observe", name), name)

    @staticmethod
    def stats_of(descriptor: int) -> RingStats:
        """The same of an anonymous ring. Raises RingForeign, RingCorrupt, OSError, ValueError."""
        return read_stats(open_descriptor("sm_ring_observe_descriptor", descriptor), f"descriptor {descriptor}")

    @staticmethod
    def unlink(name: str, force: bool = False) -> None:
        """Removes the name; who has the ring open keeps it. Unread records are lost. Broken rings go like sound ones.

        Raises RingAbsent; RingTaken if a living process holds a side, unless ``force``; RingForeign if it belongs to
        another user, unless ``force``, or is no regular file; OSError if the system forbids it.
        """
        ffi, lib = native()
        error = ffi.new("char[]", lib.SM_RING_ERROR)
        check(lib.sm_ring_unlink(encoded(name), force, error), error)
