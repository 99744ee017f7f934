"""Several workers on one interface, or one port: every frame in one count, flows whole and in order, the same rules."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import FrameType
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.events import open_split
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.devices.device import DeviceError, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import LiveOptions, Wanted
from sevenm.host.live import packet
from sevenm.host.live.until import Together, Until
from sevenm.host.ring import MergedReader, RingReader, RingWriter
from sevenm.host.workers import Workers
from sevenm.sim.reference_device import ReferenceDevice
from tests.host.live import flows
from tests.host.live.working import Running, read_all

pytestmark = [pytest.mark.needs("namespaces", "compiler"), pytest.mark.usefixtures("need_native")]
Send = Callable[[list[bytes]], None]
Ip = Callable[..., str]
FLOWS, EACH = 300, 8
RULES = """
rules flows on packet all {
  rule every: ip                       => deliver every, count seen
  rule dns:   udp.dstport == 53        => count asked
  rule tag:   vlan                     => count tagged
  rule part:  ip.flags.mf or ip.frag_offset > 0 => drop
}
"""
OTHER = RULES.replace("udp.dstport == 53 ", "udp.dstport != 53 ")
RECORDS = """
schema R v1 size 64 @endian(little) {
  sender: u32
  seq: u32
}
rules udp on R all {
  rule any: seq >= 0 => deliver every, count seen
}
"""
STATE = """
rules past on packet all {
  rule again: ip and ip.src == prev(ip.src per ip.dst) => count seen
}
"""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_frame_is_in_one_count_and_every_flow_in_order(
    count: int, veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    plan = compile_text(RULES, "flows").plan
    with ExitStack() as stack:
        running = Running(stack, make(RULES), open_split(veth[0], plan, count), ring, measured=True)
        report = running.run(lambda: send(sent), Until(events=len(sent)))
        each = running.workers.reports()
        for reader in running.readers:
            got = read_all(reader)
            assert flows.faults(got, FLOWS, EACH) == []
            assert len({one.worker for one in got}) == count, "all of them had work"
    tagged = sum(frame[12:14] == b"\x81\x00" for frame in sent)
    parts = EACH * 2 * len(range(0, FLOWS, 9))
    assert report.events == len(sent) == sum(one.events for one in each)
    assert report.dropped == parts and report.passed == len(sent) - parts
    assert {rule.name: rule.events for rule in report.rules}["every"] == len(sent) == report.counters["seen"]
    assert report.counters["tagged"] == tagged == report.ingress["tagged"]
    # Every second one goes back to port 1000 and up; the second fragment has no ports.
    assert report.counters["asked"] == sum(EACH if flow % 9 == 0 else EACH // 2 for flow in range(FLOWS))
    (channel,) = report.channels
    assert (channel.matched, channel.delivered, channel.undelivered) == (len(sent), len(sent), {})
    assert (report.ingress["received"], report.ingress["dropped"], report.ingress["left"]) == (len(sent), 0, 0)
    assert report.latency["decided"].count == len(sent) == report.latency["in_ring"].count


def test_frames_that_are_shared_out_at_random_are_noticed(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded fault: PACKET_FANOUT_RND."""
    monkeypatch.setattr(packet, "FANOUT_HASH", 4)
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 2)
        running = Running(stack, make(RULES), parts, ring)
        report = running.run(lambda: send(sent), Until(events=len(sent)))
        found = flows.faults(read_all(running.readers[0]), FLOWS, EACH)
    assert report.events == len(sent), "the counts alone do not tell"
    assert sum("several workers" in fault for fault in found) > FLOWS / 2
    assert any("out of order" in fault for fault in found)


