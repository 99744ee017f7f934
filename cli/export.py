"""Opens the capture that a command writes matches to; never one that it is reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .errors import Exit, Failure

Writer = TypeVar("Writer")


def open_writer(make: Callable[[str, int], Writer], target: str, source: str | None, link_type: int) -> Writer:
    """A nanosecond pcap, which ``make`` opens; "-" is standard output. ``source``: the file that is read, if any.

    Raises Failure if ``target`` is the file that is read, CaptureError if it cannot be written."""
    there = source is not None and "-" not in (target, source) and Path(target).exists() and Path(source).exists()
    if there and source is not None and Path(target).samefile(source):
        raise Failure(f"{target}: is the capture that is read; write to another file", Exit.USAGE)
    return make(target, link_type)
