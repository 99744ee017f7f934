"""Writes events as a nanosecond pcap, to a file or to standard output.

One idea: a batch becomes one block of bytes and one write; nothing is kept back, so whoever reads a pipe sees matches
as they happen. Timestamps past the year 2106, which pcap cannot hold, become its last one.
"""

from __future__ import annotations

import errno
import struct
import sys
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CAP_MAX, LINK_ETHERNET, LINK_USER0, CaptureError
from sevenm.host.engine.actions import pack
from sevenm.host.native import available, native

HEADER = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
MAGIC_NS = 0xA1B23C4D
SECONDS_MAX = 0xFFFFFFFF


class ReaderGone(CaptureError):
    """The program that reads the pipe has ended."""


class CaptureWriter:
    """Opens ``path`` ("-" is standard output) and writes the header. A context manager.

    ``link_type``: 1 (Ethernet) or 147 (USER0). Raises CaptureError where writing fails, ReaderGone for a closed pipe.
    """

    def __init__(self, path: str | Path, link_type: int = LINK_ETHERNET, use_native: bool | None = None) -> None:
        if link_type not in (LINK_ETHERNET, LINK_USER0):
            raise ValueError(f"link_type must be {LINK_ETHERNET} or {LINK_USER0}, not {link_type}")
        self._use_native = available() if use_native is None else use_native
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

    def write(self, batch: EventBatch, mask: NDArray[np.bool_] | None = None) -> int:
        """Writes the events where ``mask`` ((n,) bool) is set, or all; returns how many."""
        if mask is None:
            mask = np.ones(len(batch), np.bool_)
        if mask.shape != (len(batch),) or mask.dtype != np.bool_:
            raise ValueError(f"mask must be ({len(batch)},) bool, not {mask.shape} {mask.dtype}")
        count = int(np.count_nonzero(mask))
        if count:
            self._put(self._native(batch, mask) if self._use_native else self._python(batch, mask))
            self.events += count
        return count

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

    def __enter__(self) -> CaptureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._drop()

    def _native(self, batch: EventBatch, mask: NDArray[np.bool_]) -> memoryview:
        ffi, lib = native()
        select = pack(mask[None])
        sizes = np.minimum(batch.events["cap_len"][mask], CAP_MAX)
        out = np.empty(int(sizes.sum(dtype=np.uint64)) + RECORD.size * len(sizes), np.uint8)
        lib.sm_pcap_write(
            ffi.from_buffer("uint8_t[]", batch.buffer),
            ffi.from_buffer("sm_event[]", batch.events),
            len(batch),
            ffi.from_buffer("uint64_t[]", select),
            CAP_MAX,
            ffi.from_buffer("uint8_t[]", out),
        )
        return out.data

    def _python(self, batch: EventBatch, mask: NDArray[np.bool_]) -> memoryview:
        data = batch.buffer.data
        out = bytearray()
        for offset, ts_ns, cap_len, wire_len in batch.events[mask].tolist():
            seconds, fraction = divmod(ts_ns, 10**9)
            if seconds > SECONDS_MAX:
                seconds, fraction = SECONDS_MAX, 10**9 - 1
            held = min(cap_len, CAP_MAX)
            out += RECORD.pack(seconds, fraction, held, max(wire_len, held))
            out += data[offset : offset + held]
        return memoryview(out)

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
