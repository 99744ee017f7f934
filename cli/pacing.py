"""What `publish` and `replay` share: the options --pace and --rate, what they read, and the loop that hands it out."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import click

from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.capture.pcap import open_capture
from sevenm.host.ingress import Ingress
from sevenm.host.replay import Original, Pace, Pacer, Rate

from . import output
from .captures import batches
from .errors import Exit, Failure
from .signals import Stop

Command = TypeVar("Command", bound=Callable[..., int])
RATE = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[kMG]?)(/s)?")
SPEED = re.compile(r"x(?P<number>\d+(\.\d+)?)")
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def _rate(context: click.Context, option: click.Parameter, text: str | None) -> Rate | None:
    if text is None:
        return None
    found = RATE.fullmatch(text)
    if found is None or float(found["number"]) == 0:
        raise click.BadParameter(f"{text!r} is not a number of events per second, like 5000, 20k or 1.5M/s.")
    return Rate(float(found["number"]) * UNITS[found["unit"]])


def _pace(context: click.Context, option: click.Parameter, text: str) -> Original | None:
    if text == "full":
        return None
    found = SPEED.fullmatch("x1" if text == "original" else text)
    if found is None or float(found["number"]) == 0:
        raise click.BadParameter(f"{text!r} is not one of full, original, xN (x2 is twice as fast, x0.5 half as fast).")
    return Original(float(found["number"]))


def pace_options(default: str) -> Callable[[Command], Command]:
    """Adds --pace and --rate, as ``pace`` and ``rate``."""

    def add(command: Command) -> Command:
        pace = click.option(
            "--pace",
            metavar="PACE",
            default=default,
            show_default=True,
            callback=_pace,
            help="original: with the times of the events; xN: N times as fast as that; full: without waiting.",
        )
        rate = click.option("--rate", metavar="N", callback=_rate, help="N events per second (20k, 1.5M), evenly.")
        return pace(rate(command))

    return add


def chosen(pace: Pace | None, rate: Pace | None) -> Pace | None:
    """The one that was asked for. Raises UsageError for both."""
    source = click.get_current_context().get_parameter_source("pace")
    if rate is not None and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("--pace and --rate exclude each other.")
    return rate or pace


@contextmanager
def open_frames(source: str) -> Iterator[Ingress]:
    """A capture of Ethernet frames, without rules that say so; "-" is standard input. Says its defects at the end.

    Raises CaptureError, also for a capture of records, and Failure for a terminal."""
    if source == "-" and sys.stdin.isatty():
        raise Failure("standard input is a terminal; give a capture: sevenm ... < in.pcap", Exit.USAGE)
    with closing(open_capture(source)) as reader:
        if reader.link_type != LINK_ETHERNET:
            raise CaptureError(f"{reader.name}: holds schema records, not Ethernet frames")
        yield reader
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")


@dataclass
class Done:
    """What was handed out; ``behind``: seconds by which the pace could not be held."""

    events: int = 0
    bytes: int = 0
    seconds: float = 0.0
    behind: float = 0.0

    @property
    def rate(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    def text(self) -> str:
        """12 events in 0.60 s (20 events/s)."""
        late = f", {self.behind:.2f} s behind the pace" if self.behind >= 0.005 else ""
        return (
            f"{output.plural(self.events, 'event')} in {self.seconds:.2f} s ({output.quantity(self.rate, 'events/s')})"
            f"{late}"
        )


def hand_out(
    reader: Ingress,
    pace: Pace | None,
    count: int | None,
    take: Callable[[EventBatch], object],
    stop: Stop,
    done: Done,
    idle: Callable[[], object] = lambda: None,
) -> None:
    """Gives ``take`` the events when they are due, ``count`` at most, until a signal comes; ``done`` says how far.
    ``idle`` is called after each sleep, of 100 ms at most."""
    pacer, start = Pacer(pace), time.monotonic()
    parts = (part for batch in batches(reader) for part in pacer.parts(batch))
    for part in parts:
        if stop():
            return
        if part is None:
            idle()
            continue
        if count is not None and done.events + len(part) > count:
            part = part.slice(0, count - done.events)
        if len(part):
            take(part)
        done.events += len(part)
        done.bytes += part.cap_bytes
        done.seconds, done.behind = time.monotonic() - start, pacer.behind
        if done.events == count:
            return
