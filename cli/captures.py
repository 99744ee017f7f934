"""What the commands read: a file (-r), or what arrives (-i), and where that ends.

One idea: a command has one Input, whatever options it was made from; opening it gives an ingress that fits the
rules, or one message that says why not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from sevenm.boundary import CAPTURE_MAX
from sevenm.compiler.plan import Plan
from sevenm.events import open_events as open_named
from sevenm.events import open_live, open_split
from sevenm.host.batch import EventBatch
from sevenm.host.ingress import Ingress, LiveOptions
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.privileges import become
from sevenm.host.live.split import Split
from sevenm.host.live.until import Until
from sevenm.host.live.xdp_ingress import XdpIngress
from sevenm.host.live.xdp_program import PrefilterError
from sevenm.prefilter import drop_unwanted, prepare

from . import output
from .errors import Exit, Failure
from .inputs import Asked
from .progress import progress_bar
from .selecting import TERMINAL
from .signals import until_stopped


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

    @classmethod
    def of(cls, asked: Asked) -> Input:
        options = LiveOptions(asked.promiscuous, asked.snaplen or CAPTURE_MAX, asked.hardware_time)
        until = Until(asked.events, asked.seconds)
        return cls(asked.read, asked.ingress, asked.interface, asked.user, options, until, asked.prefilter)

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


@contextmanager
def open_events(source: str, ingress: str | None, plan: Plan) -> Iterator[Ingress]:
    """The events that ``source`` names; "-" is standard input.

    Raises what ``sevenm.events.open_events`` does, Failure for a terminal. Says on standard error, when the work is
    done, which defects the source had."""
    if source == "-" and sys.stdin.isatty():
        raise Failure(TERMINAL, Exit.USAGE)
    with closing(open_named(source, plan, ingress)) as reader:
        yield reader
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")


def batches(reader: Ingress) -> Iterator[EventBatch]:
    """The reader's batches, with a progress bar on a terminal."""
    with progress_bar("reading", reader.size) as bar:
        for batch in reader.batches():
            yield batch
            bar.at(reader.position)


def received(counts: dict[str, int], unit: str, reader: Ingress | Split) -> str:
    """What a live ingress counted, in one line."""
    by = reader.drops_by if isinstance(reader, LiveIngress | Split) else "kernel"
    line = f"{output.plural(counts['received'], unit)} received, {counts['dropped']:,} dropped by the {by}"
    others = {name: n for name, n in counts.items() if n and name not in ("received", "dropped")}
    return ", ".join([line, *(f"{n:,} {name.replace('_', ' ')}" for name, n in others.items())])
