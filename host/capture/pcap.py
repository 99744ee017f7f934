"""Reads captures, pcap or pcapng, from a file, a stream or memory, as batches of events.

One idea: a batch is a view of the piece that was read (``sevenm.host.capture.pieces``), so a piece that was handed out
is never written again. Memory is bounded by one piece for every batch that the caller keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sevenm.boundary import PORTS
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.capture.format import CaptureError, Facts
from sevenm.host.capture.pieces import PIECE_MAX, PIECE_MIN, CapturePieces
from sevenm.host.capture.source import ByteSource, Source
from sevenm.host.native import available

__all__ = ["CaptureError", "CaptureReader", "Facts", "open_capture"]

EVENTS_MAX = 1 << 20
"""Most events in a batch."""


class CaptureReader(CapturePieces):
    """An open capture; get one from ``open_capture``. A context manager."""

    def batches(self, max_events: int = 16384, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[EventBatch]:
        """The events that are left, in order. A batch has 1 to ``max_events`` events over a buffer of ``max_bytes``
        (more if one record is larger); ``source`` is the ingress port they are given. Raises CaptureError where the
        capture is damaged, after everything before the damage was handed out."""
        if not 1 <= max_events <= EVENTS_MAX:
            raise ValueError(f"max_events must be from 1 to {EVENTS_MAX}, not {max_events}")
        if not PIECE_MIN <= max_bytes <= PIECE_MAX:
            raise ValueError(f"max_bytes must be from {PIECE_MIN} to {PIECE_MAX}, not {max_bytes}")
        if not 0 <= source < PORTS:
            raise ValueError(f"source must be an ingress port from 0 to {PORTS - 1}, not {source}")
        self._piece = max_bytes
        while True:
            # No record is shorter than 16 bytes, so a table of this size never is what limits a step.
            table = np.empty(min(max_events, (self._end - self._start) // 16 + 1), EVENT)
            step = self._format.index(self._buffer, self._start, self._end, table)
            self._start = step.position
            if step.events:
                yield EventBatch.trusted(np.frombuffer(self._buffer, np.uint8), table[: step.events], source)
            if not self._after(step):
                return

    def _room(self, size: int) -> memoryview:
        return np.empty(size, np.uint8).data  # not zeroed: each batch has a fresh one


def open_capture(source: Source, use_native: bool | None = None) -> CaptureReader:
    """Opens a path ("-" is standard input), a binary stream, or bytes in memory, and reads its header.

    ``use_native``: index in C (True), in Python (False), or in C where the C runtime was built (None).
    Raises CaptureError for what is no capture or has a link type that rules cannot be about."""
    origin = ByteSource(source)
    try:
        return CaptureReader(origin, available() if use_native is None else use_native)
    except BaseException:
        origin.close()
        raise
