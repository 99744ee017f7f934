"""One way that events take in the soak: from a source, over a session whose rules alternate, into a ring.

One idea: a leg is opened again whenever its source goes away, with the same device, rings and subscribers, as a service
manager would. Everything that is counted on the way is kept, so that at the end both sides can be compared.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.bundle import Bundle
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.ring import RingIngress
from sevenm.host.live.until import Until
from sevenm.host.live.xdp import open_queues
from sevenm.host.live.xdp_ingress import XdpIngress
from sevenm.host.report import Report
from sevenm.host.ring import Ring, RingWriter, SubscriberStats
from sevenm.host.session import Session
from sevenm.prefilter import prepare
from tests.host.live.wires import Wire
from tests.soak.subscriber import Notes

SUBSCRIBERS = {"": "block", "newest": "drop_newest", "oldest": "drop_oldest"}
"""Of each leg's ring, by name, with their policies."""
SLOTS = 1 << 13
RULES = {
    name: f"rules r on packet all {{ rule {name}: udp.dstport in {{{first}..{first + 4}}} => deliver got, count seen }}"
    for name, first in (("low", 5000), ("high", 5003))
}
"""The first one is that of odd generations (``tests.soak.subscriber.FIRST_PORTS``)."""


@dataclass
class Subscriber:
    """A process that reads, and those that came before it."""

    ring: str
    name: str
    notes: Path
    kills: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Comes back when it is attached."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.subscriber", self.ring, self.name, SUBSCRIBERS[self.name],
             str(self.notes)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        there(self.process)

    def kill(self) -> None:
        """Kills it in the midst of whatever it does, and starts a successor."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()
        self.kills += 1
        self.start()

    def end(self) -> dict[str, int]:
        """What all of them read. The producer has closed the ring."""
        assert self.process is not None
        _, said = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, said
        return Notes(self.notes).load()


def there(process: subprocess.Popen[str]) -> None:
    """Waits until the process says so."""
    assert process.stdout is not None
    if process.stdout.readline() != "there\n":
        raise AssertionError(f"it did not start: {process.communicate()[1]}")


class Leg(ABC):
    """``reports``: of the sessions so far."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        folder.mkdir()
        self._plans = [compile_text(text, rules).plan for rules, text in RULES.items()]
        self._bundles = [Bundle.open(write_bundle(plan, folder / plan.name, gateware=False)) for plan in self._plans]
        self._device = HostDevice()
        self.ring = f"soak-{os.getpid()}-{name}"
        self._writer = RingWriter.create(self.ring, SLOTS, 128, "block")
        self.subscribers = [Subscriber(self.ring, one, folder / f"notes-{one}") for one in SUBSCRIBERS]
        self.reports: list[Report] = []
        self.lanes: dict[str, SubscriberStats] = {}
        self.failed: BaseException | None = None
        self._until = Until()
        self._thread = threading.Thread(target=self._guarded, name=f"leg {name}")
        self._ended = threading.Event()
        self.down = threading.Event()
        """The source is gone, and the leg waits to be opened again."""
        self._again = threading.Event()

    def start(self) -> None:
        """The subscribers are there, and the first session runs."""
        for bundle in self._bundles:
            self._device.prepare(bundle).close()  # compiled once
        for one in self.subscribers:
            one.start()
        self.exchange()
        self._thread.start()

    def exchange(self) -> None:
        """The other rules, from the next event on."""
        generation = self._device.generation + 1
        self._device.activate(self._device.prepare(self._bundles[(generation - 1) % 2]), generation)

    @property
    def generation(self) -> int:
        """Of the rules that run."""
        return self._device.generation

    def open_again(self) -> None:
        """After ``down``, when the source can be had again."""
        self.down.clear()
        self._again.set()

    def stop(self) -> None:
        """What has arrived is decided or counted, and the subscribers read the rest. What the ring counted is kept,
        because subscribers that end give their lanes back."""
        self._until.stop()
        self._ended.set()
        self._again.set()
        self._thread.join()
        end = time.monotonic() + 60
        while (stats := Ring.stats(self.ring)).in_ring:
            assert time.monotonic() < end, f"not read within 60 s: {stats}"
            time.sleep(0.01)
        self.lanes = {lane.name: lane for lane in stats.subscribers}
        self._writer.close()

    def close(self) -> None:
        """Leaves nothing behind."""
        for one in self.subscribers:
            if one.process is not None and one.process.poll() is None:
                one.process.kill()
                one.process.communicate()
        self._device.close()
        self._writer.close()
        Ring.unlink(self.ring, force=True)

    @abstractmethod
    def source(self) -> LiveIngress:
        """Opens it."""

    def _guarded(self) -> None:
        try:
            while not self._ended.is_set():
                self._session()
                if not self._ended.is_set():
                    self._again.clear()
                    self.down.set()
                    self._again.wait()
        except BaseException as error:
            self.failed = error
            self.down.set()

    def _session(self) -> None:
        with closing(self.source()) as ingress:
            session = Session(self._device, self._bundles[(self.generation - 1) % 2], {"got": self._writer},
                              block_timeout=1.0)  # fmt: skip
            try:
                self.reports.append(session.run(ingress, until=self._until))
            except IngressFault:
                self.reports.append(session.report())


