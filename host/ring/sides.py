"""Rings of delivered records between processes: ``RingWriter`` hands over, each ``RingReader`` gets NumPy views.

One idea: a reader in Python costs one C call per batch. ``read`` gives back the slots of the last batch and returns the
next run of slots as a structured array, in place; on a lane of policy ``drop_oldest`` it is a copy, since the writer
may be at the slots meanwhile. Protocol, ownership and recovery: docs/ring-protocol.md.

    with RingWriter.create("web", slots=65536) as writer:
        writer.write(records)                       # records.dtype == writer.dtype

    with RingReader.attach("web") as reader:
        for records in reader:                      # until the producer closes
            print(records["rule"], records["data"][:, :14])

One handle belongs to one thread at a time.
"""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sevenm.host.latency import Histogram
from sevenm.host.native import native
from sevenm.host.ring.arguments import reader_arguments, shape_arguments
from sevenm.host.ring.control import (
    POLICIES,
    ProducerGone,
    RingAbsent,
    RingCorrupt,
    RingError,
    RingStats,
    check,
    open_descriptor,
    open_ring,
    read_stats,
)
from sevenm.host.ring.record import PACKET_SLOT, record_dtype

SLOTS = 65536
"""Default number of slots."""
LOOK_US = 100_000
"""A C call waits no longer than this before Python gets to run signal handlers, in microseconds."""
COPY_MAX = 4096
"""Most records of one batch on a lane of policy ``drop_oldest``."""
_NOT_YET, _FAULTY = (1 << 64) - 1, (1 << 64) - 2
"""SM_RING_NOT_YET, SM_RING_FAULTY: what C's short ways answer where there is more to do."""
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
HUGE = ("ShmemPmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:")
"""What ``/proc/self/smaps`` calls huge pages of shared memory."""

_open_sides: weakref.WeakSet[_Side] = weakref.WeakSet()


def _disown_all() -> None:
    """In a forked child: without this the child would hold the parent's locks after the parent's death."""
    for side in list(_open_sides):
        side.disown()


os.register_at_fork(after_in_child=_disown_all)


