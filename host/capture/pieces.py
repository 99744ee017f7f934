"""Reads captures, pcap or pcapng, from a file, a stream or memory, in pieces that a loop in C indexes as it goes.

One idea: bytes are read in large pieces into a buffer, the format's indexer finds the records in it, and only a record
that a piece cuts is copied, to the start of the next buffer. A stream is handed on as it comes: a piece is what has
arrived. Memory is bounded by one piece, or one record if that is larger (at most BLOCK_MAX). Nothing here needs NumPy;
batches, which do, are ``sevenm.host.capture.pcap``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

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
from sevenm.host.capture.source import ByteSource, Source
from sevenm.host.engine.ingress import CaptureIngress
from sevenm.host.native import native

PIECE_MIN, PIECE_MAX = 4096, 1 << 30
OPEN_PIECE = 1 << 16
"""Bytes asked for at a time until the header is complete."""


class CapturePieces:
    """An open capture. A context manager.

    ``facts`` grows while the capture is read; ``warnings()`` says after the last batch what was wrong with it.
    """

    def __init__(self, source: ByteSource, use_native: bool) -> None:
        self._source = source
        self._buffer = memoryview(b"") if source.memory is None else source.memory
        self._start = 0  # first byte not consumed, in the buffer
        self._end = len(self._buffer)  # first byte not there
        self._base = 0  # offset in the capture of the buffer's first byte
        self._piece = OPEN_PIECE
        self._reuse = False  # nobody looks at an old buffer any more
        self._spare = memoryview(b"")
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

    def pieces(self, max_bytes: int = 1 << 20, source: int = 0) -> Iterator[CaptureIngress]:
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

    def warnings(self) -> list[str]:
        """What was wrong with it, a sentence each; complete after the last batch."""
        return self.facts.warnings()

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Self:
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
        while form.link_type is None:
            step = form.index(self._buffer, self._start, self._end, [None])
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

    def _room(self, size: int) -> memoryview:
        """A buffer."""
        return memoryview(bytearray(size))

    def _fill(self, need: int) -> bool:
        """Reads once, after the bytes that are there; False at the end."""
        if self._source.memory is not None:
            return False
        left = self._end - self._start
        if len(self._buffer) - self._start < need or len(self._buffer) - self._end < self._piece // 4:
            # Batches that were handed out still look at the old buffer, so it is replaced, not reused.
            fresh = self._spare if self._reuse and len(self._spare) >= max(self._piece, need) else None
            if fresh is None:
                fresh = self._room(max(self._piece, need))
            if self._reuse:
                self._spare = self._buffer
            fresh[:left] = self._buffer[self._start : self._end]
            self._base += self._start
            self._buffer, self._start, self._end = fresh, 0, left
        got = self._source.read(self._buffer[self._end :])
        self._end += got
        return got > 0


def open_pieces(source: Source) -> CapturePieces:
    """Opens a path ("-" is standard input), a binary stream, or bytes in memory, and reads its header.

    Raises CaptureError for what is no capture or has a link type that rules cannot be about, and NativeMissing."""
    native()
    origin = ByteSource(source)
    try:
        return CapturePieces(origin, use_native=True)
    except BaseException:
        origin.close()
        raise
