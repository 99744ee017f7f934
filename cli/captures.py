"""Opens what the commands read: captures, or bare records, that fit the rules' source."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import LINK_ETHERNET
from sevenm.host.capture.pcap import CaptureReader, open_capture
from sevenm.host.capture.pcap_classic import MAGIC as CLASSIC_MAGIC
from sevenm.host.capture.pcapng import MAGIC as PCAPNG_MAGIC
from sevenm.host.capture.records import RecordReader, open_records

from . import output
from .errors import Exit, Failure

Reader = CaptureReader | RecordReader
MAGICS = (*CLASSIC_MAGIC, PCAPNG_MAGIC)

read_option = click.option(
    "-r",
    "--read",
    "source",
    required=True,
    metavar="IN",
    help="Capture to read, pcap or pcapng; - is standard input. For rules on records also a file of bare records.",
)


@contextmanager
def open_events(source: str, plan: Plan) -> Iterator[Reader]:
    """The events of a file or of standard input ("-").

    Raises CaptureError for what cannot be read, Failure if its events are not what the rules are on. Says on standard
    error, when the work is done, which defects the capture had."""
    if source == "-" and sys.stdin.isatty():
        raise Failure("standard input is a terminal; give a capture: sevenm ... -r - < in.pcap", Exit.USAGE)
    with _open(source, plan) as reader:
        if plan.source == "packet" and reader.link_type != LINK_ETHERNET:
            raise Failure(f"{reader.name}: holds schema records, but the rules are on packets")
        if plan.source == "record" and reader.link_type == LINK_ETHERNET:
            raise Failure(
                f"{reader.name}: holds Ethernet frames, but the rules are on bare records; "
                f"say `over udp.dstport == PORT` in the block if the records come in UDP"
            )
        yield reader
        for warning in reader.facts.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")


def batches(reader: Reader) -> Iterator[EventBatch]:
    """The reader's batches, with a progress bar on a terminal."""
    with output.progress_bar("reading", reader.size) as bar:
        for batch in reader.batches():
            yield batch
            bar.at(reader.position)


def _open(source: str, plan: Plan) -> Reader:
    if plan.source == "record" and source != "-" and not _is_capture(Path(source)):
        return open_records(source, plan.layouts[0].size)
    return open_capture(source)


def _is_capture(path: Path) -> bool:
    """Whether the file starts like a capture; a pipe or what cannot be read is taken for one."""
    try:
        if not path.is_file():
            return True
        with path.open("rb") as file:
            return file.read(4) in MAGICS
    except OSError:
        return True
