"""What the commands read: a file (-r), or what arrives (-i), and where that ends.

One idea: a command is given one Input, whatever options it was made from; opening it gives an ingress that fits the
rules, or one message that says why not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import click

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler.plan import Plan
from sevenm.events import open_events as open_named
from sevenm.events import open_live, open_split
from sevenm.host.batch import EventBatch
from sevenm.host.ingress import INGRESS, Ingress, LiveOptions
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.privileges import become
from sevenm.host.live.split import Split
from sevenm.host.live.until import Until
from sevenm.host.live.xdp import XdpIngress
from sevenm.host.live.xdp_program import PrefilterError
from sevenm.prefilter import drop_unwanted, prepare

from . import output
from .engines import registered
from .errors import Exit, Failure
from .signals import until_stopped

Command = TypeVar("Command", bound=Callable[..., int])
READ = "Capture to read, pcap or pcapng; - is standard input. For rules on records also a file of bare records."
SECONDS_MAX = 1e9
EVENTS_MAX = 1 << 62


def _read(required: bool) -> Callable[[Command], Command]:
    return click.option("-r", "--read", "source", required=required, metavar="IN", help=READ)


_ingress = click.option(
    "--ingress",
    metavar="NAME",
    callback=registered(INGRESS),
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
class Input:
    """``read`` or ``interface`` is given. ``until``: where it ends."""

    read: str | None
    ingress: str | None
    interface: str | None
    user: str | None
    options: LiveOptions
    until: Until
    prefilter: bool | None = None

    @property
    def name(self) -> str:
        return self.read or self.interface or ""

    @property
    def live(self) -> bool:
        return self.interface is not None

    @contextmanager
    def open(self, plan: Plan) -> Iterator[Ingress]:
        """The events; of a live ingress none yet. From here on the process is ``user``, and the first SIGINT or SIGTERM
        ends it as if the last event had come. Raises what ``open_events`` and ``sevenm.events.open_live`` do,
        PrivilegeError."""
        if self.interface is None:
            with open_events(self.read or "", self.ingress, plan) as reader:
                yield reader
            return
        with closing(open_live(self.interface, plan, self.options)) as live, until_stopped() as stop:
            self.until.ask(stop)
            said = self._prefilter(live, plan, drop_unwanted)
            if self.user is not None:
                become(self.user)
            said = [*live.warnings(), *said]
            for warning in said:
                output.say(f"sevenm: {live.name}: {warning}")
            yield live
            for warning in live.warnings():
                if warning not in said:
                    output.say(f"sevenm: {live.name}: {warning}")

    @contextmanager
    def open_split(self, plan: Plan, workers: int) -> Iterator[Split]:
        """The same of a live ingress in so many parts. Raises what ``sevenm.events.open_split`` does, and
        PrivilegeError."""
        with closing(open_split(self.interface or "", plan, workers, self.options)) as parts, until_stopped() as stop:
            self.until.ask(stop)
            said = [line for part in parts.parts[:1] for line in self._prefilter(part, plan, drop_unwanted)]
            if self.user is not None:
                become(self.user)
            said = [*parts.warnings(), *said]
            for warning in said:
                output.say(f"sevenm: {parts.name}: {warning}")
            yield parts

    def begin(self, reader: Ingress | Split) -> None:
        """A live ingress receives from now on, which is said. Raises CaptureError."""
        if isinstance(reader, LiveIngress | Split):
            reader.begin()
            output.say(f"sevenm: receiving from {reader.name}")

    def ready(self, reader: Ingress | Split, plan: Plan) -> list[str]:
        """What has to be there before other rules can take over: their prefilter. Returns what there is to say of it.
        Raises Failure if it must be there and cannot."""
        live = reader.parts[0] if isinstance(reader, Split) else reader
        return self._prefilter(live, plan, prepare) if isinstance(live, LiveIngress) else []

    def _prefilter(self, live: LiveIngress, plan: Plan, put: Callable[[XdpIngress, Plan], list[str]]) -> list[str]:
        """Puts it in front of AF_XDP; what there is to say of it. Raises Failure if it must be there and cannot."""
        if not isinstance(live, XdpIngress):
            if self.prefilter:
                raise Failure("--prefilter is about AF_XDP; say -i xdp:INTERFACE", Exit.USAGE)
            return []
        if self.prefilter is False:
            return []
        try:
            return put(live, plan)
        except PrefilterError as error:
            if self.prefilter:
                raise Failure(str(error), Exit.INPUT) from error
            return [str(error)]


def read_options(command: Command) -> Command:
    """Adds -r and --ingress, as ``source`` and ``ingress``."""
    return _read(required=True)(_ingress(command))


def input_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds -r, -i and what belongs to them; the command gets an Input as ``source``."""

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
        options = LiveOptions(not no_promiscuous, snaplen or CAPTURE_MAX, hardware_time)
        given_input = Input(source, ingress, interface, user, options, Until(events, seconds), prefilter)
        return command(source=given_input, **others)

    decorated: Callable[..., int] = wrapped
    for option in reversed((_read(required=False), _ingress, *_LIVE)):
        decorated = option(decorated)
    return decorated


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


def received(counts: dict[str, int], unit: str, reader: Ingress | Split) -> str:
    """What a live ingress counted, in one line."""
    by = reader.drops_by if isinstance(reader, LiveIngress | Split) else "kernel"
    line = f"{output.plural(counts['received'], unit)} received, {counts['dropped']:,} dropped by the {by}"
    others = {name: n for name, n in counts.items() if n and name not in ("received", "dropped")}
    return ", ".join([line, *(f"{n:,} {name.replace('_', ' ')}" for name, n in others.items())])
