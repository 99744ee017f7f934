"""The options that say what a command reads: a file (-r), or what arrives (-i), and where that ends.

One idea: what was asked for is plain data; only who opens it (``captures``) needs what opening takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from sevenm.boundary import CAPTURE_MAX

from .choices import registered

Command = TypeVar("Command", bound=Callable[..., int])
READ = "Capture to read, pcap or pcapng; - is standard input. For rules on records also a file of bare records."
SECONDS_MAX = 1e9
EVENTS_MAX = 1 << 62


def _read(required: bool) -> Callable[[Command], Command]:
    return click.option("-r", "--read", "source", required=required, metavar="IN", help=READ)


_ingress = click.option(
    "--ingress",
    metavar="NAME",
    callback=registered("sevenm.host.ingress:INGRESS"),
    help="What IN is: capture, records, or another one that `sevenm devices` lists. Default: a capture, except that "
    "for rules on records a file that does not begin like one holds bare records.",
)
_LIVE = (
    click.option(
        "-i",
        "--interface",
        metavar="SPEC",
        help="Receive instead of reading: an interface's name, or KIND:NAME with a kind that `sevenm devices` lists.",
    ),
    click.option("-c", "--max-events", "events", type=click.IntRange(1, EVENTS_MAX), metavar="N", help="End after N."),
    click.option(
        "--seconds", type=click.FloatRange(0, SECONDS_MAX, min_open=True), metavar="S", help="End after S seconds."
    ),
    click.option("-p", "--no-promiscuous", is_flag=True, help="With -i: only what the interface receives anyway."),
    click.option(
        "-s",
        "--snaplen",
        type=click.IntRange(1, CAPTURE_MAX),
        metavar="BYTES",
        help=f"With -i: keep at most so many bytes of a packet; {CAPTURE_MAX} by default.",
    ),
    click.option("--hardware-time", is_flag=True, help="With -i: the interface's own timestamps, where it has them."),
    click.option("--user", metavar="NAME", help="With -i: become this user, for good, once the input is open."),
    click.option(
        "--prefilter/--no-prefilter",
        default=None,
        help="With -i xdp:…: drop in the kernel what no rule wants, and count it. By default where that can be done; "
        "with --prefilter it must.",
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """``read`` or ``interface`` is given. ``events`` and ``seconds``: where it ends; ``snaplen``: bytes of a packet
    that are kept; None: no limit. The rest is about ``interface``."""

    read: str | None
    ingress: str | None
    interface: str | None
    user: str | None
    events: int | None
    seconds: float | None
    promiscuous: bool
    snaplen: int | None
    hardware_time: bool
    prefilter: bool | None

    @property
    def capture(self) -> str | None:
        """The capture that is read to its end, or to so many matches; None if it is something else."""
        return self.read if self.ingress in (None, "capture") and self.seconds is None else None


def read_options(command: Command) -> Command:
    """Adds -r and --ingress, as ``source`` and ``ingress``."""
    return _read(required=True)(_ingress(command))


def input_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds -r, -i and what belongs to them; the command gets them as ``asked``."""

    @wraps(command)
    def wrapped(
        source: str | None,
        ingress: str | None,
        interface: str | None,
        events: int | None,
        seconds: float | None,
        no_promiscuous: bool,
        snaplen: int | None,
        hardware_time: bool,
        user: str | None,
        prefilter: bool | None,
        **others: Any,
    ) -> int:
        if (source is None) == (interface is None):
            raise click.UsageError("say what to read: either -r IN, a capture, or -i SPEC, an interface.")
        only_live = {"-p": no_promiscuous, "-s": snaplen, "--hardware-time": hardware_time, "--user": user}
        only_live["--prefilter"] = prefilter
        given = [name for name, value in only_live.items() if value]
        if source is not None and given:
            raise click.UsageError(f"{given[0]} is about what is received with -i, not about a file.")
        if interface is not None and ingress is not None:
            raise click.UsageError(f"--ingress is about the file of -r; say -i {ingress}:{interface}.")
        asked = Asked(
            source, ingress, interface, user, events, seconds, not no_promiscuous, snaplen, hardware_time, prefilter
        )
        return command(asked=asked, **others)

    decorated: Callable[..., int] = wrapped
    for option in reversed((_read(required=False), _ingress, *_LIVE)):
        decorated = option(decorated)
    return decorated
