"""A subscriber of a channel that several workers deliver into: one reader over the rings of all of them.

One idea: rings are read in turn, a run of one ring at a time, in place. So each worker's records keep their order, and
with it each flow's, because a flow has one worker; and a ring that is always full keeps none of the others waiting.
Between workers there is no order: who needs one sorts by ``ts_ns``.

    with MergedReader.attach("edge.web") as reader:          # edge.web.0, edge.web.1, …, or the ring edge.web
        for records in reader:                               # until every worker has closed its ring
            print(reader.worker, records["rule"])

One handle belongs to one thread at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.latency import Histogram
from sevenm.host.native import native
from sevenm.host.ring import sets
from sevenm.host.ring.batches import Batches
from sevenm.host.ring.control import ProducerGone, RingAbsent, RingMismatch, RingStats
from sevenm.host.ring.reader import RingReader
from sevenm.host.ring.sides import LOOK_US

RUN_MAX = 4096
"""Records that are read from one ring before the next one has its turn."""
LOOK_S = 0.005


class MergedReader(Batches):
    """``readers``: of 1 to 64 rings, in order of worker. ``worker``: number of the ring that the last batch is from.
    ``ended``: every producer has closed its ring, and everything was read."""

    def __init__(self, name: str, readers: Sequence[RingReader]) -> None:
        if not 1 <= len(readers) <= sets.RINGS_MAX:
            raise ValueError(f"{name}: 1 to {sets.RINGS_MAX} rings are read together, not {len(readers)}")
        self.name, self.readers = name, tuple(readers)
        self.dtype = self.readers[0].dtype
        self.subscriber, self.policy = self.readers[0].subscriber, self.readers[0].policy
        self.worker = len(self.readers) - 1
        self.ended = False
        self._open = list(range(len(self.readers)))
        """Numbers of those that may still get records."""
        self._gone: list[str] = []
        self._none = np.zeros(0, self.dtype)
        self._ffi, self._lib = native()
        self._which = self._ffi.new("uint32_t *", self.worker)

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
    ) -> MergedReader:
        """Becomes a subscriber of the ring of that name, or else of all rings of the set. Arguments as for
        ``RingReader.attach``, which they are handed on to. Raises what it does; then none of the rings is taken."""
        end = time.monotonic() + timeout
        rest = (data_dtype, layout_hash, 0.0, subscriber, policy, deadline, header)
        while True:
            try:
                return cls(name, _attached(sets.rings_of(name), rest))
            except RingAbsent:
                if time.monotonic() >= end:
                    raise
            time.sleep(LOOK_S)

    def read(self, limit: int | None = None) -> NDArray[np.void]:
        """Gives the last batch back and returns the next, of one ring: the first, in turn after ``worker``, that has
        records; as ``RingReader.read``, and RUN_MAX records at most. Empty where none has any."""
        most = RUN_MAX if limit is None else min(limit, RUN_MAX)
        self.release()
        for number in self._in_turn():
            records = self.readers[number].read(most)
            if len(records):
                self.worker = number
                return records
        return self._none

    def release(self, n: int | None = None) -> None:
        """Gives the first n records of the batch back (all by default); the rest will be read again."""
        self.readers[self.worker].release(n)

    def wait(self, timeout: float | None = None) -> bool:
        """Gives the batch back and waits for a record in any ring, ``timeout`` seconds at most (None: as long as it
        takes). False: none came in time, or none will ever come (``ended``).

        Raises ProducerGone when no ring will get records any more, and one of their producers died; RingCorrupt,
        RingError if closed."""
        lib = self._lib
        self.release()
        end = None if timeout is None else time.monotonic() + timeout
        while self._open:
            if any(self.readers[number].waiting for number in self._open):
                return True
            left = LOOK_US if end is None else int((end - time.monotonic()) * 1e6)
            handles = self._ffi.new("sm_ring *[]", [self.readers[number].handle for number in self._open])
            found = lib.sm_ring_wait_any(handles, len(self._open), min(max(left, 0), LOOK_US), self._which)
            if found == lib.SM_WAIT_READY:
                return True
            if found in (lib.SM_WAIT_FAULT, lib.SM_WAIT_GONE, lib.SM_WAIT_CLOSED):
                one = self.readers[self._open[self._which[0]]]
                if found == lib.SM_WAIT_FAULT:
                    one.raise_fault()
                if found == lib.SM_WAIT_GONE:
                    self._gone.append(one.name)
                del self._open[self._which[0]]
            elif end is not None and time.monotonic() >= end:
                return False
        if self._gone:
            raise ProducerGone(
                f"the producer of ring {', '.join(self._gone)} died without closing it; everything it committed "
                "was read"
            )
        self.ended = True
        return False

    def stats(self) -> RingStats:
        """The sums over the rings. Raises RingCorrupt if the indices of one cannot be."""
        rings = [reader.stats() for reader in self.readers]
        return rings[0] if len(rings) == 1 else sets.together(self.name, rings)

    def measure(self) -> list[Histogram]:
        """Latencies of this side, one for each worker, where others see them; as ``RingReader.measure``."""
        return [reader.measure() for reader in self.readers]

    def close(self) -> None:
        """Gives this side of every ring back; harmless when repeated."""
        for reader in self.readers:
            reader.close()

    def _in_turn(self) -> list[int]:
        later = [number for number in self._open if number > self.worker]
        return later + self._open[: len(self._open) - len(later)]


def _attached(names: Sequence[str], rest: tuple[Any, ...]) -> list[RingReader]:
    """Readers of all rings, or of none."""
    with ExitStack() as stack:
        readers = [stack.enter_context(RingReader.attach(name, *rest)) for name in names]
        shapes = {(reader.handle.slot_size, reader.handle.layout_hash) for reader in readers}
        if len(shapes) > 1:
            raise RingMismatch(
                f"the rings {names[0]} to {names[-1]} are not of one run: their records differ; remove them: "
                f"sevenm ring rm {' '.join(names)}"
            )
        stack.pop_all()
    return readers
