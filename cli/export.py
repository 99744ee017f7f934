"""Opens the capture that a command writes matches to; never one that it is reading."""

from __future__ import annotations

from pathlib import Path

from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.ingress import Ingress

from .errors import Exit, Failure


def open_writer(target: str, source: str | None, reader: Ingress) -> CaptureWriter:
    """A nanosecond pcap of the reader's link type; "-" is standard output. ``source``: the file that is read, if any.

    Raises Failure if ``target`` is the file that is read, CaptureError if it cannot be written."""
    there = source is not None and "-" not in (target, source) and Path(target).exists() and Path(source).exists()
    if there and source is not None and Path(target).samefile(source):
        raise Failure(f"{target}: is the capture that is read; write to another file", Exit.USAGE)
    return CaptureWriter(target, reader.link_type)
