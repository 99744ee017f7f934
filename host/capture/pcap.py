"""Reads captures, pcap or pcapng, from a file, a stream or memory, as batches of events.

One idea: bytes are read in large pieces into a buffer, the format's indexer finds the records in it, and the batches
are views of that buffer; only a record that a piece cuts is copied, to the start of the next buffer. A stream is
handed on as it comes: a batch holds what has arrived. Memory is bounded by one piece, or one record if that is larger
(at most BLOCK_MAX), for every batch that the caller keeps.
"""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from sevenm.boundary import PORTS
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.capture.format import (
    LINK_ETHERNET,
    CaptureError,
    Facts,
    Format,
    FormatError,
    Status,
    Step,
    from_c,
    name_first_bytes,
)
from sevenm.host.capture.pcap_classic import HEADER, Classic
from sevenm.host.capture.pcap_classic import MAGIC as CLASSIC_MAGIC
from sevenm.host.capture.pcapng import MAGIC as PCAPNG_MAGIC
from sevenm.host.capture.pcapng import Pcapng
from sevenm.host.engine.ingress import CaptureIngress, LoopIngress
from sevenm.host.native import available

__all__ = ["CaptureError", "CaptureReader", "Facts", "open_capture"]

EVENTS_MAX = 1 << 20
"""Most events in a batch."""
PIECE_MIN, PIECE_MAX = 4096, 1 << 30
OPEN_PIECE = 1 << 16
"""Bytes asked for at a time until the header is complete."""


class Stream(Protocol):
    """What a stream has to have: sys.stdin.buffer, a pipe's end, a socket's file or a raw file all do."""

    def readinto(self, into: memoryview, /) -> int | None: ...
    def fileno(self) -> int: ...


Source = str | Path | bytes | bytearray | memoryview | NDArray[np.uint8] | Stream


class ByteSource:
    """Bytes in order, from a file, a stream or memory. ``size`` is None where it cannot be known."""

    def __init__(self, source: Source) -> None:
        self.size: int | None = None
        self.memory: NDArray[np.uint8] | None = None
        self._stream: Stream | None = None
        self._close = False
        if isinstance(source, str | Path):
            self.name = "standard input" if str(source) == "-" else str(source)
            if str(source) == "-":
                self._stream = cast(Stream, sys.stdin.buffer)
            else:
                self._open(Path(source))
        elif isinstance(source, bytes | bytearray | memoryview | np.ndarray):
            self.name = "memory"
            self.memory = np.frombuffer(source, np.uint8)
            self.size = len(self.memory)
        else:
            self.name = str(getattr(source, "name", "stream"))
            self._stream = source

    def _open(self, path: Path) -> None:
        try:
            file = path.open("rb", buffering=0)
            mode = os.fstat(file.fileno())
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from error
        self._stream, self._close = file, True
        if stat.S_ISREG(mode.st_mode):
            self.size = mode.st_size

    def read(self, into: NDArray[np.uint8]) -> int:
        """Fills from the front with what is there, waiting for at least one byte; 0 at the end. Raises CaptureError."""
        stream = self._stream
        if stream is None:
            return 0
        view = into.data
        try:
            while True:
                # A BufferedReader's readinto waits until the buffer is full; readinto1 hands on what has come.
                got = stream.readinto1(view) if isinstance(stream, io.BufferedIOBase) else stream.readinto(view)
                if got is not None:
                    return got
                select.select([stream], [], [])
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be read: {error.strerror or error}") from error

    def close(self) -> None:
        if self._close and isinstance(self._stream, io.IOBase):
            self._stream.close()
        self._stream = None


