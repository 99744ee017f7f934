"""Runs a filter's engine over a capture, in C from the first byte to the last.

One idea: this is what `sevenm filter EXPR -r IN` is mostly about, so it needs nothing but the C runtime: neither NumPy
nor the compiler. Other engines, other kinds of input and interfaces are the affair of ``filtering``.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing

from sevenm.host.capture.format import LINK_ETHERNET, NO_PACKETS, CaptureError
from sevenm.host.capture.pcap_file import PcapFile
from sevenm.host.capture.pieces import CapturePieces, open_pieces
from sevenm.host.engine.code import Code
from sevenm.host.engine.selection import ALL, Form, Selection
from sevenm.host.native import available as available

from . import output
from .errors import Exit, Failure
from .export import open_writer
from .progress import progress_bar

TERMINAL = "standard input is a terminal; give a capture: sevenm ... -r - < in.pcap"


def run(code: Code, source: str, form: Form, target: str | None, most: int = ALL) -> int:
    """``source``: a capture, "-" is standard input. ``target``: the capture to write, with PCAP. ``most``: matches
    that are enough. Closes the code. Raises Failure, CaptureError where a capture cannot be read or written,
    EngineError, OSError."""
    with closing(code), ExitStack() as stack:
        reader = stack.enter_context(open_packets(source))
        writer = None
        if target is not None:
            writer = stack.enter_context(open_writer(PcapFile, target, source, reader.link_type))
        put = writer.put if writer is not None else _print if form is Form.LINES else None
        selection = stack.enter_context(closing(Selection(code, form, put, most)))
        with progress_bar("reading", reader.size) as bar:
            for piece in reader.pieces():
                if not selection.run(piece):
                    break
                bar.at(reader.position)
        if writer is not None:
            writer.close()
            total = output.plural(selection.events, "packet")
            output.say(f"{selection.matched} of {total} match, written to {writer.name}")
        if form is Form.COUNT:
            print(selection.matched)
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")
    return Exit.OK


def open_packets(source: str) -> CapturePieces:
    """The capture, "-" is standard input. Raises Failure for a terminal, CaptureError for what is none of packets."""
    if source == "-" and sys.stdin.isatty():
        raise Failure(TERMINAL, Exit.USAGE)
    reader = open_pieces(source)
    if reader.link_type != LINK_ETHERNET:
        reader.close()
        raise CaptureError(f"{reader.name}: {NO_PACKETS}")
    return reader


def _print(lines: memoryview, count: int) -> None:
    sys.stdout.flush()
    while lines:  # Python's own -u leaves no buffer in between, and a pipe may take a part only
        lines = lines[sys.stdout.buffer.write(lines) :]
    sys.stdout.buffer.flush()
