"""What is known of a ring from outside: its errors, its counters, its removal.

One idea: each result of the C runtime has one exception, made in one place, with the text that C wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sevenm.host.native import native

POLICIES = ("drop", "block")
"""What a producer does when the ring is full: count the newest as undelivered, or wait for the reader."""
CAUSES = ("full", "reader_gone", "stopped", "corrupt")
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
    """The ring has another geometry or layout than asked for."""


class RingCorrupt(RingError):
    """What the shared memory says cannot be."""


class RingForeign(RingError):
    """What has the ring's name is no file that only this user can use."""


class ProducerGone(RingError):
    """The producer died without closing the ring, and everything it committed has been read."""


@dataclass(frozen=True, slots=True)
class RingStats:
    """Counters of a ring since it was made, over all its producers and readers. ``sent`` counts what was offered."""

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
    undelivered: dict[str, int]

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
    ffi, lib = native()
    out, error = ffi.new("sm_ring **"), ffi.new("char[]", lib.SM_RING_ERROR)
    check(getattr(lib, function)(encoded(name), *arguments, out, error), error)
    return ffi.gc(out[0], lib.sm_ring_free)


def read_stats(ring: Any, name: str) -> RingStats:
    """Raises RingCorrupt if the indices cannot be."""
    ffi, lib = native()
    raw = ffi.new("sm_ring_stats *")
    if lib.sm_ring_read_stats(ring, raw) != lib.SM_RING_OK:
        raise RingCorrupt(
            f"ring {name} is corrupt: written {raw.delivered} and consumed {raw.consumed} do not fit its {raw.slots} "
            f"slots; remove it: sevenm ring rm {name}"
        )
    return RingStats(
        name=name,
        slots=raw.slots,
        slot_size=raw.slot_size,
        policy=POLICIES[raw.policy] if raw.policy < len(POLICIES) else f"unknown ({raw.policy})",
        layout_hash=raw.layout_hash,
        digest=ffi.string(raw.digest).decode("ascii"),
        epoch=raw.epoch,
        reader_epoch=raw.reader_epoch,
        producer_pid=raw.producer_pid if raw.producer_alive else None,
        reader_pid=raw.reader_pid if raw.reader_alive else None,
        closed=raw.state == lib.SM_RING_STATE_CLOSED,
        created_ns=raw.created_ns,
        delivered=raw.delivered,
        consumed=raw.consumed,
        undelivered={cause: raw.undelivered[i] for i, cause in enumerate(CAUSES)},
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
    def unlink(name: str, force: bool = False) -> None:
        """Removes the name; who has the ring open keeps it. Unread records are lost. Broken rings go like sound ones.

        Raises RingAbsent; RingTaken if a living process holds a side, unless ``force``; RingForeign if it belongs to
        another user, unless ``force``, or is no regular file; OSError if the system forbids it.
        """
        ffi, lib = native()
        error = ffi.new("char[]", lib.SM_RING_ERROR)
        check(lib.sm_ring_unlink(encoded(name), force, error), error)
