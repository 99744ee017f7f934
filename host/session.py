"""One run: events from an ingress through a device, into accounts, rings and a capture.

One idea: the session owns the order of things and nothing else. Where the device's rules are C code of this machine and
nothing has to be written, the loop in C does it all, and Python only reads the next piece. Otherwise it pulls a batch,
lets the device decide, counts and delivers, and goes on. What it returns is a Report whose numbers add up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import LINK_ETHERNET, LINK_USER0, CaptureError, link_name
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.devices.host import Held, HostDevice
from sevenm.host.engine.accounts import CAUSES, Accounts
from sevenm.host.engine.actions import Actions
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.delivery import BLOCK_TIMEOUT, Delivery, Outlet
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.engine.loop import Loop, Program
from sevenm.host.ingress import Ingress
from sevenm.host.native import available


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
    ``seconds_device`` is spent deciding, ``seconds_total`` from the first batch asked for to the last accounted."""

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

    def to_json(self) -> dict[str, Any]:
        """Plain values, ports as text."""
        out = asdict(self)
        out["forwarded"] = {str(port): count for port, count in self.forwarded.items()}
        return out


class Session:
    """``device`` has the bundle loaded and is started. ``rings``: by channel name. ``block_timeout``: seconds that a
    `block` ring is waited for while its reader makes no room, 0: as long as it lives. Raises ValueError for a channel
    that the bundle does not have, NativeMissing if there are rings but no C runtime."""

    def __init__(
        self,
        device: Device,
        bundle: Bundle,
        rings: Mapping[str, ChannelRing] | None = None,
        writer: CaptureWriter | None = None,
        use_native: bool | None = None,
        block_timeout: float = BLOCK_TIMEOUT,
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

    def feed(self, batch: EventBatch) -> Decisions:
        """One batch: decided, counted, delivered, written."""
        start = time.perf_counter_ns()
        decisions = self._device.process(batch)
        self._device_ns += time.perf_counter_ns() - start
        self._check(decisions.rules)
        if self._delivery is None:
            self.accounts.add(batch, decisions)
        else:
            generation = decisions.generation or self._device.generation
            self._delivery.add(batch, decisions, generation, int(self._device.engine))
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
    ) -> Report:
        """All events of the ingress. ``progress`` is called after each batch or piece with the number of events so far.

        Rows that the device is given meanwhile, or the same rules built anew, count from the next batch or piece on.
        Raises DeviceError if it is given other rules, CaptureError if the events are not what the rules are about, or
        the capture is damaged; what was decided before is counted, and in ``report()``."""
        expected = LINK_ETHERNET if self._bundle.source == "packet" else LINK_USER0
        if ingress.link_type != expected:
            raise CaptureError(
                f"{ingress.name}: link type {link_name(ingress.link_type)}, but the rules of {self._bundle.name} are "
                f"about {self._bundle.source}s: {link_name(expected)}"
            )
        writes = self._writer is not None and bool(self._wanted)
        if self._native and not writes and isinstance(self._device, HostDevice) and isinstance(ingress, PieceIngress):
            self._run_loop(self._device, ingress.pieces(max_bytes, source), progress)
            return self.report()
        batches = ingress.batches(max_events=max_events, max_bytes=max_bytes, source=source)
        while True:
            start = time.perf_counter_ns()
            batch = next(batches, None)
            self._total_ns += time.perf_counter_ns() - start
            if batch is None:
                return self.report()
            self.feed(batch)
            if progress is not None:
                progress(self.accounts.total("events"))

    def _run_loop(
        self, device: HostDevice, pieces: Iterator[LoopIngress], progress: Callable[[int], object] | None
    ) -> None:
        """Every piece through the loop in C, with the rules and rows that the device has when the piece begins."""
        start = time.perf_counter_ns()
        held: Held | None = None
        try:
            with Loop() as loop:
                outlets = [None if h is None else loop.outlet(h, timeout=self._timeout) for h in self._handles]
                try:
                    for piece in pieces:
                        if held is None or held.generation != device.generation:
                            held = self._follow(device, loop, outlets, held)
                        before = [self.accounts.total(name) for name in ("events", "punted")]
                        began = time.perf_counter_ns()
                        loop.run(piece)
                        self._device_ns += time.perf_counter_ns() - began
                        events, punted = (
                            self.accounts.total(name) - n for name, n in zip(("events", "punted"), before, strict=True)
                        )
                        device.count(held, 1, events, punted)
                        if progress is not None:
                            progress(self.accounts.total("events"))
                except (CaptureError, DeviceError):
                    loop.flush()  # what was decided before is delivered
                    raise
                loop.flush()
        finally:
            if held is not None:
                held.engine.release()
            self._total_ns += time.perf_counter_ns() - start

    def _follow(self, device: HostDevice, loop: Loop, outlets: list[Outlet | None], old: Held | None) -> Held:
        """The device's rules of now, published to the loop in place of ``old``."""
        held = device.hold()
        try:
            self._check(held.rules.bundle.rules)
            loop.publish(Program(held.engine, self.accounts, outlets, held.generation, held.context))
        except BaseException:
            held.engine.release()
            raise
        if old is not None:
            old.engine.release()
        return held

    def _check(self, rules: Sequence[Actions]) -> None:
        """Accounts, rings and names are those of one bundle."""
        if rules is not self._bundle.rules and tuple(rules) != tuple(self._bundle.rules):
            raise DeviceError(
                f"the device has other rules now than those of {self._bundle.name}, which this session counts; "
                "end it, and make another for them"
            )

    def report(self) -> Report:
        """The numbers so far."""
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
            seconds_device=self._device_ns / 1e9,
            seconds_total=self._total_ns / 1e9,
            device=self._device.counters(),
        )
