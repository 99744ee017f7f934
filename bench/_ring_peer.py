"""The peer of bench/ring.py: a ring written with NumPy alone, and the delivery of matches written with NumPy alone.

One idea: whatever makes NumPy faster is allowed. Records move as flat bytes or as items of 64 bytes (assigning
structured arrays is ten times slower), indices lie 128 bytes apart, both sides spin; no locks, no checks, and it
relies on x86's order of stores.
"""

from __future__ import annotations

from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import NDArray

from sevenm.host.ring.record import record_dtype

SLOTS = 16384
EVENT_SIZE = 64
EVENT = np.dtype([("id", "<u8"), ("rest", "u1", (EVENT_SIZE - 8,))])
RECORD = record_dtype(96, EVENT)
WORDS = RECORD.itemsize // 8
HEADER_ITEM, EVENT_ITEM = np.dtype((np.void, 32)), np.dtype((np.void, EVENT_SIZE))
"""A header, an event as one item: NumPy then copies all its bytes at once, twice as fast as 8-byte words."""
FIRST_INDEX, SECOND_INDEX, DATA = 0, 16, 4096
"""Of the shared memory: words of the two indices, and where records begin, in bytes."""
CHUNK = 1024
"""Matches taken at once: what lies between the two passes over them then stays in the first cache."""


class NumpyRing:
    """One side of a ring over ``multiprocessing.shared_memory``."""

    def __init__(self, name: str, create: bool) -> None:
        self.memory = SharedMemory(name, create, DATA + SLOTS * RECORD.itemsize)
        assert self.memory.buf is not None
        self.indices: NDArray[np.uint64] = np.frombuffer(self.memory.buf, np.uint64, 32)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self.memory.buf, np.uint8, SLOTS * RECORD.itemsize, DATA)
        self.records: NDArray[np.void] = self.bytes.view(RECORD)
        self.words: NDArray[np.uint64] = self.bytes.view(np.uint64).reshape(SLOTS, WORDS)
        items = self.bytes.view([("header", HEADER_ITEM), ("event", EVENT_ITEM)])
        self.header_items: NDArray[np.void] = items["header"]
        self.event_items: NDArray[np.void] = items["event"]
        self.numbers = np.arange(SLOTS, dtype=np.uint64)
        self.headers = np.zeros((CHUNK, 4), np.uint64)
        self.times = np.empty(CHUNK, np.uint64)
        self.taken = np.empty((CHUNK, 8), np.uint64)
        self.mine = self.theirs = 0

    def constant(self, rule: int, generation: int, size: int, engine: int) -> None:
        """What the headers of all records say: one rule, one generation, one size of events, no flags."""
        self.headers[:, 2] = rule | generation << 32
        self.headers[:, 3] = size | size << 16 | engine << 32

    def wait_room(self, n: int) -> None:
        while SLOTS - (self.mine - self.theirs) < n:
            self.theirs = int(self.indices[SECOND_INDEX])

    def show(self, n: int) -> None:
        self.mine += n
        self.indices[FIRST_INDEX] = self.mine

    def write(self, data: NDArray[np.uint8], n: int) -> None:
        """Waits for room and copies n records of bytes in. SLOTS is a multiple of n: no batch wraps."""
        self.wait_room(n)
        at = self.mine % SLOTS * RECORD.itemsize
        self.bytes[at : at + len(data)] = data
        self.show(n)

    def fill(self, ids: NDArray[np.uint64], times: NDArray[np.uint64]) -> None:
        """In place: number, time and id; the rest of the slot stays what it was. No batch wraps."""
        n = len(ids)
        self.wait_room(n)
        slots = self.words[self.mine % SLOTS :][:n]
        slots[:, 0] = times
        np.add(self.numbers[:n], self.mine, out=slots[:, 1])
        slots[:, 4] = ids
        self.show(n)

    def deliver(self, events: NDArray[np.uint64], times: NDArray[np.uint64], row: NDArray[np.uint64]) -> None:
        """The events (n, 8) whose bit in ``row`` is set, as records with their ``times`` (n,) and ``constant``."""
        hits = np.unpackbits(row.view(np.uint8), bitorder="little").view(np.bool_).nonzero()[0]
        count, mine, done = len(hits), self.mine, 0
        every = count == len(events)
        self.wait_room(count)
        while done < count:
            at = (mine + done) % SLOTS
            n = min(count - done, CHUNK, SLOTS - at)
            headers = self.headers[:n]
            np.add(self.numbers[:n], mine + done, out=headers[:, 1])
            if every:
                headers[:, 0] = times[done : done + n]
                taken = events[done : done + n]
            else:
                chosen = hits[done : done + n]
                times.take(chosen, out=self.times[:n], mode="clip")
                headers[:, 0] = self.times[:n]
                taken = events.take(chosen, axis=0, out=self.taken[:n], mode="clip")
            self.header_items[at : at + n] = headers.view(HEADER_ITEM)[:, 0]
            self.event_items[at : at + n] = taken.view(EVENT_ITEM)[:, 0]
            done += n
        self.show(count)

    def release(self) -> None:
        self.indices[SECOND_INDEX] = self.mine

    def read(self, limit: int) -> NDArray[np.void]:
        """Gives the last batch back and waits for the next."""
        self.release()
        while self.theirs == self.mine:
            self.theirs = int(self.indices[FIRST_INDEX])
        at = self.mine % SLOTS
        found = self.records[at : at + min(limit, self.theirs - self.mine, SLOTS - at)]
        self.mine += len(found)
        return found

    def drop(self) -> None:
        del self.indices, self.bytes, self.records, self.words, self.header_items, self.event_items
        self.memory.close()
