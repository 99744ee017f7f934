"""One run: events from an ingress through a device, into accounts, rings and a capture.

One idea: the session owns the order of things and nothing else. Where the device's rules are C code of this machine and
nothing has to be written, the loop in C does it all, turn by turn (``sevenm.host.turns``). Otherwise it pulls a batch,
lets the device decide, counts and delivers, and goes on. Whose rules count is the device's to say, and may change at
any time (``sevenm.host.editions``). What it returns is a Report whose numbers add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import LINK_ETHERNET, LINK_USER0, CaptureError, link_name
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.devices.host import HostDevice
from sevenm.host.editions import ChannelRing, Edition, Editions, RingsOf
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import BLOCK_TIMEOUT
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.ingress import Ingress
from sevenm.host.latency import Histogram, Latency
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.until import Until
from sevenm.host.native import available
from sevenm.host.report import Report
from sevenm.host.turns import Turns


@runtime_checkable
class PieceIngress(Protocol):
    """An ingress that a loop in C can read by itself, piece by piece."""

    def pieces(self, max_bytes: int = ..., source: int = ...) -> Iterator[LoopIngress]: ...


class Session:
    """``device`` has the bundle loaded and is started. ``rings``: by channel name, or who gives them for the rules of
    now and for others that may follow. ``block_timeout``: seconds that a `block` ring is waited for while its reader
    makes no room, 0: as long as it lives. ``latency``: where to keep how long events take from their arrival on. Raises
    ValueError for a channel that the bundle does not have, NativeMissing if there are rings but no C runtime."""

    def __init__(
        self,
        device: Device,
        bundle: Bundle,
        rings: Mapping[str, ChannelRing] | RingsOf | None = None,
        writer: CaptureWriter | None = None,
        use_native: bool | None = None,
        block_timeout: float = BLOCK_TIMEOUT,
        latency: Latency | None = None,
    ) -> None:
        self._device = device
        self._writer = writer
        self._editions = Editions(bundle, rings or {})
        self._timeout = block_timeout
        self._native = bool(rings) or (available() if use_native is None else use_native)
        if self._native:
            self._editions.now.delivery(block_timeout)
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
        edition = self._edition(decisions)
        if self._native:
            generation = decisions.generation or self._device.generation
            edition.delivery(self._timeout).add(batch, decisions, generation, int(self._device.engine))
        else:
            edition.accounts.add(batch, decisions)
        if self._latency is not None:
            self._latency.deliver(len(batch))
        if self._writer is not None and edition.wanted:
            self._writer.write(batch, decisions.matched(edition.wanted))
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
        ``left`` in the report. Rules and rows that the device is given meanwhile count from the next batch, piece or
        slice on, and what was decided before is delivered. Raises DeviceError if they are rules on other events,
        CaptureError if the events are not what the rules are about, or the capture is damaged, IngressFault if a live
        ingress cannot go on; what was decided before is counted, and in ``report()``."""
        bundle = self._editions.now.bundle
        expected = LINK_ETHERNET if bundle.source == "packet" else LINK_USER0
        if ingress.link_type != expected:
            raise CaptureError(
                f"{ingress.name}: link type {link_name(ingress.link_type)}, but the rules of {bundle.name} are "
                f"about {bundle.source}s: {link_name(expected)}"
            )
        until = until or Until()
        live = ingress if isinstance(ingress, LiveIngress) else None
        pieces = ingress.pieces(max_bytes, source) if isinstance(ingress, PieceIngress) else None
        writes = self._writer is not None
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
        while room := until.room(self._editions.events):
            start = time.perf_counter_ns()
            batch = next(batches, None)
            self._total_ns += time.perf_counter_ns() - start
            if batch is None:
                break
            changed = self._device.generation != generation
            if changed:
                generation = self._device.generation
                if live is not None:
                    live.rules_change(None)
            if len(batch) or changed:  # other rules are followed also where nothing comes
                self.feed(batch.slice(0, room) if len(batch) > room else batch)
            elif self._native:
                self._editions.now.delivery(self._timeout).beat()
            if progress is not None:
                progress(self._editions.events)
            if len(batch) > room:
                return len(batch) - room
        return 0

    @contextmanager
    def _turns(self, device: HostDevice) -> Iterator[Turns]:
        start = time.perf_counter_ns()
        turns = self._now = Turns(device, self._editions, self._timeout, self._latency)
        try:
            with turns:
                yield turns
        finally:
            self._now = None
            self._device_ns += turns.device_ns
            self._total_ns += time.perf_counter_ns() - start

    def _edition(self, decisions: Decisions) -> Edition:
        """That of the rules that decided. Raises DeviceError where a device does not say whose they are, and they are
        not those of now."""
        if decisions.bundle is not None:
            return self._editions.follow(decisions.bundle)
        now = self._editions.now
        if decisions.rules is not now.bundle.rules and tuple(decisions.rules) != tuple(now.bundle.rules):
            raise DeviceError(
                f"the device has other rules now than those of {now.bundle.name}, and does not say which; end the "
                "session, and make another for them"
            )
        return now

    @property
    def handles(self) -> list[Any]:
        """An ``sm_ring *`` for each channel of the rules that decide now, None where it has no ring."""
        return self._editions.now.handles

    @property
    def bundle(self) -> Bundle:
        """Whose rules decide now."""
        return self._editions.now.bundle

    def check(self, bundle: Bundle) -> None:
        """Raises DeviceError for rules that the session cannot follow, because they are on other events."""
        self._editions.check(bundle)

    def give_up(self) -> None:
        """From another thread, once ``until`` says that it is over: waits for no ring any more."""
        turns = self._now
        if turns is not None:
            turns.give_up()

    def latencies(self) -> Mapping[str, Histogram]:
        """By stage; none where they are not measured."""
        return {} if self._latency is None else self._latency.stages

    def report(self) -> Report:
        """The numbers so far; also from another thread, while the session runs."""
        turns, bundle = self._now, self._editions.now.bundle
        return Report(
            bundle=bundle.name,
            digest=bundle.digest,
            engine=self._device.engine.name.lower(),
            generation=self._device.generation,
            **self._editions.tally().counts(),
            written=None if self._writer is None else self._writer.events,
            seconds_device=(self._device_ns + (turns.device_ns if turns is not None else 0)) / 1e9,
            seconds_total=self._total_ns / 1e9,
            device=self._device.counters(),
            ingress=self._ingress,
            latency={} if self._latency is None else self._latency.summaries(),
            code=self._device.code if isinstance(self._device, HostDevice) else None,
        )
