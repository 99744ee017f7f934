"""Rings as the commands make them: their shape, from options, and for a run one per channel, named PREFIX.CHANNEL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from sevenm.host.bundle import Bundle
from sevenm.host.editions import ChannelRing, RingsOf
from sevenm.host.engine.delivery import BLOCK_TIMEOUT
from sevenm.host.ring import POLICIES, SLOTS, Ring, RingWriter, sets
from sevenm.host.ring.record import PACKET_SLOT, slot_size_for

from . import output
from .errors import Exit, Failure

DEADLINE_MAX = 86400
_SHAPE = (
    click.option(
        "--policy",
        type=click.Choice(POLICIES),
        default="drop_newest",
        show_default=True,
        help="What a full ring does: count what has no room as undelivered, wait for its reader, or write over the "
        "oldest. It is for the reader without a name of its own; others say it for themselves.",
    ),
    click.option(
        "--slots", type=click.IntRange(1), default=SLOTS, show_default=True, metavar="N", help="A power of two."
    ),
    click.option(
        "--slot-size",
        type=click.IntRange(1),
        metavar="BYTES",
        help="32 of header, the rest for data; longer events are cut. Default: 128, or what a record needs.",
    ),
)
_DELIVERY = (
    click.option(
        "--ring",
        "prefix",
        metavar="PREFIX",
        help="Deliver into shared memory: one ring per channel, named PREFIX.CHANNEL, that other processes attach to.",
    ),
    click.option(
        "--deadline",
        type=click.FloatRange(0, DEADLINE_MAX),
        default=BLOCK_TIMEOUT,
        show_default=True,
        metavar="S",
        help="With --policy block: how long a reader that makes no room is waited for; 0 is as long as it lives.",
    ),
)


@dataclass(frozen=True)
class Shape:
    """``slot_size``: None for what the data needs."""

    policy: str
    slots: int
    slot_size: int | None

    def create(self, name: str, record_size: int | None, layout_hash: int, digest: str | None = None) -> RingWriter:
        """A ring for records of ``record_size`` bytes, None for packets. Raises Failure for what cannot be, and what
        ``RingWriter.create`` does."""
        size = self.slot_size or (PACKET_SLOT if record_size is None else slot_size_for(record_size))
        try:
            return RingWriter.create(name, self.slots, size, self.policy, layout_hash=layout_hash, digest=digest)
        except ValueError as error:
            raise Failure(f"ring {name}: {error}", Exit.USAGE) from None


@dataclass(frozen=True)
class Rings:
    """Where a run delivers: into rings of this shape whose names begin with ``prefix``, or None: nowhere."""

    prefix: str | None
    shape: Shape
    deadline: float

    @contextmanager
    def open(self, bundle: Bundle, measured: bool = False, workers: int = 1) -> Iterator[Outlets]:
        """With a ring for each channel of the bundle and each worker, which keeps latencies if ``measured``.

        Raises Failure if there is none, or one cannot be made.

        The rings stay when the run is over, so that a reader can take what it has not read yet."""
        if self.prefix is not None and not bundle.channels:
            raise Failure(f"{bundle.name} has no channel, so there is nothing to deliver; say `deliver NAME` in a rule")
        with ExitStack() as stack:
            outlets = Outlets(self, stack, measured, workers)
            outlets(bundle)
            yield outlets


class Outlets:
    """The rings of a run. A channel has one for each worker from the first rules on that name it until the run ends:
    PREFIX.CHANNEL of a single worker, else PREFIX.CHANNEL.0, PREFIX.CHANNEL.1, …"""

    def __init__(self, rings: Rings, stack: ExitStack, measured: bool, workers: int) -> None:
        self._rings, self._stack, self._measured, self._workers = rings, stack, measured, workers
        self._writers: dict[str, tuple[RingWriter, ...]] = {}
        """By channel, one for each worker."""
        self._making = threading.Lock()

    def __call__(self, bundle: Bundle) -> Mapping[str, ChannelRing]:
        """A writer of the first worker for each of its channels, by name; none where nothing is delivered. Raises
        Failure where one cannot be made; those that were stay."""
        return self.of(0)(bundle)

    def of(self, worker: int) -> RingsOf:
        """The same of another worker."""

        def rings(bundle: Bundle) -> Mapping[str, RingWriter]:
            with self._making:
                self._make(bundle)
            return {} if self._rings.prefix is None else {name: self._writers[name][worker] for name in bundle.channels}

        return rings

    def _make(self, bundle: Bundle) -> None:
        """Those of the bundle's channels that are not there yet, the ring of worker 0 last (``host.ring.sets``)."""
        prefix, new = self._rings.prefix, [name for name in bundle.channels if name not in self._writers]
        if prefix is None or not new:
            return
        identity = bundle.layouts[0].hash if bundle.source == "record" else 0
        names = ring_names(prefix, new)
        for channel, name in names.items():
            own = [name] if self._workers == 1 else [sets.member(name, worker) for worker in range(self._workers)]
            _check_others(name, own)
            made: list[RingWriter] = []
            for one in reversed(own):
                ring = self._rings.shape.create(one, bundle.record_size, identity, bundle.digest)
                made.insert(0, self._stack.enter_context(ring))
                if self._measured:
                    ring.measure()
            self._writers[channel] = tuple(made)
        each = "" if self._workers == 1 else f", a ring for each of {self._workers} workers"
        output.say(f"sevenm: delivering into {', '.join(names.values())}{each}")

    @property
    def names(self) -> list[str]:
        """Of all that there are."""
        return [ring.name for rings in tuple(self._writers.values()) for ring in rings]


