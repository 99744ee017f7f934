"""Reads a headerless file of schema records, 64 or 128 bytes each, as batches of events.

One idea: nothing to parse, so a batch is the piece that was read and a table of multiples of the size. Records carry
no time of capture: timestamps are 0. A last record that is cut short is an event of its short length, which every
engine finds malformed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.capture.format import LINK_USER0, Facts
from sevenm.host.capture.source import ByteSource, Source
from sevenm.host.engine.ingress import LoopIngress, RecordsIngress

__all__ = ["RecordReader", "open_records"]

SIZES = (64, 128)


class RecordReader:
    """Has the interface of a CaptureReader."""

    def __init__(self, source: ByteSource, size: int) -> None:
        self._source = source
        self._record = size
        self._position = 0
        self.facts = Facts("records")

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def link_type(self) -> int:
        return LINK_USER0

    @property
    def position(self) -> int:
        return self._position

    @property
    def size(self) -> int | None:
        return self._source.size

    def batches(self, max_events: int = 16384, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[EventBatch]:
        """The records that are left, in order. Raises CaptureError if reading fails."""
        most = min(max_events, max_bytes // self._record)
        if most < 1:
            raise ValueError(
                f"max_events must be at least 1 and max_bytes {self._record}, not {max_events}, {max_bytes}"
            )
        if self._source.memory is not None:
            memory = np.frombuffer(self._source.memory, np.uint8)
            for start in range(self._position, len(memory), most * self._record):
                piece = memory[start : start + most * self._record]
                self._position = start + len(piece)
                yield self._batch(piece, source)
            return
        buffer, held = np.empty(most * self._record, np.uint8), 0
        while got := self._source.read(buffer[held:].data):
            held += got
            whole = held // self._record * self._record
            if whole:
                rest = buffer[whole:held]
                self._position += whole
                fresh = np.empty_like(buffer)
                fresh[: len(rest)] = rest
                yield self._batch(buffer[:whole], source)
                buffer, held = fresh, len(rest)
        if held:
            self._position += held
            yield self._batch(buffer[:held], source)

    def pieces(self, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[LoopIngress]:
        """The same records, for a loop in C: each ingress has to be run to its end before the next one is asked for."""
        most = max(max_bytes // self._record, 1)
        for batch in self.batches(most, most * self._record, source):
            yield RecordsIngress(batch.buffer, self._record, port=source)

    def _batch(self, piece: NDArray[np.uint8], source: int) -> EventBatch:
        count = -(-len(piece) // self._record)
        events = np.zeros(count, EVENT)
        events["offset"] = np.arange(count, dtype=np.uint64) * np.uint64(self._record)
        events["cap_len"] = self._record
        short = len(piece) % self._record
        if short:
            events["cap_len"][-1] = short
            self.facts.cut_at, self.facts.cut_bytes = self._position - short, short
        events["wire_len"] = events["cap_len"]
        return EventBatch(piece, events, source)

    def warnings(self) -> list[str]:
        """What was wrong with it, a sentence each; complete after the last batch."""
        return self.facts.warnings()

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_records(source: Source, size: int) -> RecordReader:
    """Opens a path ("-" is standard input), a stream or memory of records of ``size`` bytes (64 or 128).

    Raises CaptureError if it cannot be opened."""
    if size not in SIZES:
        raise ValueError(f"size must be one of {SIZES}, not {size}")
    return RecordReader(ByteSource(source), size)
