"""The producer's side of a ring in Python: records are copied in, or filled in where they lie.

One idea: one C call for a batch; what C cannot do at once, because somebody has to be waited for, is asked for again
until it is done, so that signal handlers run in between. Protocol and ownership: docs/ring-protocol.md.

    with RingWriter.create("web", slots=65536) as writer:
        writer.write(records)                       # records.dtype == writer.dtype

One handle belongs to one thread at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.native import native
from sevenm.host.ring.arguments import shape_arguments
from sevenm.host.ring.control import RingError, open_ring
from sevenm.host.ring.record import PACKET_SLOT
from sevenm.host.ring.sides import LOOK_US, SLOTS, Side

_NOT_YET, _FAULTY = (1 << 64) - 1, (1 << 64) - 2
"""SM_RING_NOT_YET, SM_RING_FAULTY: what C's short ways answer where there is more to do."""


class RingWriter(Side):
    """The producer's side. Made by ``create``. Dropped without ``close``, its readers get ProducerGone.

    What it writes goes to every subscriber; those of policy `block` are waited for when all others have it."""

    def __init__(self, name: str, handle: Any, data_dtype: np.dtype[Any] | None) -> None:
        super().__init__(name, handle, data_dtype, writeable=True)
        ffi, _ = native()
        self._from_buffer = ffi.from_buffer
        self._accepted = self.dtype
        """The dtype of the last records: comparing field by field takes as long as handing over a small batch."""
        self._stage = self.view(handle.stage, writeable=True)
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
            self.raise_fault()

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
