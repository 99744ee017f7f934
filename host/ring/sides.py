"""Rings of delivered records between processes: ``RingWriter`` hands over, ``RingReader`` gets NumPy views.

One idea: a reader in Python costs one C call per batch. ``read`` gives back the slots of the last batch and returns the
next run of slots as a structured array, in place. Protocol, ownership and recovery: docs/ring-protocol.md.

    with RingWriter.create("web", slots=65536) as writer:
        writer.write(records)                       # records.dtype == writer.dtype

    with RingReader.attach("web") as reader:
        for records in reader:                      # until the producer closes
            print(records["rule"], records["data"][:, :14])

One handle belongs to one thread at a time.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sevenm.host.native import native
from sevenm.host.ring import aio
from sevenm.host.ring.control import (
    POLICIES,
    ProducerGone,
    RingAbsent,
    RingCorrupt,
    RingError,
    RingStats,
    open_ring,
    read_stats,
)
from sevenm.host.ring.record import PACKET_SLOT, record_dtype

SLOTS = 65536
"""Default number of slots."""
LOOK_US = 100_000
"""A C call waits no longer than this before Python gets to run signal handlers, in microseconds."""
WRITE_MAX = 1 << 30
"""Most records handed to C at once."""

_open_sides: weakref.WeakSet[_Side] = weakref.WeakSet()


def _disown_all() -> None:
    """In a forked child: without this the child would hold the parent's locks after the parent's death."""
    for side in list(_open_sides):
        side.disown()


os.register_at_fork(after_in_child=_disown_all)


class _Side:
    """One side's open handle. Views stay readable after ``close``, since they keep the mapping alive."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None, writeable: bool) -> None:
        ffi, self._lib = native()
        self.name = name
        self._abandon = self._lib.sm_ring_abandon
        self.handle = handle
        """The C handle, ``sm_ring *``, for other parts of the C runtime."""
        self.slots: int = handle.slots
        self.dtype = record_dtype(handle.slot_size, data_dtype)
        """dtype of one record."""
        memory = memoryview(ffi.buffer(ffi.gc(handle.base, lambda _: handle), self.slots * self.dtype.itemsize))
        self._records: NDArray[np.void] = np.frombuffer(memory if writeable else memory.toreadonly(), self.dtype)
        _open_sides.add(self)

    def stats(self) -> RingStats:
        """Raises RingCorrupt if the indices cannot be."""
        return read_stats(self.handle, self.name)

    def close(self) -> None:
        """Gives this side of the ring back; harmless when repeated."""
        self._lib.sm_ring_close(self.handle)

    def __del__(self) -> None:
        # Views may keep the mapping alive for long, but a side nobody can use any more must not look alive.
        if hasattr(self, "_abandon"):
            self._abandon(self.handle)

    def disown(self) -> None:
        """Lets go of the ring without touching it: in a forked child, it is the parent's."""
        self._lib.sm_ring_disown(self.handle)

    def _raise_fault(self) -> None:
        fault, lib = self.handle.fault, self._lib
        if fault == lib.SM_RING_CORRUPT:
            raise RingCorrupt(
                f"ring {self.name} is corrupt: the other side's index does not fit its {self.slots} slots; "
                f"close both sides and remove it: sevenm ring rm {self.name}"
            )
        if fault:
            raise RingError(f"ring {self.name} is closed in this process, or was opened before a fork; open it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class RingWriter(_Side):
    """The producer's side. Made by ``create``. Dropped without ``close``, its reader gets ProducerGone."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None) -> None:
        super().__init__(name, handle, data_dtype, writeable=True)
        self._from_buffer = native().ffi.from_buffer
        self._accepted = self.dtype
        """The dtype of the last records: comparing field by field takes as long as handing over a small batch."""
        self._reserved = 0

    @classmethod
    def create(
        cls,
        name: str,
        slots: int = SLOTS,
        slot_size: int = PACKET_SLOT,
        policy: str = "drop",
        data_dtype: np.dtype[Any] | None = None,
        layout_hash: int = 0,
        digest: str | None = None,
    ) -> RingWriter:
        """Makes the ring, or takes over what a dead or closed producer left: then its records and numbers go on.

        ``slots``: power of two, 256 to 2**24. ``slot_size``: bytes, multiple of 32, 64 to 2048. ``data_dtype`` and
        ``layout_hash``: of the schema, for records. ``digest``: of the bundle, 64 hexadecimal digits.
        Raises RingTaken, RingMismatch (left with another geometry), RingCorrupt, RingForeign, ValueError, OSError (no
        memory).
        """
        ffi, _ = native()
        if policy not in POLICIES:
            raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy}")
        if not 0 <= slots < 1 << 64:
            raise ValueError(f"slots must be a power of two, not {slots}")
        if not 0 <= layout_hash < 1 << 64:
            raise ValueError(f"layout_hash must be 64 bits, not {layout_hash:#x}")
        record_dtype(slot_size, data_dtype)  # before anything is made
        text = ffi.NULL if digest is None else digest.encode("ascii", "replace")
        code = POLICIES.index(policy)
        return cls(name, open_ring("sm_ring_create", name, slots, slot_size, code, layout_hash, text), data_dtype)

    def set_digest(self, digest: str) -> None:
        """The rules were changed: names the bundle that produces from now on."""
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"digest must be 64 lower-case hexadecimal digits, not {digest[:80]!r}")
        self._lib.sm_ring_set_digest(self.handle, digest.encode())

    def write(self, records: NDArray[np.void]) -> int:
        """Copies (n,) records of ``dtype`` in, numbers them (``seq``) and returns how many were delivered.

        The others are counted by cause. A ``block`` ring waits for its reader as long as that lives; an exception
        out of a signal handler ends the wait, and what was left is counted as ``stopped``.
        Raises TypeError for another dtype or shape, RingCorrupt, RingError if closed.
        """
        if records.dtype is not self._accepted or records.ndim != 1:
            if records.dtype != self.dtype or records.ndim != 1:
                raise TypeError(f"records must be 1-D of {self.dtype}, not {records.ndim}-D of {records.dtype}")
            self._accepted = records.dtype
        lib, ring = self._lib, self.handle
        data = np.ascontiguousarray(records)
        start, size, n = self._from_buffer(data), self.dtype.itemsize, len(data)
        done, before = 0, ring.mine
        if ring.fault:
            self._raise_fault()
        sent = lib.sm_ring_sent(ring)
        try:
            while done < n:
                done += lib.sm_ring_write(ring, start + done * size, min(n - done, WRITE_MAX), LOOK_US)
        except BaseException:
            # The exception may have come between C's return and the addition: only the ring knows what was done.
            lib.sm_ring_count(ring, lib.SM_CAUSE_STOPPED, n - (lib.sm_ring_sent(ring) - sent))
            raise
        if ring.fault:
            self._raise_fault()
        delivered: int = ring.mine - before
        return delivered

    def reserve(self, n: int) -> NDArray[np.void]:
        """At most n free slots, in place, for the caller to fill all but ``seq`` of; fewer at the ring's end.

        What the policy cannot give is counted as undelivered. Raises RingCorrupt, RingError if closed.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, not {n}")
        at = self.handle.mine & (self.slots - 1)
        lib, wanted = self._lib, min(n, self.slots - at)
        if self.handle.policy == lib.SM_RING_BLOCK:
            # Waiting here, in short pieces, lets signal handlers run; reserve itself then does not wait.
            while lib.sm_ring_wait_room(self.handle, wanted, LOOK_US) in (lib.SM_WAIT_TIME, lib.SM_WAIT_SIGNAL):
                pass
        granted: int = lib.sm_ring_reserve(self.handle, wanted)
        if self.handle.fault:
            self._raise_fault()
        self._reserved = granted
        return self._records[at : at + granted]

    def commit(self, n: int) -> None:
        """Numbers the first n reserved slots and shows them to the reader."""
        if not 0 <= n <= self._reserved:
            raise ValueError(f"n must be 0 to {self._reserved}, the slots reserved, not {n}")
        self._lib.sm_ring_commit_sequenced(self.handle, n)
        self._reserved = 0


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


class RingReader(_Side):
    """The reader's side. Made by ``attach``. Its views are read-only; copy what is to outlive the batch."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None) -> None:
        super().__init__(name, handle, data_dtype, writeable=False)
        self.ended = False
        """The producer has closed the ring and everything was read."""
        self._held = 0
        self._next = self._lib.sm_ring_next

    @classmethod
    def attach(
        cls, name: str, data_dtype: np.dtype[Any] | None = None, layout_hash: int = 0, timeout: float = 0.0
    ) -> RingReader:
        """Becomes the ring's reader and goes on where the last one ended, dead or not.

        ``layout_hash``: what the ring must carry, 0 for anything. ``timeout``: seconds to wait for the ring to be made.
        Raises RingAbsent, RingTaken, RingMismatch, RingCorrupt, RingForeign, ValueError, OSError.
        """
        if not 0 <= layout_hash < 1 << 64:
            raise ValueError(f"layout_hash must be 64 bits, not {layout_hash:#x}")
        end = time.monotonic() + timeout
        while True:
            try:
                return cls(name, open_ring("sm_ring_attach", name, layout_hash), data_dtype)
            except RingAbsent:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.005)

    def read(self, limit: int | None = None) -> NDArray[np.void]:
        """Gives the last batch back and returns the next: a run of records in place, maybe empty, ``limit`` at most.

        The view is valid until the next ``read`` or ``release``; after that the producer writes over it.
        Raises RingCorrupt, RingError if closed.
        """
        if limit is None or limit > self.slots:
            limit = self.slots
        elif limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        packed: int = self._next(self.handle, self._held, limit)
        n = packed & 0xFFFFFFFF
        self._held = n
        if not n and self.handle.fault:
            self._raise_fault()
        at = packed >> 32
        return self._records[at : at + n]

    def release(self, n: int | None = None) -> None:
        """Gives the first n records of the batch back (all by default); the rest will be read again."""
        if n is None:
            n = self._held
        if not 0 <= n <= self._held:
            raise ValueError(f"n must be 0 to {self._held}, the records of the batch, not {n}")
        self._held = 0
        if n:
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
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK_US if end is None else int((end - time.monotonic()) * 1e6)
            found = lib.sm_ring_wait(self.handle, min(max(left, 0), LOOK_US))
            self.ended = found == lib.SM_WAIT_CLOSED
            if found == lib.SM_WAIT_READY:
                return True
            if found == lib.SM_WAIT_FAULT:
                self._raise_fault()
            if found == lib.SM_WAIT_GONE:
                raise ProducerGone(
                    f"the producer of ring {self.name} died without closing it; everything it committed was read"
                )
            if self.ended or (end is not None and time.monotonic() >= end):
                return False

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Batches until the producer closes the ring. Raises ProducerGone if it dies instead."""
        while True:
            records = self.read()
            if len(records):
                yield records
            elif not self.wait():
                return

    def __aiter__(self) -> AsyncIterator[NDArray[np.void]]:
        """The same in an event loop (``sevenm.host.ring.aio``)."""
        return aio.batches(self)
