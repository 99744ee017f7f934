"""Opens what the commands read: whatever an installed package knows to open, if it fits the rules' source."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import click

from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.capture.pcap_classic import MAGIC as CLASSIC_MAGIC
from sevenm.host.capture.pcapng import MAGIC as PCAPNG_MAGIC
from sevenm.host.ingress import INGRESS, Ingress, Wanted

from . import output
from .engines import registered
from .errors import Exit, Failure

MAGICS = (*CLASSIC_MAGIC, PCAPNG_MAGIC)
CAPTURE, RECORDS = "capture", "records"
Command = TypeVar("Command", bound=Callable[..., int])

_read = click.option(
    "-r",
    "--read",
    "source",
    required=True,
    metavar="IN",
    help="Capture to read, pcap or pcapng; - is standard input. For rules on records also a file of bare records.",
)
_ingress = click.option(
    "--ingress",
    metavar="NAME",
    callback=registered(INGRESS),
    help="What IN is: capture, records, or another one that `sevenm devices` lists. Default: a capture, except that "
    "for rules on records a file that does not begin like one holds bare records.",
)


def read_options(command: Command) -> Command:
    """Adds -r and --ingress, as ``source`` and ``ingress``."""
    return _read(_ingress(command))


@contextmanager
def open_events(source: str, ingress: str | None, plan: Plan) -> Iterator[Ingress]:
    """The events that ``source`` names; "-" is standard input.

    Raises CaptureError for what cannot be read, Failure if its events are not what the rules are on. Says on standard
    error, when the work is done, which defects the source had."""
    if source == "-" and sys.stdin.isatty():
        raise Failure("standard input is a terminal; give a capture: sevenm ... -r - < in.pcap", Exit.USAGE)
    kind = ingress or _kind(source, plan)
    with closing(_open(kind, source, plan, guessed=ingress is None)) as reader:
        _check_link(reader, plan, guessed=ingress is None)
        yield reader
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")


def batches(reader: Ingress) -> Iterator[EventBatch]:
    """The reader's batches, with a progress bar on a terminal."""
    with output.progress_bar("reading", reader.size) as bar:
        for batch in reader.batches():
            yield batch
            bar.at(reader.position)


def _open(name: str, source: str, plan: Plan, guessed: bool) -> Ingress:
    kind = INGRESS.load(name)
    lacks = kind.missing()
    if lacks is not None:
        raise Failure(f"the ingress {name} is not available: {lacks}", Exit.ENGINE)
    wanted = Wanted(plan.layouts[0].size if plan.source == "record" else None)
    try:
        return kind.open(source, wanted)
    except CaptureError as error:
        raise CaptureError(f"{error}{_other_reading(plan, guessed)}") from error


def _check_link(reader: Ingress, plan: Plan, guessed: bool) -> None:
    if plan.source == "packet" and reader.link_type != LINK_ETHERNET:
        raise Failure(f"{reader.name}: holds schema records, but the rules are on packets")
    if plan.source == "record" and reader.link_type == LINK_ETHERNET:
        raise Failure(
            f"{reader.name}: holds Ethernet frames, but the rules are on bare records; "
            f"say `over udp.dstport == PORT` in the block if the records come in UDP" + _other_reading(plan, guessed)
        )


def _other_reading(plan: Plan, guessed: bool) -> str:
    """What to say where the source was taken for a capture, and may be a file of records that begins like one."""
    if plan.source != "record" or not guessed:
        return ""
    return "; if it holds bare records, say --ingress records"


def _kind(source: str, plan: Plan) -> str:
    if plan.source == "record" and source != "-" and not _is_capture(Path(source)):
        return RECORDS
    return CAPTURE


def _is_capture(path: Path) -> bool:
    """Whether the file starts like a capture; a pipe or what cannot be read is taken for one."""
    try:
        if not path.is_file():
            return True
        with path.open("rb") as file:
            return file.read(4) in MAGICS
    except OSError:
        return True