class CardLeg(Leg):
    """Frames by AF_XDP with a prefilter, from a C program at the other end of a wire, which goes down now and then."""

    def __init__(self, folder: Path, wire: Wire, sender: Path) -> None:
        super().__init__("card", folder)
        self._wire, self._sender = wire, sender
        self._process: subprocess.Popen[bytes] | None = None
        self._ingress: XdpIngress | None = None
        self._before = 0

    def start(self) -> None:
        super().start()
        self._wait_open()
        self._before = self._wire.sent()
        self._process = subprocess.Popen(["ip", "netns", "exec", self._wire.space, str(self._sender), self._wire.far])

    def source(self) -> XdpIngress:
        ingress = open_queues(self._wire.near)
        try:
            for plan in self._plans:
                assert prepare(ingress, plan) == []
            ingress.rules_change(self._plans[(self.generation - 1) % 2].digest)
        except BaseException:
            ingress.close()
            raise
        self._ingress = ingress
        return ingress

    def sent(self) -> int:
        """Frames that the wire's other end has sent, by the kernel's count."""
        return self._wire.sent() - self._before

    def take_down(self) -> None:
        """The interface goes down at full rate, and comes back while nobody sends."""
        subprocess.run(["ip", "link", "set", self._wire.near, "down"], check=True)
        assert self.down.wait(30), "the session noticed it"
        self._signal(signal.SIGSTOP)
        subprocess.run(["ip", "link", "set", self._wire.near, "up"], check=True)
        self._ingress = None
        self.open_again()
        self._wait_open()
        self._signal(signal.SIGCONT)

    def silence(self) -> None:
        """Nothing is sent any more."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        assert self._process is not None
        assert self._process.wait(30) == 0
        time.sleep(0.5)  # what is on the wire arrives

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        super().close()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait_open(self) -> None:
        end = time.monotonic() + 30
        while self._ingress is None or not self._ingress.begun:
            assert self.failed is None and time.monotonic() < end, f"not open within 30 s: {self.failed}"
            time.sleep(0.01)


class FeedLeg(Leg):
    """Records of a ring, from a producer in another process, which is killed now and then."""

    def __init__(self, folder: Path) -> None:
        super().__init__("feed", folder)
        self.feed = f"soak-{os.getpid()}-in"
        self._process: subprocess.Popen[str] | None = None
        self.kills = 0

    def start(self) -> None:
        self._produce()
        super().start()

    def source(self) -> RingIngress:
        return RingIngress(self.feed)

    def kill(self) -> None:
        """Kills the producer, and starts another one that takes over."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()
        self.kills += 1
        assert self.down.wait(30), "the session noticed it"
        self._produce()
        self.open_again()

    def silence(self) -> None:
        """The producer ends, and all of it was read."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        _, said = self._process.communicate(timeout=30)
        assert self._process.returncode == 0, said
        assert self.down.wait(60), "the session read the rest, and ended"

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        super().close()
        Ring.unlink(self.feed, force=True)

    def _produce(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.feed", self.feed, str(self.kills << 40)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        there(self._process)


def total(reports: list[Report]) -> Counter[str]:
    """Sums over the sessions of a leg."""
    out: Counter[str] = Counter()
    for report in reports:
        channel = report.channels[0]
        out.update(report.ingress)
        out.update(events=report.events, matched=channel.matched, delivered=channel.delivered)
        out.update({f"undelivered {cause}": n for cause, n in channel.undelivered.items()})
        out.update(fired=sum(rule.events for rule in report.rules), counted=report.counters["seen"])
    return out
