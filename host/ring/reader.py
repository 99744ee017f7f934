"""A subscriber's side of a ring in Python: batches as NumPy views.

One idea: a reader in Python costs one C call per batch. ``read`` gives back the slots of the last batch and returns the
next run of slots as a structured array, in place; on a lane of policy ``drop_oldest`` it is a copy, since the writer
may be at the slots meanwhile. Protocol, ownership and recovery: docs/ring-protocol.md.

    with RingReader.attach("web") as reader:
        for records in reader:                      # until the producer closes
            print(records["rule"], records["data"][:, :14])

One handle belongs to one thread at a time.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.native import native
from sevenm.host.ring.arguments import reader_arguments
from sevenm.host.ring.batches import Batches
from sevenm.host.ring.control import POLICIES, ProducerGone, RingAbsent, open_descriptor, open_ring
from sevenm.host.ring.sides import LOOK_US, Side

COPY_MAX = 4096
"""Most records of one batch on a lane of policy ``drop_oldest``."""


class _Batch:
    """``with reader.batch() as records``: gives the slots back at the end."""

    __slots__ = ("_limit", "_reader")

    def __init__(self, reader: RingReader, limit: int | None) -> None:
        self._reader, self._limit = reader, limit

    def __enter__(self) -> NDArray[np.void]:
        return self._reader.read(self._limit)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.release()


class RingReader(Side, Batches):
    """A subscriber's side. Made by ``attach``. Its views are read-only; copy what is to outlive the batch."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None, subscriber: str = "") -> None:
        super().__init__(name, handle, data_dtype, writeable=False)
        self.subscriber = subscriber
        self.policy: str = POLICIES[handle.lanes[0].policy]
        self.ended = False
        """The producer has closed the ring and everything was read."""
        self._held = 0
        self._next = self._lib.sm_ring_next
        self._copy: NDArray[np.void] | None = None
        """What was read from a lane that is written over; records from ``_at`` on, ``_ready`` of them."""
        self._at = self._ready = 0
        if self.policy == "drop_oldest":
            self._copy = np.zeros(min(self.slots, COPY_MAX), self.dtype)
            self._to = native().ffi.from_buffer(self._copy)
            self._first = native().ffi.new("uint32_t *")

    @classmethod
    def attach(
        cls,
        name: str,
        data_dtype: np.dtype[Any] | None = None,
        layout_hash: int = 0,
        timeout: float = 0.0,
        subscriber: str = "",
        policy: str | None = None,
        deadline: float | None = None,
        header: bool = True,
    ) -> RingReader:
        """Becomes a subscriber of the ring, or goes on where the last reader of this name ended.

        ``subscriber``: 1 to 31 of A-Z a-z 0-9 . _ -; its lane is its own, and begins with the writer's next batch; what
        it closes is free for others. "": the default subscriber, whose records wait in the ring from the beginning.
        ``policy``: one of POLICIES, ``deadline``: seconds that it is waited for at most while it makes no room, 0 as
        long as it lives, both for a named one only; None: as before, or for a new one drop_newest and 5 seconds.
        ``layout_hash``: what the ring must carry, 0 for anything. ``timeout``: seconds to wait for the ring to be made.
        ``header``: whether its slots have record headers.
        Raises RingAbsent, RingTaken, RingMismatch, RingCorrupt, RingForeign, ValueError, OSError (no memory).
        """
        arguments = reader_arguments(subscriber, policy, deadline, header, layout_hash)
        end = time.monotonic() + timeout
        while True:
            try:
                return cls(name, open_ring("sm_ring_attach", name, *arguments), data_dtype, subscriber)
            except RingAbsent:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.005)

    @classmethod
    def attach_descriptor(
        cls,
        descriptor: int,
        data_dtype: np.dtype[Any] | None = None,
        layout_hash: int = 0,
        subscriber: str = "",
        policy: str | None = None,
        deadline: float | None = None,
        header: bool = True,
    ) -> RingReader:
        """Becomes a subscriber of the anonymous ring whose ``descriptor`` this process was handed; it stays yours.

        Raises RingForeign if it is none whose memory is sealed, and what ``attach`` does."""
        arguments = reader_arguments(subscriber, policy, deadline, header, layout_hash)
        return cls(
            f"descriptor {descriptor}",
            open_descriptor("sm_ring_attach_descriptor", descriptor, *arguments),
            data_dtype,
            subscriber,
        )

    def read(self, limit: int | None = None) -> NDArray[np.void]:
        """Gives the last batch back and returns the next: a run of records in place, maybe empty, ``limit`` at most.

        The view is valid until the next ``read`` or ``release``; after that the producer writes over it. On a lane of
        policy drop_oldest it is a copy, 4,096 records at most, of records that were whole.
        Raises RingCorrupt, RingError if closed.
        """
        if limit is None or limit > self.slots:
            limit = self.slots
        elif limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if self._copy is not None:
            return self._take(self._copy, limit)
        packed: int = self._next(self.handle, self._held, limit)
        n = packed & 0xFFFFFFFF
        self._held = n
        if not n and self.handle.lanes[0].fault:
            self.raise_fault()
        at = packed >> 32
        return self._records[at : at + n]

    def _take(self, copy: NDArray[np.void], limit: int) -> NDArray[np.void]:
        self.release()
        if not self._ready:
            self._ready = self._lib.sm_ring_take(self.handle, self._to, min(limit, len(copy)), self._first)
            self._at = self._first[0]
            if not self._ready and self.handle.lanes[0].fault:
                self.raise_fault()
        self._held = min(limit, self._ready)
        records = copy[self._at : self._at + self._held]
        records.flags.writeable = False
        return records

    @property
    def waiting(self) -> bool:
        """Whether records that were taken out of the ring already are still to be read."""
        return self._ready > 0

    def release(self, n: int | None = None) -> None:
        """Gives the first n records of the batch back (all by default); the rest will be read again."""
        if n is None:
            n = self._held
        if not 0 <= n <= self._held:
            raise ValueError(f"n must be 0 to {self._held}, the records of the batch, not {n}")
        self._held = 0
        if self._copy is not None:
            self._at += n
            self._ready -= n
        elif n:
            self._lib.sm_ring_give_back(self.handle, n)

    def batch(self, limit: int | None = None) -> _Batch:
        """``with reader.batch() as records``: as ``read``, given back at the end of the block."""
        return _Batch(self, limit)

    def wait(self, timeout: float | None = None) -> bool:
        """Gives the batch back and waits for the next record, ``timeout`` seconds at most (None: as long as it takes).

        False: none came in time, or none will ever come (``ended``).
        Raises ProducerGone when the producer is dead and everything was read, RingCorrupt, RingError if closed.
        """
        lib = self._lib
        self.release()
        if self._ready:
            return True
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK_US if end is None else int((end - time.monotonic()) * 1e6)
            found = lib.sm_ring_wait(self.handle, min(max(left, 0), LOOK_US))
            self.ended = found == lib.SM_WAIT_CLOSED
            if found == lib.SM_WAIT_READY:
                return True
            if found == lib.SM_WAIT_FAULT:
                self.raise_fault()
            if found == lib.SM_WAIT_GONE:
                raise ProducerGone(
                    f"the producer of ring {self.name} died without closing it; everything it committed was read"
                )
            if self.ended or (end is not None and time.monotonic() >= end):
                return False
