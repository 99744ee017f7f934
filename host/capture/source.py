"""Where the bytes of a capture come from: a file, a stream or memory."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from sevenm.host.capture.format import CaptureError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Stream(Protocol):
    """What a stream has to have: sys.stdin.buffer, a pipe's end, a socket's file or a raw file all do."""

    def readinto(self, into: memoryview, /) -> int | None: ...
    def fileno(self) -> int: ...


Source: TypeAlias = "str | Path | bytes | bytearray | memoryview | NDArray[np.uint8] | Stream"


class ByteSource:
    """Bytes in order, from a file, a stream or memory. ``size`` is None where it cannot be known."""

    def __init__(self, source: Source) -> None:
        self.size: int | None = None
        self.memory: memoryview | None = None
        self._stream: Stream | None = None
        self._close = False
        if isinstance(source, str | Path):
            self.name = "standard input" if str(source) == "-" else str(source)
            if str(source) == "-":
                self._stream = cast(Stream, sys.stdin.buffer)
            else:
                self._open(Path(source))
        elif hasattr(source, "readinto"):
            self.name = str(getattr(source, "name", "stream"))
            self._stream = cast(Stream, source)
        else:
            self.name = "memory"
            whole = memoryview(cast(bytes, source))
            self.memory = whole.cast("B") if whole.nbytes else memoryview(b"")
            self.size = len(self.memory)

    def _open(self, path: Path) -> None:
        try:
            file = path.open("rb", buffering=0)
            mode = os.fstat(file.fileno())
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from error
        self._stream, self._close = file, True
        if stat.S_ISREG(mode.st_mode):
            self.size = mode.st_size

    def read(self, into: memoryview) -> int:
        """Fills from the front with what is there, waiting for at least one byte; 0 at the end. Raises CaptureError."""
        stream = self._stream
        if stream is None:
            return 0
        try:
            while True:
                # A BufferedReader's readinto waits until the buffer is full; readinto1 hands on what has come.
                got = stream.readinto1(into) if isinstance(stream, io.BufferedIOBase) else stream.readinto(into)
                if got is not None:
                    return got
                select.select([stream], [], [])
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be read: {error.strerror or error}") from error

    def close(self) -> None:
        if self._close and isinstance(self._stream, io.IOBase):
            self._stream.close()
        self._stream = None
