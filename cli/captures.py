"""Opens what the commands read: whatever an installed package knows to open, if it fits the rules' source."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import click

from sevenm.compiler.plan import Plan
from sevenm.events import open_events as open_named
from sevenm.host.batch import EventBatch
from sevenm.host.ingress import INGRESS, Ingress

from . import output
from .engines import registered
from .errors import Exit, Failure

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

    Raises what ``sevenm.events.open_events`` does, Failure for a terminal. Says on standard error, when the work is
    done, which defects the source had."""
    if source == "-" and sys.stdin.isatty():
        raise Failure("standard input is a terminal; give a capture: sevenm ... -r - < in.pcap", Exit.USAGE)
    with closing(open_named(source, plan, ingress)) as reader:
        yield reader
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")


def batches(reader: Ingress) -> Iterator[EventBatch]:
    """The reader's batches, with a progress bar on a terminal."""
    with output.progress_bar("reading", reader.size) as bar:
        for batch in reader.batches():
            yield batch
            bar.at(reader.position)
