"""What both sides of a ring have: the open handle, its views, how a side ends and what a forked child does with it.

One idea: a handle belongs to one thread at a time and to one process; views of the slots keep the mapping alive, the
handle keeps the lock.
"""

from __future__ import annotations

import os
import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.closing import Closing
from sevenm.host.latency import Histogram
from sevenm.host.native import native
from sevenm.host.ring.control import RingCorrupt, RingError, RingStats, check, read_stats
from sevenm.host.ring.record import record_dtype

SLOTS = 65536
"""Default number of slots."""
LOOK_US = 100_000
"""A C call waits no longer than this before Python gets to run signal handlers, in microseconds."""
MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
HUGE = ("ShmemPmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:")
"""What ``/proc/self/smaps`` calls huge pages of shared memory."""

_open_sides: weakref.WeakSet[Side] = weakref.WeakSet()


def _disown_all() -> None:
    """In a forked child: without this the child would hold the parent's locks after the parent's death."""
    for side in list(_open_sides):
        side.disown()


os.register_at_fork(after_in_child=_disown_all)


class Side(Closing):
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
        self._records = self.view(handle.lanes[0].base, writeable)
        _open_sides.add(self)

    def view(self, base: Any, writeable: bool) -> NDArray[np.void]:
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

    def raise_fault(self) -> None:
        fault, lib = self.handle.lanes[0].fault, self._lib
        if fault == lib.SM_RING_CORRUPT:
            raise RingCorrupt(
                f"ring {self.name} is corrupt: the other side's index does not fit its {self.slots} slots; "
                f"close both sides and remove it: sevenm ring rm {self.name}"
            )
        if fault:
            raise RingError(f"ring {self.name} is closed in this process, or was opened before a fork; open it again")