class _Side:
    """One side's open handle. Views stay readable after ``close``, since they keep the mapping alive."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None, writeable: bool) -> None:
        _, self._lib = native()
        self.name = name
        self._abandon = self._lib.sm_ring_abandon
        self.handle = handle
        """The C handle, ``sm_ring *``, for other parts of the C runtime."""
        self.slots: int = handle.slots
        self.dtype = record_dtype(handle.slot_size, data_dtype, handle.record_header != 0)
        """dtype of one record."""
        self._records = self._view(handle.lanes[0].base, writeable)
        _open_sides.add(self)

    def _view(self, base: Any, writeable: bool) -> NDArray[np.void]:
        """Slots of the mapping, which the view keeps alive."""
        ffi, _ = native()
        handle = self.handle
        memory = memoryview(ffi.buffer(ffi.gc(base, lambda _: handle), self.slots * self.dtype.itemsize))
        return np.frombuffer(memory if writeable else memory.toreadonly(), self.dtype)

    def stats(self) -> RingStats:
        """Raises RingCorrupt if the indices cannot be."""
        return read_stats(self.handle, self.name)

    @property
    def huge(self) -> int:
        """Bytes of the lanes, as mapped here now, that lie in huge pages. Reads all mappings of the process."""
        ffi, _ = native()
        base = int(ffi.cast("uintptr_t", self.handle.lanes[0].base))
        mine, total = False, 0
        for line in Path("/proc/self/smaps").read_text().splitlines():
            if found := MAPPING.match(line):
                start, end = (int(number, 16) for number in found.groups())
                mine = start < base + self.handle.mapped and end > base
            elif mine and line.startswith(HUGE):
                total += 1024 * int(line.split()[1])
        return total

    def measure(self) -> Histogram:
        """Latencies of this side, none so far, in memory of the ring where others see them (``RingStats.latency``).

        A writer records by itself, from a record's arrival (``ts_ns``) until it is in the ring. A reader says
        ``record_ages(records["ts_ns"])`` when it has them. Raises ValueError for bare slots, which have no time,
        OSError (no memory), RingError if closed."""
        ffi, lib = native()
        handle, error = self.handle, ffi.new("char[]", lib.SM_RING_ERROR)
        check(lib.sm_ring_measure(handle, error), error)
        return Histogram(ffi.gc(handle.latency, lambda _: handle))

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
        fault, lib = self.handle.lanes[0].fault, self._lib
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
    """The producer's side. Made by ``create``. Dropped without ``close``, its readers get ProducerGone.

    What it writes goes to every subscriber; those of policy `block` are waited for when all others have it."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None) -> None:
        super().__init__(name, handle, data_dtype, writeable=True)
        ffi, _ = native()
        self._from_buffer = ffi.from_buffer
        self._accepted = self.dtype
        """The dtype of the last records: comparing field by field takes as long as handing over a small batch."""
        self._stage = self._view(handle.stage, writeable=True)
        self._reserved = 0
        self._staged = False
        self._done = ffi.new("uint64_t *")
        self._write_all, self._reserve_now = self._lib.sm_ring_write_all, self._lib.sm_ring_reserve_now

    @classmethod
    def create(
        cls,
        name: str,
        slots: int = SLOTS,
        slot_size: int = PACKET_SLOT,
        policy: str = "drop_newest",
        data_dtype: np.dtype[Any] | None = None,
        layout_hash: int = 0,
        digest: str | None = None,
        header: bool = True,
    ) -> RingWriter:
        """Makes the ring, or takes over what a dead or closed producer left: then its records and numbers go on.

        ``slots``: power of two, 256 to 2**24, for each subscriber. ``slot_size``: bytes, multiple of 32, 64 to 2048.
        ``policy``: of the default subscriber, one of POLICIES. ``data_dtype`` and ``layout_hash``: of the schema, for
        records. ``digest``: of the bundle, 64 hexadecimal digits. ``header=False``: bare slots of 32 to 2048
        bytes, without a record header, for producers of plain events: 64 bytes are one line of the cache.
        Raises RingTaken, RingMismatch (left with another geometry, or a reader relies on its policy), RingCorrupt,
        RingForeign, ValueError, OSError (no memory).
        """
        shape = shape_arguments(slots, slot_size, policy, data_dtype, layout_hash, digest, header)
        return cls(name, open_ring("sm_ring_create", name, *shape), data_dtype)

    @classmethod
    def anonymous(
        cls,
        label: str = "anonymous",
        slots: int = SLOTS,
        slot_size: int = PACKET_SLOT,
        policy: str = "drop_newest",
        data_dtype: np.dtype[Any] | None = None,
        layout_hash: int = 0,
        digest: str | None = None,
        header: bool = True,
        huge: bool = False,
    ) -> RingWriter:
        """Makes a ring without a name, in memory that nobody can shrink: who is handed its ``descriptor``, over a
        socket or by inheriting it, reads with ``RingReader.attach_descriptor``. It is gone with the last who has it.

        ``label``: for people, as a ring's name. ``huge``: in huge pages of 2 MiB that were set aside
        (``vm.nr_hugepages``), one for the header and as many as a lane needs for each subscriber. The rest as in
        ``create``. Raises ValueError, OSError (no memory, no huge pages)."""
        shape = shape_arguments(slots, slot_size, policy, data_dtype, layout_hash, digest, header)
        return cls(label, open_ring("sm_ring_create_anonymous", label, huge, *shape), data_dtype)

    @property
    def descriptor(self) -> int:
        """Of the memory of an anonymous ring, to be handed on; this handle's, and good as long as it. Raises RingError
        for a ring that has a name."""
        if self.handle.shown < 0:
            raise RingError(f"ring {self.name} has a name and no descriptor to hand on; make it with anonymous()")
        return int(self.handle.shown)

    def set_digest(self, digest: str) -> None:
        """The rules were changed: names the bundle that produces from now on."""
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise ValueError(f"digest must be 64 lower-case hexadecimal digits, not {digest[:80]!r}")
        self._lib.sm_ring_set_digest(self.handle, digest.encode())

    def write(self, records: NDArray[np.void]) -> int:
        """Copies (n,) records of ``dtype`` in, numbers them (``seq``) and returns how many were delivered: to the
        subscriber that got the fewest.

        The others are counted by cause. A `block` subscriber is waited for until its deadline, or as long as it lives;
        an exception out of a signal handler ends the wait, and what was left is counted as ``stopped``.
        Raises TypeError for another dtype or shape, RingCorrupt, RingError if closed.
        """
        if records.dtype is not self._accepted or records.ndim != 1:
            if records.dtype != self.dtype or records.ndim != 1:
                raise TypeError(f"records must be 1-D of {self.dtype}, not {records.ndim}-D of {records.dtype}")
            self._accepted = records.dtype
        data = np.ascontiguousarray(records)
        start, n = self._from_buffer(data), len(data)
        try:
            delivered: int = self._write_all(self.handle, start, n, self._done, LOOK_US)
            if delivered == _NOT_YET:
                delivered = self._go_on(start, n)
                self._check()
        except BaseException:
            self._give_up(n)
            raise
        if delivered == _FAULTY:
            self._check()
            delivered = self._spread(start, n)
            self._check()
        return delivered

    def beat(self) -> None:
        """Tells that this producer goes on, though it has nothing to write: every 100 ms, while that is so. Who looks
        from outside can tell it from one that hangs (``RingStats.beat_age``). Whatever writes does it by itself."""
        self._lib.sm_ring_beat(self.handle)

    def _check(self) -> None:
        """A lane that is corrupt is closed and counted; one that was the only one is an error."""
        ring = self.handle
        if ring.lanes[0].fault and (ring.open == 1 or ring.lanes[0].fault == self._lib.SM_RING_DISOWNED):
            self._raise_fault()

    def _spread(self, start: Any, n: int) -> int:
        """n records at this address to all subscribers. How many the one with the fewest got."""
        self._done[0] = 0
        try:
            return self._go_on(start, n)
        except BaseException:
            self._give_up(n)
            raise

    def _go_on(self, start: Any, n: int) -> int:
        """The same, from record ``_done`` on."""
        lib, ring, done = self._lib, self.handle, self._done
        while True:
            delivered: int = lib.sm_ring_write(ring, start, n, done, LOOK_US)
            if done[0] >= n:
                return delivered

    def _give_up(self, n: int) -> None:
        """Counts what is left of n records."""
        self._lib.sm_ring_give_up(self.handle, self._lib.SM_CAUSE_STOPPED, n - self._done[0])

    def reserve(self, n: int) -> NDArray[np.void]:
        """At most n free slots for the caller to fill all but ``seq`` of; fewer at the ring's end. In place, if the
        default subscriber is the only one; otherwise in a buffer that ``commit`` copies to all of them.

        What the policy cannot give is counted as undelivered. Raises RingCorrupt, RingError if closed.
        """
        if n < 0:
            raise ValueError(f"n must not be negative, not {n}")
        packed: int = self._reserve_now(self.handle, min(n, self.slots))
        if packed != _NOT_YET:
            at, self._reserved, self._staged = packed >> 32, packed & 0xFFFFFFFF, False
            return self._records[at : at + self._reserved]
        lib, ring = self._lib, self.handle
        if lib.sm_ring_rolled(ring):
            lib.sm_ring_follow(ring)
        lane = ring.lanes[0]
        at = lane.mine & (self.slots - 1) if ring.direct else 0
        wanted = min(n, self.slots - at)
        if ring.direct and lane.policy == lib.SM_RING_BLOCK:
            # Waiting here, in short pieces, lets signal handlers run; reserve itself then does not wait.
            while lib.sm_lane_wait_room(ring, ring.lanes, wanted, LOOK_US) in (lib.SM_WAIT_TIME, lib.SM_WAIT_SIGNAL):
                pass
        granted: int = lib.sm_ring_reserve(ring, wanted)
        self._check()
        self._reserved, self._staged = granted, bool(ring.staged)
        return self._stage[:granted] if self._staged else self._records[at : at + granted]

    def commit(self, n: int) -> None:
        """Numbers the first n reserved slots and shows them to the readers."""
        if not 0 <= n <= self._reserved:
            raise ValueError(f"n must be 0 to {self._reserved}, the slots reserved, not {n}")
        self._reserved = 0
        if self._staged:
            self._spread(self.handle.stage, n)
        else:
            self._lib.sm_ring_commit_sequenced(self.handle, n)


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
            self._raise_fault()
        at = packed >> 32
        return self._records[at : at + n]

    def _take(self, copy: NDArray[np.void], limit: int) -> NDArray[np.void]:
        self.release()
        if not self._ready:
            self._ready = self._lib.sm_ring_take(self.handle, self._to, min(limit, len(copy)), self._first)
            self._at = self._first[0]
            if not self._ready and self.handle.lanes[0].fault:
                self._raise_fault()
        self._held = min(limit, self._ready)
        records = copy[self._at : self._at + self._held]
        records.flags.writeable = False
        return records

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
        # asyncio takes longer to load than everything else here, and most readers do without.
        from sevenm.host.ring.aio import batches

        return batches(self)
