"""Several sessions side by side, each in a thread on its part of one live source, as if they were one.

One idea: workers share nothing while events pass. Each has its own part of the ingress, loop, accounts, rings and
histograms; what they have in common, the rules and their rows, nobody writes to. Everything that is told of them
together is added up when somebody asks. Python is between two turns of a worker's loop only, and the loop does without
the interpreter's lock, so workers run as processes would.

Other rules take effect in each worker between two of its own events: while they do, one worker may decide by the new
ones and another still by the old, for as long as a turn lasts (docs/live.md).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.devices.host import HostDevice
from sevenm.host.editions import ChannelRing, RingsOf
from sevenm.host.engine.delivery import BLOCK_TIMEOUT
from sevenm.host.latency import Histogram, Latency
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.split import WORKERS_MAX, Split
from sevenm.host.live.until import Share, Together, Until
from sevenm.host.report import Report, together
from sevenm.host.session import Session

LOOK_S = 0.02
"""Sleep of the thread that waits for the workers, between two looks at signals and progress."""


class Workers:
    """``device`` has the bundle loaded, and decides for all. ``rings``: for each worker what a ``Session`` takes; no
    ring is in two of them, because a ring has one writer. None: nothing is delivered. ``cpus``: the processor that each
    worker's thread is to stay on. ``measured``: whether latencies are kept.

    Raises DeviceError for rules that several workers cannot decide, and a device that is no ``HostDevice``; ValueError
    for what does not fit together; what ``Session`` does."""

    def __init__(
        self,
        device: HostDevice,
        bundle: Bundle,
        count: int,
        rings: Sequence[Mapping[str, ChannelRing] | RingsOf] | None = None,
        block_timeout: float = BLOCK_TIMEOUT,
        cpus: Sequence[int] | None = None,
        measured: bool = False,
    ) -> None:
        if not isinstance(device, HostDevice):
            raise DeviceError(f"several workers need the engine host, not {device.name}; leave --workers out")
        if not 1 <= count <= WORKERS_MAX:
            raise ValueError(f"count must be 1 to {WORKERS_MAX} workers, not {count}")
        for what, given in (("rings", rings), ("cpus", cpus)):
            if given is not None and len(given) != count:
                raise ValueError(f"{what} must be one for each of {count} workers, not {len(given)}")
        self._count = count
        self._refuse_state(bundle)
        self._cpus = None if cpus is None else check_cpus(cpus)
        self._latencies = [Latency() for _ in range(count)] if measured else []
        self._sessions = [
            Session(
                device,
                bundle,
                None if rings is None else rings[number],
                use_native=True,
                block_timeout=block_timeout,
                latency=self._latencies[number] if measured else None,
            )
            for number in range(count)
        ]
        handles = [handle for session in self._sessions for handle in session.handles if handle is not None]
        if len(set(handles)) != len(handles):
            raise ValueError("two workers have the same ring; a ring has one writer")
        self._agreed = bundle
        self._errors: list[BaseException] = []
        self._woken = threading.Event()

    def run(
        self, ingress: Split, progress: Callable[[int], object] | None = None, until: Until | None = None
    ) -> Report:
        """Each worker decides what comes by its part, until then: an end by events is exact over all of them.
        ``progress`` is called in this thread, with the number of events so far, whenever every worker has got on.

        What ends one worker ends all, and is raised when they have: as ``Session.run`` raises, and what was decided is
        in ``report()``. An exception out of a signal handler ends them at once; what then waits for room in a ring is
        counted as ``stopped``."""
        if len(ingress.parts) != self._count:
            raise ValueError(f"{self._count} workers need an ingress of as many parts, not {len(ingress.parts)}")
        until = until or Until()
        ingress.begin()
        until.begin()
        end = Together(until)
        self._errors.clear()
        places = [_Worker(end.share()) for _ in self._sessions]
        threads = [
            threading.Thread(target=self._work, args=(number, part, place, end), name=f"sevenm worker {number}")
            for number, (part, place) in enumerate(zip(ingress.parts, places, strict=True))
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                self._woken.wait(LOOK_S)
                self._woken.clear()
                if progress is not None and all(place.moved for place in places):
                    for place in places:
                        place.moved = place.ended
                    progress(sum(place.events for place in places))
        except BaseException:
            end.stop()
            self._give_up(threads)
            raise
        if self._errors:
            raise self._errors[0]
        return self.report()

    def _give_up(self, threads: Sequence[threading.Thread]) -> None:
        """Returns when all have ended, which takes them a slice of the loop at most; their memory is let go of after
        that. So one more signal changes nothing."""
        while any(thread.is_alive() for thread in threads):
            with suppress(KeyboardInterrupt):
                for session in self._sessions:  # again and again: one may only just have begun
                    session.give_up()
                self._woken.wait(LOOK_S)

    def _work(self, number: int, part: LiveIngress, place: _Worker, end: Together) -> None:
        try:
            if self._cpus is not None:
                os.sched_setaffinity(0, {self._cpus[number]})  # of the calling thread
            self._sessions[number].run(part, place.note, until=place.share)
        except BaseException as error:
            self._errors.append(error)
            end.stop()
        finally:
            place.share.pause(place.events)
            place.moved = place.ended = True
            self._woken.set()

    @property
    def bundle(self) -> Bundle:
        """Whose rules decide now, in every worker; while they change, the old ones."""
        first = self._sessions[0].bundle
        if all(session.bundle is first for session in self._sessions):
            self._agreed = first
        return self._agreed

    def check(self, bundle: Bundle) -> None:
        """Raises DeviceError for rules that the workers cannot follow."""
        self._refuse_state(bundle)
        self._sessions[0].check(bundle)

    def latencies(self) -> Mapping[str, Histogram]:
        """By stage, of all workers; none where they are not measured."""
        out: dict[str, Histogram] = {}
        for latency in self._latencies:
            for stage, histogram in latency.stages.items():
                out.setdefault(stage, Histogram()).add(histogram)
        return out

    def report(self) -> Report:
        """The numbers so far, added up; also from another thread, while they run."""
        agreed = self.bundle
        # Who has other rules than those that all had together has newer ones.
        newest_first = sorted(self._sessions, key=lambda session: session.bundle is agreed)
        summaries = {stage: histogram.summary() for stage, histogram in self.latencies().items()}
        return together([session.report() for session in newest_first], summaries)

    def reports(self) -> tuple[Report, ...]:
        """Of each worker, in their order."""
        return tuple(session.report() for session in self._sessions)

    def _refuse_state(self, bundle: Bundle) -> None:
        """What one worker has seen the others do not know. The kernel shares out by addresses and ports, as it finds
        them; that a key of the rules is always that same flow cannot be told from the rules."""
        if bundle.states and self._count > 1:
            names = ", ".join(state.name for state in bundle.states)
            raise DeviceError(
                f"{bundle.name} remembers earlier events ({names}), and events of one key could come to several "
                "workers, of which none knows what the others saw; run it with one worker: leave --workers out"
            )


class _Worker:
    """What the waiting thread sees of a worker. ``moved``: it took a turn since that was last cleared."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.events = 0
        self.moved = self.ended = False

    def note(self, events: int) -> None:
        self.events, self.moved = events, True


def check_cpus(cpus: Sequence[int]) -> tuple[int, ...]:
    """Raises ValueError for a processor that this process may not use, or that is named twice."""
    allowed = os.sched_getaffinity(0)
    for cpu in cpus:
        if cpu not in allowed:
            there = ", ".join(map(str, sorted(allowed)))
            raise ValueError(f"processor {cpu} is not one that this process may use: {there}")
    if len(set(cpus)) != len(cpus):
        raise ValueError("two workers on one processor take turns, and are slower than one; name each once")
    return tuple(cpus)