class CaptureReader:
    """An open capture; get one from ``open_capture``. A context manager.

    ``facts`` grows while the capture is read; ``facts.warnings()`` says after the last batch what was wrong with it.
    """

    def __init__(self, source: ByteSource, use_native: bool) -> None:
        self._source = source
        self._buffer: NDArray[np.uint8] = np.empty(0, np.uint8) if source.memory is None else source.memory
        self._start = 0  # first byte not consumed, in the buffer
        self._end = len(self._buffer)  # first byte not there
        self._base = 0  # offset in the capture of the buffer's first byte
        self._piece = OPEN_PIECE
        self._reuse = False  # nobody looks at an old buffer any more
        self._spare: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._format = self._recognise(use_native)

    @property
    def facts(self) -> Facts:
        return self._format.facts

    @property
    def name(self) -> str:
        """The path, or "standard input", "stream", "memory"."""
        return self._source.name

    @property
    def link_type(self) -> int:
        """1 (Ethernet) or 147 (USER0); Ethernet for a pcapng without any interface, which has no packets either."""
        link = self._format.link_type
        return LINK_ETHERNET if link is None else link

    @property
    def position(self) -> int:
        """Bytes of the capture that were turned into events or skipped."""
        return self._base + self._start

    @property
    def size(self) -> int | None:
        """Bytes of the capture when it was opened; None for a stream."""
        return self._source.size

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
                yield EventBatch.trusted(self._buffer, table[: step.events], source)
            if not self._after(step):
                return

    def pieces(self, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[LoopIngress]:
        """The same events, for a loop in C: each ingress has to be run to its end before the next one is asked for. It
        lies in memory that is used again for the one after. Raises what ``batches`` raises, and NativeMissing."""
        if not PIECE_MIN <= max_bytes <= PIECE_MAX:
            raise ValueError(f"max_bytes must be from {PIECE_MIN} to {PIECE_MAX}, not {max_bytes}")
        self._piece, self._reuse = max_bytes, True
        ingress = CaptureIngress(port=source)
        while True:
            self._format.describe(ingress)
            ingress.load(self._buffer, self._start, self._end)
            yield ingress
            step = from_c(ingress.struct.step, ingress.struct.events)
            self._start = step.position
            if not self._after(step):
                return

    def _after(self, step: Step) -> bool:
        """Does what a step asks for; False at the end of the capture."""
        self.facts.clamped += step.clamped
        if step.status is Status.CONTROL:
            return self._control()
        if step.status is Status.MORE:
            return self._more(step.need)
        if step.status is not Status.FULL:
            raise self._error(self._format.explain(step), self._start)
        return True

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _error(self, message: str, position: int) -> CaptureError:
        return CaptureError(f"{self.name}: byte {self._base + position}: {message}")

    def _recognise(self, use_native: bool) -> Format:
        """Reads up to where the link type is known."""
        while self._end < HEADER and self._fill(HEADER):
            pass
        head = self._buffer[: min(self._end, HEADER)].tobytes()
        if not head:
            raise CaptureError(f"{self.name}: empty, expected a pcap or pcapng capture; did the capture program fail?")
        if head[:4] in CLASSIC_MAGIC:
            if len(head) < HEADER:
                raise CaptureError(
                    f"{self.name}: byte {len(head)}: ends in the pcap header, expected {HEADER} bytes of it"
                )
            self._start = HEADER
            try:
                return Classic(head, use_native)
            except FormatError as error:
                raise self._error(str(error), error.position) from None
        if head[:4] != PCAPNG_MAGIC:
            raise CaptureError(
                f"{self.name}: byte 0: not a capture, expected pcap or pcapng but found {name_first_bytes(head)}"
            )
        form = Pcapng(use_native)
        self._format = form
        if not self._control():
            raise CaptureError(f"{self.name}: byte {self._end}: ends in the pcapng section header")
        none = np.empty(1, EVENT)
        while form.link_type is None:
            step = form.index(self._buffer, self._start, self._end, none)
            self._start = step.position
            if step.status is Status.CONTROL:
                if not self._control():
                    break
            elif step.status is Status.MORE:
                if not self._more(step.need):
                    break
            else:
                raise self._error(form.explain(step), self._start)
        return form

    def _control(self) -> bool:
        """Lets the format read the block at the start; False if the capture ends in it."""
        while True:
            try:
                step = self._format.control(self._buffer, self._start, self._end)
            except FormatError as error:
                raise self._error(str(error), error.position) from None
            self._start = step.position
            if step.status is not Status.MORE:
                return True
            if not self._more(step.need):
                return False

    def _more(self, need: int) -> bool:
        """Reads until the record at the start, of ``need`` bytes, can be there; False, and noted, if it never will."""
        while self._end - self._start < need:
            if not self._fill(need):
                left = self._end - self._start
                if left:
                    self.facts.cut_at, self.facts.cut_bytes = self.position, left
                return False
        return True

    def _fill(self, need: int) -> bool:
        """Reads once, after the bytes that are there; False at the end."""
        if self._source.memory is not None:
            return False
        left = self._end - self._start
        if len(self._buffer) - self._start < need or len(self._buffer) - self._end < self._piece // 4:
            # Batches that were handed out still look at the old buffer, so it is replaced, not reused.
            fresh = self._spare if self._reuse and len(self._spare) >= max(self._piece, need) else None
            if fresh is None:
                fresh = np.empty(max(self._piece, need), np.uint8)
            if self._reuse:
                self._spare = self._buffer
            fresh[:left] = self._buffer[self._start : self._end]
            self._base += self._start
            self._buffer, self._start, self._end = fresh, 0, left
        got = self._source.read(self._buffer[self._end :])
        self._end += got
        return got > 0


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
