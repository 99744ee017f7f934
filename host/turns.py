"""Turns of the loop in C: each runs with the rules and rows that the device has when it begins.

One idea: between two turns Python is there for what is not per event: another generation, signals, the clock, progress.
A turn ends with a piece of a capture, or where a live ingress has nothing now, or after about TURN_S of events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sevenm.host.capture.format import CaptureError
from sevenm.host.devices.device import DeviceError
from sevenm.host.devices.host import Held, HostDevice
from sevenm.host.editions import Editions
from sevenm.host.engine.delivery import Outlet
from sevenm.host.engine.ingress import LoopIngress
from sevenm.host.engine.loop import IngressFault, Loop, Program, Why
from sevenm.host.latency import Latency
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.until import Until

TURN_S = 0.01
"""Time after which a turn on a live ingress that never rests is to end, so that Python can look at everything else."""
SLICES = (1 << 10, 1 << 16)
"""Fewest and most events of such a turn."""
BACKLOG_S = 0.001
"""Longest sleep while matches wait for room in a ring."""
Progress = Callable[[int], object]


class Turns:
    """``timeout``: of a `block` ring, as for a session. A context manager; when it is left, nothing is held any more.
    ``device_ns``: spent in C."""

    def __init__(self, device: HostDevice, editions: Editions, timeout: float, latency: Latency | None = None) -> None:
        self._device, self._editions, self._timeout = device, editions, timeout
        self._loop = Loop()
        self._loop.watch(latency)
        self._outlets: dict[Any, Outlet] = {}
        """By ring."""
        self._held: Held | None = None
        self._given_up = False
        self.device_ns = 0

    def give_up(self) -> None:
        """From another thread, once ``until`` says that it is over: what waits for room in a ring waits no longer, and
        is counted as ``stopped``."""
        self._given_up = True
        self._loop.stop(wait=False)

    def __enter__(self) -> Turns:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if not self._given_up and (kind is None or issubclass(kind, (CaptureError, DeviceError, IngressFault))):
                self._loop.flush()  # what was decided before is delivered
        finally:
            self._loop.close()
            if self._held is not None:
                self._held.engine.release()

    def pieces(self, pieces: Iterator[LoopIngress], until: Until, progress: Progress | None) -> None:
        """Every piece, until then."""
        for piece in pieces:
            if self._turn(piece, until.room(self._events)) is Why.LIMIT:
                self._loop.abandon(piece)
                return
            if progress is not None:
                progress(self._events)

    def live(self, ingress: LiveIngress, until: Until, progress: Progress) -> None:
        """What comes, until then. ``progress`` reads the counters of the ingress, which for a kernel's, of 32 bits, has
        to be done again and again. Raises IngressFault."""
        most = SLICES[0]
        try:
            while room := until.room(self._events):
                began, before = time.perf_counter(), self._loop.events
                why = self._turn(ingress, min(room, most))
                if why is Why.LIMIT:
                    rate = (self._loop.events - before) / max(time.perf_counter() - began, 1e-9)
                    most = min(max(int(rate * TURN_S), SLICES[0]), SLICES[1])
                progress(self._events)
                if why is Why.END:
                    return
                if why is Why.IDLE:
                    waiting = any(program.waiting for program in self._loop.programs)
                    pause = until.pause(self._events)
                    ingress.wait(min(pause, BACKLOG_S) if waiting else pause)
        finally:
            ingress.left += self._loop.abandon(ingress)

    @property
    def _events(self) -> int:
        return self._editions.events

    def _turn(self, ingress: LoopIngress, events: int) -> Why:
        if self._held is None or self._held.generation != self._device.generation:
            self._held = self._follow(self._held, ingress)
        accounts = self._editions.now.accounts
        before = [accounts.total(name) for name in ("events", "punted")]
        began = time.perf_counter_ns()
        try:
            return self._loop.run(ingress, events)
        finally:
            self.device_ns += time.perf_counter_ns() - began
            done, punted = (accounts.total(n) - was for n, was in zip(("events", "punted"), before, strict=True))
            self._device.count(self._held, 1, done, punted)

    def _follow(self, old: Held | None, ingress: LoopIngress) -> Held:
        """The device's rules of now, published to the loop in place of ``old``. What the ingress keeps from the loop is
        theirs to say from here on, not that of the old ones."""
        held = self._device.hold()
        try:
            edition = self._editions.follow(held.bundle)
            outlets = [None if handle is None else self._outlet(handle) for handle in edition.handles]
            program = Program(held.engine, edition.accounts, outlets, held.generation, held.context)
            if isinstance(ingress, LiveIngress):
                ingress.rules_change(held.digest)
            self._loop.publish(program)
        except BaseException:
            held.engine.release()
            raise
        if old is not None:
            old.engine.release()
        return held

    def _outlet(self, handle: Any) -> Outlet:
        if handle not in self._outlets:
            self._outlets[handle] = self._loop.outlet(handle, timeout=self._timeout)
        return self._outlets[handle]