def _check_others(name: str, own: Sequence[str]) -> None:
    """Raises Failure for rings of the channel that a run with another number of workers left: who takes the channel by
    its name would get these instead, or too."""
    there = [one for one in (name, *sets.members(name)) if one in Ring.names()]
    if there and there != own:
        raise Failure(
            f"ring {', '.join(there)}: left from a run with another number of workers; read what is in there, and "
            f"remove it: sevenm ring rm {' '.join(there)}"
        )


def shape_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --policy, --slots and --slot-size; the command gets a Shape as ``shape``."""

    @wraps(command)
    def wrapped(policy: str, slots: int, slot_size: int | None, **others: Any) -> int:
        return command(shape=Shape(policy, slots, slot_size), **others)

    return _decorated(wrapped, _SHAPE)


def delivery_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --ring, --deadline and those of the shape; the command gets Rings as ``rings``."""

    @wraps(command)
    def wrapped(prefix: str | None, shape: Shape, deadline: float, **others: Any) -> int:
        context = click.get_current_context()
        for name in ("policy", "slots", "slot_size", "deadline"):
            said = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
            if said and prefix is None:
                raise click.UsageError(f"--{name.replace('_', '-')} is about rings; say --ring PREFIX as well.")
        return command(rings=Rings(prefix, shape, deadline), **others)

    return _decorated(shape_options(wrapped), _DELIVERY)


def _decorated(command: Callable[..., int], options: Sequence[Callable[..., Any]]) -> Callable[..., int]:
    for option in reversed(options):
        command = option(command)
    return command


def ring_names(prefix: str, channels: Sequence[str]) -> dict[str, str]:
    """PREFIX.CHANNEL of each channel. Raises Failure if one of them cannot be a ring's name."""
    if not prefix:
        raise Failure("--ring needs a PREFIX, not an empty one: rings are named PREFIX.CHANNEL", Exit.USAGE)
    names = {channel: f"{prefix}.{channel}" for channel in channels}
    for name in sorted(names.values(), key=len, reverse=True):
        try:
            Ring.check_name(name)
        except ValueError as error:
            raise Failure(
                f"--ring names rings PREFIX.CHANNEL, and {error} ({len(name)} characters)", Exit.USAGE
            ) from None
    return names
