"""A nanosecond pcap that is written, to a file or to standard output.

One idea: what is put is written at once; nothing is kept back, so whoever reads a pipe sees matches as they happen.
"""

from __future__ import annotations

import errno
import struct
import sys
from pathlib import Path
from typing import IO, Self

from sevenm.host.capture.format import CAP_MAX, LINK_ETHERNET, LINK_USER0, CaptureError

HEADER = struct.Struct("<IHHiIII")
MAGIC_NS = 0xA1B23C4D


class ReaderGone(CaptureError):
    """The program that reads the pipe has ended."""


class PcapFile:
    """Opens ``path`` ("-" is standard output) and writes the header; ``put`` takes records. A context manager.

    ``link_type``: 1 (Ethernet) or 147 (USER0). Raises CaptureError where writing fails, ReaderGone for a closed pipe.
    """

    def __init__(self, path: str | Path, link_type: int = LINK_ETHERNET) -> None:
        if link_type not in (LINK_ETHERNET, LINK_USER0):
            raise ValueError(f"link_type must be {LINK_ETHERNET} or {LINK_USER0}, not {link_type}")
        self.name = "standard output" if str(path) == "-" else str(path)
        self.events = 0
        self.bytes_written = 0
        self._own = str(path) != "-"
        self._file: IO[bytes] | None
        try:
            self._file = sys.stdout.buffer if not self._own else Path(path).open("wb", buffering=0)  # noqa: SIM115 - closed in close
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be written: {error.strerror}") from error
        try:
            self._put(memoryview(HEADER.pack(MAGIC_NS, 2, 4, 0, 0, CAP_MAX, link_type)))
        except CaptureError:
            self._drop()
            raise

    def close(self) -> None:
        """Raises CaptureError if what was written cannot be kept."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.flush()
            if self._own:
                file.close()
        except OSError as error:
            raise self._error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._drop()

    def put(self, data: memoryview, events: int) -> None:
        """Writes so many records. Raises CaptureError."""
        self._put(data)
        self.events += events

    def _put(self, data: memoryview) -> None:
        if self._file is None:
            raise CaptureError(f"{self.name}: already closed")
        try:
            left = data
            while left:
                left = left[self._file.write(left) :]
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error
        self.bytes_written += len(data)

    def _error(self, error: OSError) -> CaptureError:
        if error.errno == errno.EPIPE:
            return ReaderGone(f"{self.name}: the program that reads it has ended, after {self.events} events")
        reason = (error.strerror or str(error)).lower()
        return CaptureError(
            f"{self.name}: cannot be written on after {self.bytes_written} bytes ({self.events} events): {reason}"
        )

    def _drop(self) -> None:
        """Lets go without complaint, because something else went wrong already."""
        file, self._file = self._file, None
        if file is not None and self._own:
            try:
                file.close()
            except OSError:
                return