class Muddled(MergedReader):
    """The seeded fault: of each run the second half first."""

    def read(self, limit: int | None = None) -> NDArray[np.void]:
        run = super().read(limit)
        return np.concatenate([run[len(run) // 2 :], run[: len(run) // 2]])


def test_a_reader_that_merges_wrongly_is_noticed(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 2)
        running = Running(stack, make(RULES), parts, ring)
        running.run(lambda: send(sent), Until(events=len(sent)))
        running.readers[0].close()
        reader = stack.enter_context(Muddled.attach(running.ring))
        assert any("out of order" in fault for fault in flows.faults(read_all(reader), FLOWS, EACH))


def test_an_end_by_events_is_exact_over_all_workers(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 3)
        running = Running(stack, make(RULES), parts, ring)
        report = running.run(lambda: send(sent), Until(events=1000))
        assert report.events == 1000 == sum(len(records) for records in running.readers[1])
    counts = report.ingress
    assert counts["received"] == 1000 + counts["left"] <= len(sent)


def test_rules_change_under_load_in_every_worker(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    sent, changes = flows.frames(FLOWS, 1), 12
    first, second = make(RULES), make(OTHER)
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 2)
        running = Running(stack, first, parts, ring, slots=65536)

        def work() -> None:
            for generation in range(2, 2 + changes):
                send(sent)
                start(running.device, (first, second)[generation % 2], generation)
                send(sent)

        report = running.run(work, Until(events=2 * changes * len(sent)))
        generations: dict[int, list[int]] = {0: [], 1: []}
        for records in running.readers[0]:
            generations[running.readers[0].worker] += records["generation"].tolist()
    assert report.events == 2 * changes * len(sent) == sum(map(len, generations.values()))
    assert report.counters["seen"] == report.events == report.channels[0].delivered
    for worker, found in generations.items():
        assert found == sorted(found) and len(set(found)) > changes / 2, f"worker {worker}"
    assert report.generation == 1 + changes
    assert 0 < report.counters["asked"] < report.events


def test_rules_that_changed_are_said_to_run_once_all_workers_have_them(
    veth: tuple[str, str], make: Callable[[str], Bundle], ring: str
) -> None:
    first, second = make(RULES), make(OTHER)
    until = Until()
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 2)
        running = Running(stack, first, parts, ring)

        def work() -> None:
            while not all(part.position == 0 and running.workers.bundle is first for part in parts.parts):
                time.sleep(0.001)
            start(running.device, second, 2)
            end = time.monotonic() + 20
            while running.workers.bundle is not second and time.monotonic() < end:
                time.sleep(0.001)
            assert all(report.digest == second.digest for report in running.workers.reports())
            until.stop()

        report = running.run(work, until)
    assert (report.digest, report.generation, report.events) == (second.digest, 2, 0)


def test_an_exception_ends_workers_that_wait_for_a_ring(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    """Their reader lives and reads nothing, and they would wait for it as long as it does."""
    sent = flows.frames(FLOWS, EACH) * 5
    plan = compile_text(RULES, "flows").plan
    with HostDevice() as device, ExitStack() as stack:
        bundle = make(RULES)
        start(device, bundle)
        rings = [stack.enter_context(RingWriter.create(f"{ring}.{worker}", 256, 128, "block")) for worker in range(2)]
        for worker in range(2):
            stack.enter_context(RingReader.attach(f"{ring}.{worker}"))
        workers = Workers(device, bundle, 2, [{"every": one} for one in rings], block_timeout=0)
        parts = stack.enter_context(closing(open_split(veth[0], plan, 2)))
        parts.begin()
        helper = threading.Thread(target=lambda: send(sent))

        def interrupt(number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        helper.start()
        begun = time.monotonic()
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.7)
            with pytest.raises(KeyboardInterrupt):
                workers.run(parts)
        finally:
            signal.signal(signal.SIGALRM, before)
        assert time.monotonic() - begun < 20
        helper.join()
        report = workers.report()
    (channel,) = report.channels
    assert channel.matched == channel.delivered + sum(channel.undelivered.values()) == report.events
    assert channel.delivered <= 2 * 256


def test_an_interface_that_goes_away_ends_all_of_them_with_everything_counted(
    veth: tuple[str, str], send: Send, ip: Ip, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, 2)
    with ExitStack() as stack:
        parts = open_split(veth[0], compile_text(RULES, "flows").plan, 2)
        running = Running(stack, make(RULES), parts, ring)

        def work() -> None:
            send(sent)
            ip("link set live0 down")

        with pytest.raises(IngressFault, match="live0: the interface is down; bring it up"):
            running.run(work, Until(seconds=30))
        report = running.workers.report()
    assert (report.events + report.ingress["left"], report.ingress["dropped"]) == (len(sent), 0)


def test_a_senders_datagrams_go_to_one_worker_in_their_order(ip: Ip, make: Callable[[str], Bundle], ring: str) -> None:
    ip("link set lo up")
    plan, senders, each = compile_text(RECORDS, "udp").plan, 100, 30

    def work() -> None:
        with ExitStack() as out:
            sockets = [out.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(senders)]
            for seq in range(each):
                for number, one in enumerate(sockets):
                    one.sendto(struct.pack("<II56x", number, seq), ("127.0.0.1", 5000))

    with ExitStack() as stack:
        parts = open_split("udp:127.0.0.1:5000", plan, 2)
        running = Running(stack, make(RECORDS), parts, ring)
        report = running.run(work, Until(events=senders * each))
        got: dict[int, list[tuple[int, int]]] = {}
        for records in running.readers[2]:
            for data in records["data"]:
                sender, seq = struct.unpack_from("<II", bytes(data))
                got.setdefault(sender, []).append((seq, running.readers[2].worker))
    assert report.events == senders * each == report.ingress["datagrams"] == report.counters["seen"]
    assert report.ingress["dropped"] == report.ingress["left"] == 0
    for places in got.values():
        assert [seq for seq, _ in places] == list(range(each)) and len({worker for _, worker in places}) == 1
    assert {places[0][1] for places in got.values()} == {0, 1}


def test_a_port_or_group_that_cannot_be_shared_is_refused(ip: Ip) -> None:
    ip("link set lo up")
    plan = compile_text(RECORDS, "udp").plan
    with pytest.raises(CaptureError, match="a group's datagrams go to every socket that joins it"):
        open_split("udp:239.1.1.1:5000@lo", plan, 2)
    with closing(open_split("udp:127.0.0.1:5000", plan, 2)):
        for parts in (1, 2):
            with pytest.raises(CaptureError, match="address already in use"):
                open_split("udp:127.0.0.1:5000", plan, parts)


@pytest.mark.parametrize("spec", ["ring:feed", "replay:in.pcap"])
def test_what_cannot_be_split_says_what_can(spec: str) -> None:
    plan = compile_text(RULES, "flows").plan
    with pytest.raises(CaptureError) as error:
        open_split(spec, plan, 2)
    kind = spec.partition(":")[0]
    assert str(error.value) == (
        f"{spec}: what comes by {kind} cannot be shared out to several workers; that of packet, tap, udp, xdp can; "
        "leave --workers out"
    )
    with pytest.raises(CaptureError, match="can be split into 1 to 64 parts, not 65"):
        open_split("lo", plan, 65)


def test_what_workers_cannot_do_is_refused(veth: tuple[str, str], make: Callable[[str], Bundle], ring: str) -> None:
    plain, past = make(RULES), make(STATE)
    with HostDevice() as device, RingWriter.create(f"{ring}.0", 256, 128) as writer:
        start(device, plain)
        with pytest.raises(DeviceError, match=r"flows remembers earlier events \(.*\), and events of one"):
            Workers(device, past, 2)
        Workers(device, past, 1)
        workers = Workers(device, plain, 2)
        with pytest.raises(DeviceError, match="remembers earlier events"):
            workers.check(past)
        with pytest.raises(ValueError, match="two workers have the same ring; a ring has one writer"):
            Workers(device, plain, 2, [{"every": writer}, {"every": writer}])
        with pytest.raises(ValueError, match="cpus must be one for each of 2 workers, not 1"):
            Workers(device, plain, 2, cpus=[0])
        with pytest.raises(ValueError, match="processor 4095 is not one that this process may use: "):
            Workers(device, plain, 1, cpus=[4095])
        with pytest.raises(ValueError, match="count must be 1 to 64 workers, not 0"):
            Workers(device, plain, 0)
        with (
            closing(packet._split(veth[0], Wanted(live=LiveOptions()), 3)) as parts,
            pytest.raises(ValueError, match="2 workers need an ingress of as many parts, not 3"),
        ):
            workers.run(parts)
    with ReferenceDevice() as slow, pytest.raises(DeviceError, match="several workers need the engine host, not"):
        Workers(cast(HostDevice, slow), plain, 2)


def test_each_worker_stays_on_its_processor(veth: tuple[str, str], make: Callable[[str], Bundle]) -> None:
    allowed, found = sorted(os.sched_getaffinity(0)), dict[str, set[int]]()
    with HostDevice() as device, closing(open_split(veth[0], compile_text(RULES, "flows").plan, len(allowed))) as parts:
        bundle = make(RULES)
        start(device, bundle)
        workers = Workers(device, bundle, len(allowed), cpus=allowed)

        def progress(events: int) -> None:
            for thread in threading.enumerate():
                if thread.name.startswith("sevenm worker") and thread.native_id is not None:
                    found[thread.name] = os.sched_getaffinity(thread.native_id)

        workers.run(parts, progress, Until(seconds=0.3))
    assert found == {f"sevenm worker {number}": {cpu} for number, cpu in enumerate(allowed)}
    assert os.sched_getaffinity(0) == set(allowed)


def test_what_is_granted_to_several_is_never_more_than_there_is() -> None:
    """Threads that use some of what they are granted, and sleep now and then: together exactly so many."""
    together, limit = Together(Until(events=200_000)), 200_000
    used = [0] * 4

    def work(number: int) -> None:
        share, random = together.share(), np.random.default_rng(number)
        while room := share.room(used[number]):
            used[number] += int(random.integers(0, min(room, 3000) + 1))
            if random.random() < 0.2:
                share.pause(used[number])
        share.pause(used[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(used) == limit


@pytest.fixture(autouse=True)
def no_leftovers(ring: str) -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sevenm worker")]
