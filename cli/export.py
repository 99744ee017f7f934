"""Opens the capture that a command writes matches to; never one that it is reading."""

from __future__ import annotations

from pathlib import Path

from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.ingress import Ingress

from .errors import Exit, Failure


def open_writer(target: str, source: str, reader: Ingress) -> CaptureWriter:
    """A nanosecond pcap of the reader's link type; "-" is standard output.

    Raises Failure if ``target`` is the file that is read, CaptureError if it cannot be written."""
    there = "-" not in (target, source) and all(Path(path).exists() for path in (target, source))
    if there and Path(target).samefile(source):
        raise Failure(f"{target}: is the capture that is read; write to another file", Exit.USAGE)
    return CaptureWriter(target, reader.link_type)
