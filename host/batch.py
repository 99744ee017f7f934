"""A batch of events: one buffer of bytes and a table that says where in it each event lies.

One idea: an event is never copied to be matched. Whatever the source (a capture, records, memory), its bytes stay
where they were read and every engine gets the same 24-byte descriptors, ``sm_event`` of ``sevenm.boundary``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import PORTS

EVENT = boundary.dtype("sm_event")
"""``offset`` in bytes from the start of the buffer; ``ts_ns`` nanoseconds since 1970, 0 if unknown; ``cap_len`` bytes
that are there; ``wire_len`` bytes the event had on the wire."""


class EventBatch:
    """``buffer``: (bytes,) uint8, C-contiguous. ``events``: (n,) EVENT, C-contiguous. ``source``: ingress port of all.

    Raises TypeError for other types, ValueError if an event does not lie in the buffer (the message names it)."""

    __slots__ = ("buffer", "events", "source")

    def __init__(self, buffer: NDArray[np.uint8], events: NDArray[np.void], source: int = 0) -> None:
        if buffer.dtype != np.uint8 or buffer.ndim != 1 or not buffer.flags.c_contiguous:
            raise TypeError(f"buffer must be a contiguous 1-D array of uint8, not {buffer.ndim}-D of {buffer.dtype}")
        if events.dtype != EVENT or events.ndim != 1 or not events.flags.c_contiguous:
            raise TypeError(f"events must be a contiguous 1-D array of EVENT, not {events.ndim}-D of {events.dtype}")
        if not 0 <= source < PORTS:
            raise ValueError(f"source must be an ingress port from 0 to {PORTS - 1}, not {source}")
        size = np.uint64(len(buffer))
        # Two comparisons, because offset + cap_len could wrap.
        outside = (events["offset"] > size) | (events["cap_len"] > size - np.minimum(events["offset"], size))
        if outside.any():
            first = int(np.argmax(outside))
            offset, length = int(events["offset"][first]), int(events["cap_len"][first])
            raise ValueError(f"event {first} is {length} bytes at {offset}, outside of the buffer of {size} bytes")
        self.buffer = buffer
        self.events = events
        self.source = source

    @classmethod
    def trusted(cls, buffer: NDArray[np.uint8], events: NDArray[np.void], source: int = 0) -> EventBatch:
        """Without the checks, for an ingress that made the table itself: they cost more than indexing does."""
        batch = cls.__new__(cls)
        batch.buffer, batch.events, batch.source = buffer, events, source
        return batch

    def __len__(self) -> int:
        return len(self.events)

    @property
    def cap_bytes(self) -> int:
        """Captured bytes of all events together."""
        return int(self.events["cap_len"].sum(dtype=np.uint64))

    def data(self, index: int) -> bytes:
        """A copy of the captured bytes of one event."""
        event = self.events[index]
        start = int(event["offset"])
        return self.buffer[start : start + int(event["cap_len"])].tobytes()

    def slice(self, start: int, stop: int) -> EventBatch:
        """The events [start, stop) over the same buffer."""
        return EventBatch.trusted(self.buffer, self.events[start:stop], self.source)

    @classmethod
    def joined(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """All events in one batch, in order, copied. The ingress port is the first batch's."""
        if not batches:
            return cls(np.zeros(0, np.uint8), np.zeros(0, EVENT))
        tables, start = [], 0
        for batch in batches:
            events = batch.events.copy()
            events["offset"] += np.uint64(start)
            tables.append(events)
            start += len(batch.buffer)
        return cls(np.concatenate([b.buffer for b in batches]), np.concatenate(tables), batches[0].source)

    @classmethod
    def from_bytes(
        cls,
        data: Sequence[bytes],
        ts_ns: Sequence[int] | None = None,
        wire_len: Sequence[int] | None = None,
        source: int = 0,
    ) -> EventBatch:
        """Packs byte strings one after the other. ``wire_len`` is by default the length that is there."""
        for name, column in (("ts_ns", ts_ns), ("wire_len", wire_len)):
            if column is not None and len(column) != len(data):
                raise ValueError(f"{name} has {len(column)} entries for {len(data)} events")
        events = np.zeros(len(data), EVENT)
        lengths = np.array([len(d) for d in data], np.uint64)
        events["offset"] = np.cumsum(lengths, dtype=np.uint64) - lengths
        events["cap_len"] = lengths
        events["wire_len"] = lengths if wire_len is None else np.array(wire_len, np.uint32)
        if ts_ns is not None:
            events["ts_ns"] = np.array(ts_ns, np.uint64)
        return cls(np.frombuffer(b"".join(data), np.uint8), events, source)
