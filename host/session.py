"""One run: events from an ingress through a device, into accounts, rings and a capture.

One idea: the session owns the order of things and nothing else. Where the device's rules are C code of this machine and
nothing has to be written, the loop in C does it all, turn by turn (``sevenm.host.turns``). Otherwise it pulls a batch,
lets the device decide, counts and delivers, and goes on. What it returns is a Report whose numbers add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import LINK_ETHERNET, LINK_USER0, CaptureError, link_name
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.accounts import CAUSES, Accounts
from sevenm.host.engine.actions import Actions
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import BLOCK_TIMEOUT, Delivery
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.ingress import Ingress
from sevenm.host.latency import Latency, Summary
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.until import Until
from sevenm.host.native import available
from sevenm.host.turns import Turns


@runtime_checkable
class PieceIngress(Protocol):
    """An ingress that a loop in C can read by itself, piece by piece."""

    def pieces(self, max_bytes: int = ..., source: int = ...) -> Iterator[LoopIngress]: ...


class ChannelRing(Protocol):
    """The producer's side of a ring. ``handle`` is its ``sm_ring *``."""

    @property
    def handle(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class RuleCount:
    """Events on which the rule fired."""

    name: str
    block: str
    events: int


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """matched = delivered + the sum of undelivered, which is by cause (``sevenm.host.engine.accounts.CAUSES``)."""

    name: str
    matched: int
    delivered: int
    undelivered: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did. ``forwarded`` is events by port. ``written`` is events in the capture, None without one.
    ``seconds_device`` is spent deciding, ``seconds_total`` from the first batch asked for to the last accounted.
    ``ingress``: what a live ingress counted, and ``left``, what had arrived when it ended and was not decided; empty
    for others. ``latency``: by stage (``sevenm.host.latency``), empty where it was not measured."""

    bundle: str
    digest: str
    engine: str
    generation: int
    events: int
    bytes: int
    malformed: int
    truncated: int
    punted: int
    dropped: int
    passed: int
    forwarded: dict[int, int]
    rules: tuple[RuleCount, ...]
    channels: tuple[ChannelCount, ...]
    counters: dict[str, int]
    written: int | None
    seconds_device: float
    seconds_total: float
    device: dict[str, int] = field(default_factory=dict)
    ingress: dict[str, int] = field(default_factory=dict)
    latency: dict[str, Summary] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values, ports as text."""
        out = asdict(self)
        out["forwarded"] = {str(port): count for port, count in self.forwarded.items()}
        return out


class Session:
    """``device`` has the bundle loaded and is started. ``rings``: by channel name. ``block_timeout``: seconds that a
    `block` ring is waited for while its reader makes no room, 0: as long as it lives. ``latency``: where to keep how
    long events take from their arrival on. Raises ValueError for a channel that the bundle does not have, NativeMissing
    if there are rings but no C runtime."""

    def __init__(
        self,
        device: Device,
        bundle: Bundle,
        rings: Mapping[str, ChannelRing] | None = None,
        writer: CaptureWriter | None = None,
        use_native: bool | None = None,
        block_timeout: float = BLOCK_TIMEOUT,
        latency: Latency | None = None,
    ) -> None:
        self._device = device
        self._bundle = bundle
        self._writer = writer
        self._rings = dict(rings or {})
        for name in self._rings:
            if name not in bundle.channels:
                known = ", ".join(bundle.channels) or "none"
                raise ValueError(f"the bundle has no channel {name}; its channels are: {known}")
        self.accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
        self._timeout = block_timeout
        self._delivery: Delivery | None = None
        self._handles: list[Any] = [
            self._rings[name].handle if name in self._rings else None for name in bundle.channels
        ]
        self._native = bool(self._rings) or (available() if use_native is None else use_native)
        if self._native:
            self._delivery = Delivery(self.accounts, self._handles, block_timeout)
        self._wanted = [row for row, rule in enumerate(bundle.rules) if rule.deliver]
        self._device_ns = self._total_ns = 0
        self._ingress: dict[str, int] = {}
        self._latency = latency
        self._now: Turns | None = None
        """The turns that are being taken, whose time is not added up yet."""

    def feed(self, batch: EventBatch) -> Decisions:
        """One batch: decided, counted, delivered, written."""
        start = time.perf_counter_ns()
        decisions = self._device.process(batch)
        self._device_ns += time.perf_counter_ns() - start
        if self._latency is not None:
            self._latency.decide(batch)
        self._check(decisions.rules)
        if self._delivery is None:
            self.accounts.add(batch, decisions)
        else:
            generation = decisions.generation or self._device.generation
            self._delivery.add(batch, decisions, generation, int(self._device.engine))
        if self._latency is not None:
            self._latency.deliver(len(batch))
        if self._writer is not None and self._wanted:
            self._writer.write(batch, decisions.matched(self._wanted))
        self._total_ns += time.perf_counter_ns() - start
        return decisions

    def run(
        self,
        ingress: Ingress,
        progress: Callable[[int], object] | None = None,
        max_events: int = 16384,
        max_bytes: int = 1 << 20,
        source: int = 0,
        until: Until | None = None,
    ) -> Report:
        """All events of the ingress, or those until then. ``progress`` is called after each batch, piece or slice with
        the number of events so far.

        A live ingress begins to receive here and ends with the run; what had arrived by then and was not decided is
        ``left`` in the report. Rows that the device is given meanwhile, or the same rules built anew, count from the
        next batch, piece or slice on. Raises DeviceError if it is given other rules, CaptureError if the events are not
        what the rules are about, or the capture is damaged, IngressFault if a live ingress cannot go on; what was
        decided before is counted, and in ``report()``."""
        expected = LINK_ETHERNET if self._bundle.source == "packet" else LINK_USER0
        if ingress.link_type != expected:
            raise CaptureError(
                f"{ingress.name}: link type {link_name(ingress.link_type)}, but the rules of {self._bundle.name} are "
                f"about {self._bundle.source}s: {link_name(expected)}"
            )
        until = until or Until()
        live = ingress if isinstance(ingress, LiveIngress) else None
        pieces = ingress.pieces(max_bytes, source) if isinstance(ingress, PieceIngress) else None
        writes = self._writer is not None and bool(self._wanted)
        if live is not None:
            live.begin(source)
        until.begin()
        try:
            if not self._native or writes or not isinstance(self._device, HostDevice) or not (live or pieces):
                batches = ingress.batches(max_events=max_events, max_bytes=max_bytes, source=source)
                noting = progress if live is None else self._noting(live, progress)
                unused = self._run_batches(batches, until, noting, live)
                if live is not None:
                    live.left += unused
            else:
                with self._turns(self._device) as turns:
                    if live is not None:
                        turns.live(live, until, self._noting(live, progress))
                    elif pieces is not None:
                        turns.pieces(pieces, until, progress)
        finally:
            if live is not None:
                live.finish()
                self._ingress = {**live.counters(), "left": live.left}
        return self.report()

    def _noting(self, live: LiveIngress, progress: Callable[[int], object] | None) -> Callable[[int], object]:
        """``progress`` that also keeps what the ingress counts, for a report that another thread asks for."""

        def note(events: int) -> None:
            self._ingress = {**live.counters(), "left": live.left}
            if progress is not None:
                progress(events)

        return note

    def _run_batches(
        self,
        batches: Iterator[EventBatch],
        until: Until,
        progress: Callable[[int], object] | None,
        live: LiveIngress | None,
    ) -> int:
        """Returns how many events of the last batch were not used."""
        generation = self._device.generation
        while room := until.room(self.accounts.total("events")):
            start = time.perf_counter_ns()
            batch = next(batches, None)
            self._total_ns += time.perf_counter_ns() - start
            if batch is None:
                break
            if live is not None and self._device.generation != generation:
                generation = self._device.generation
                live.rules_change()
            if len(batch):
                self.feed(batch.slice(0, room) if len(batch) > room else batch)
            elif self._delivery is not None:
                self._delivery.beat()
            if progress is not None:
                progress(self.accounts.total("events"))
            if len(batch) > room:
                return len(batch) - room
        return 0

    @contextmanager
    def _turns(self, device: HostDevice) -> Iterator[Turns]:
        start = time.perf_counter_ns()
        turns = self._now = Turns(device, self.accounts, self._handles, self._timeout, self._check, self._latency)
        try:
            with turns:
                yield turns
        finally:
            self._now = None
            self._device_ns += turns.device_ns
            self._total_ns += time.perf_counter_ns() - start

    def _check(self, rules: Sequence[Actions]) -> None:
        """Accounts, rings and names are those of one bundle."""
        if rules is not self._bundle.rules and tuple(rules) != tuple(self._bundle.rules):
            raise DeviceError(
                f"the device has other rules now than those of {self._bundle.name}, which this session counts; "
                "end it, and make another for them"
            )

    def report(self) -> Report:
        """The numbers so far; also from another thread, while the session runs."""
        turns = self._now
        accounts, bundle = self.accounts, self._bundle
        channels = []
        for index, name in enumerate(bundle.channels):
            lost = {CAUSES[slot]: int(n) for slot, n in enumerate(accounts.undelivered[index]) if slot in CAUSES and n}
            channels.append(ChannelCount(name, int(accounts.matched[index]), int(accounts.delivered[index]), lost))
        return Report(
            bundle=bundle.name,
            digest=bundle.digest,
            engine=self._device.engine.name.lower(),
            generation=self._device.generation,
            events=accounts.total("events"),
            bytes=accounts.total("bytes"),
            malformed=accounts.total("malformed"),
            truncated=accounts.total("truncated"),
            punted=accounts.total("punted"),
            dropped=accounts.total("dropped"),
            passed=accounts.total("passed"),
            forwarded={port: int(n) for port, n in enumerate(accounts.forwarded) if n},
            rules=tuple(
                RuleCount(rule.name, bundle.blocks[rule.block].name, int(n))
                for rule, n in zip(bundle.rules, accounts.rules, strict=True)
            ),
            channels=tuple(channels),
            counters={name: int(n) for name, n in zip(bundle.counters, accounts.counters, strict=True)},
            written=None if self._writer is None else self._writer.events,
            seconds_device=(self._device_ns + (turns.device_ns if turns is not None else 0)) / 1e9,
            seconds_total=self._total_ns / 1e9,
            device=self._device.counters(),
            ingress=self._ingress,
            latency={} if self._latency is None else self._latency.summaries(),
        )
