"""Real tools' traffic, received by AF_XDP with the prefilter, matched and delivered: the sums are the sender's.

A client and a server talk across a bridge that knows nothing of who is where, so that a third wire carries all of it.
tcpdump records what goes into that wire; the reference decides the recording.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, TableEdit, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.accounts import Accounts
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.loop import Loop, Program, Why
from sevenm.host.live import xdp as module
from sevenm.host.live.until import Until
from sevenm.host.live.xdp import open_queues
from sevenm.host.live.xdp_program import PrefilterError
from sevenm.host.report import Report
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.session import Session
from sevenm.prefilter import drop_unwanted, prepare
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.tables import Row
from tests.host.live.wires import Wire, ip, wire

pytestmark = [pytest.mark.needs("compiler", "clang", "tcpdump", "xdp"), pytest.mark.usefixtures("need_native")]
RULES = """
rules r on packet all {
  rule web:   tcp.port == 8080                       => deliver a, count web
  rule syn:   tcp.flags.syn and not tcp.flags.ack    => count syn
  rule noise: udp.dstport in {5000..5003}            => drop
}
"""
CLIENT = """
import socket, sys, urllib.request
for number in range(20):
    with urllib.request.urlopen("http://10.9.0.2:8080/") as page:
        page.read()
noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(2000):
    noise.sendto(bytes(number % 1000), ("10.9.0.2", 5000 + number % 10))
"""
ATTEMPTS = 3
"""Of a download whose recording is to be compared."""
DOWNLOAD = """
import sys, urllib.request
with urllib.request.urlopen("http://10.9.0.2:8080/large") as page:
    print(len(page.read()))
"""
SUBSCRIBER = """
import sys
from sevenm.host.ring import RingReader
with RingReader.attach(sys.argv[1], subscriber=sys.argv[2], policy=sys.argv[3]) as reader:
    print("here", flush=True)
    print(sum(len(records) for records in reader))
"""
SUBSCRIBERS = {"one": "block", "two": "drop_oldest"}


@pytest.fixture
def hub() -> Iterator[tuple[Wire, str, str]]:
    """A wire that carries everything that passes between a client and a server, and their namespaces."""
    with wire() as monitor:
        made = []
        try:
            quiet(monitor.space)
            ip("-n", monitor.space, "link", "add", "hub", "type", "bridge", "ageing_time", "0")
            for number in (1, 2):
                space = f"{monitor.space}n{number}"
                ip("netns", "add", space)
                made.append(space)
                quiet(space)
                ip("-n", monitor.space, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns",
                   space)  # fmt: skip
                ip("-n", space, "addr", "add", f"10.9.0.{number}/24", "dev", "eth0")
                for one, name in ((space, "eth0"), (monitor.space, f"port{number}"), (space, "lo")):
                    ip("-n", one, "link", "set", name, "up")
            for name in ("port1", "port2", monitor.far):
                ip("-n", monitor.space, "link", "set", name, "master", "hub")
            ip("-n", monitor.space, "link", "set", "hub", "up")
            for space, other, number in zip(made, reversed(made), (2, 1), strict=True):
                # Known for good, so that nobody asks in the midst of what is counted.
                address = inside(other, "cat", "/sys/class/net/eth0/address").communicate()[0].strip()
                ip("-n", space, "neigh", "replace", f"10.9.0.{number}", "lladdr", address, "dev", "eth0", "nud",
                   "permanent")  # fmt: skip
            yield monitor, *made
        finally:
            for space in made:
                ip("netns", "del", space)


def quiet(space: str) -> None:
    """No neighbour discovery, no multicast listener reports."""
    for name in ("all", "default"):
        path = f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6"
        subprocess.run(["ip", "netns", "exec", space, "sh", "-c", f"echo 1 > {path}"], check=True)


def inside(space: str, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["ip", "netns", "exec", space, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


class Unrecorded(Exception):
    """tcpdump has another number of frames than were sent."""


def silent(counter: Callable[[], int]) -> int:
    """The count, once it has not changed for a while."""
    last, since = counter(), time.monotonic()
    while time.monotonic() - since < 1.0:
        time.sleep(0.1)
        if counter() != last:
            last, since = counter(), time.monotonic()
    return last


def patient(done: Callable[[], bool], what: str) -> None:
    """Waits until that is so."""
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end, f"not within 30 s: {what}"
        time.sleep(0.02)


def matched(plan: Plan, events: EventBatch) -> np.ndarray:
    table = events.events
    return evaluate(plan, events.buffer, table["offset"], table["cap_len"], table["wire_len"]).fired


@pytest.mark.parametrize("filtered", [True, False], ids=["prefilter", "all received"])
def test_what_tools_send_is_received_or_counted(
    filtered: bool,
    hub: tuple[Wire, str, str],
    tmp_path: Path,
    readable: Callable[[Path], EventBatch],
    request: pytest.FixtureRequest,
) -> None:
    monitor, client, server = hub
    plan = compile_text(RULES, "traffic").plan
    bundle = Bundle.open(write_bundle(plan, tmp_path / "bundle", gateware=False))
    accounts = Accounts(bundle.rules, len(bundle.channels), len(bundle.counters))
    engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    recording = tmp_path / "sent.pcap"
    name = f"test-xdp-{os.getpid()}-{filtered}"
    request.addfinalizer(lambda: Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True))
    with (
        open_queues(monitor.near) as ingress,
        RingWriter.create(name, slots=1 << 14, slot_size=128) as ring,
        RingReader.attach(name) as reader,
        Loop() as loop,
    ):
        if filtered:
            assert drop_unwanted(ingress, plan) == []
        loop.publish(Program(engine, accounts, [loop.outlet(ring.handle)], 1))
        others = [
            subprocess.Popen([sys.executable, "-c", SUBSCRIBER, name, *one], stdout=subprocess.PIPE, text=True)
            for one in SUBSCRIBERS.items()
        ]
        for other in others:
            assert other.stdout is not None and other.stdout.readline() == "here\n"
        silent(monitor.sent)
        pcap = inside(monitor.space, "tcpdump", "-i", monitor.far, "-Q", "out", "-U", "-w", str(recording))
        assert pcap.stderr is not None
        assert "listening on" in pcap.stderr.readline()
        before = monitor.sent()
        ingress.begin()
        pages = inside(server, sys.executable, "-m", "http.server", "8080", "--directory", str(tmp_path / "bundle"))
        try:
            time.sleep(1.5)
            talk = inside(client, sys.executable, "-c", CLIENT)
            while talk.poll() is None:
                assert loop.run(ingress) is Why.IDLE
                ingress.wait()
            assert talk.returncode == 0, talk.communicate()
            silent(monitor.sent)
            assert loop.run(ingress) is Why.IDLE
            sent = monitor.sent() - before
        finally:
            for process in (pages, pcap):
                process.terminate()
                process.wait()
        ingress.finish()
        counts = ingress.counters()
        loop.flush()
        delivered = len(reader.read(1 << 14))
    read_by_others = [int(other.communicate(timeout=60)[0]) for other in others]
    events = readable(recording)
    fired = matched(plan, events)
    unwanted = ~fired.any(axis=0)
    assert sent == len(events) > 2100
    assert counts["received"] + counts["prefiltered"] + counts["dropped"] == sent
    assert (ingress.left, counts["dropped"], counts["damaged"]) == (0, 0, 0)
    assert counts["prefiltered"] == (unwanted.sum() if filtered else 0)
    assert counts["prefiltered_bytes"] == (events.events["wire_len"][unwanted].sum() if filtered else 0)
    assert accounts.total("events") == counts["received"]
    assert [int(n) for n in accounts.rules] == fired.sum(axis=1).tolist()
    assert delivered == int(accounts.matched[0]) == int(accounts.delivered[0]) == fired[0].sum() > 100
    assert read_by_others == [delivered, delivered]
    assert accounts.total("dropped") == fired[2].sum() == 800
    assert unwanted.sum() > 1000


@pytest.mark.parametrize("mtu", [1500, 9000])
@pytest.mark.parametrize("mode", ["native copy", "generic"])
def test_frames_of_several_buffers_are_what_tcpdump_saw(
    mode: str,
    mtu: int,
    hub: tuple[Wire, str, str],
    tmp_path: Path,
    readable: Callable[[Path], EventBatch],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A download over TCP, once more where tcpdump saw another number of frames than the kernel sent, which says
    nothing of us. Where the kernel's stack runs the program it hands over what the sender's stack would have cut later
    (GSO), up to 64 KiB at once; else frames are as long as the MTU lets them be."""
    monkeypatch.setattr(module, "MODES", [way for way in module.MODES if way[0] == mode])
    for attempt in reversed(range(ATTEMPTS)):
        try:
            _download(mode, mtu, hub, tmp_path, readable)
        except Unrecorded as why:
            if not attempt:
                pytest.skip(f"tcpdump, {ATTEMPTS} times: {why}")
        else:
            break


def _download(
    mode: str, mtu: int, hub: tuple[Wire, str, str], tmp_path: Path, readable: Callable[[Path], EventBatch]
) -> None:
    monitor, client, server = hub
    (tmp_path / "large").write_bytes(os.urandom(4_000_000))
    recording = tmp_path / "sent.pcap"
    for space, name in ((client, "eth0"), (server, "eth0"), *((monitor.space, f"port{n}") for n in (1, 2))):
        ip("-n", space, "link", "set", name, "mtu", str(mtu))
    ip("-n", monitor.space, "link", "set", monitor.far, "mtu", str(mtu))
    ip("link", "set", monitor.near, "mtu", str(mtu))
    plan = compile_text("rules r on packet all { rule web: tcp.srcport == 8080 => count web }", "large").plan
    with open_queues(monitor.near) as ingress:
        assert drop_unwanted(ingress, plan) == []
        silent(monitor.sent)
        words = ("-i", monitor.far, "-Q", "out", "-U", "-B", "65536", "-w", str(recording))
        pcap = inside(monitor.space, "tcpdump", *words)
        assert pcap.stderr is not None and "listening on" in pcap.stderr.readline()
        before = monitor.sent()
        ingress.begin()
        pages = inside(server, sys.executable, "-m", "http.server", "8080", "--directory", str(tmp_path))
        got: list[bytes] = []
        try:
            time.sleep(1.5)
            talk = inside(client, sys.executable, "-c", DOWNLOAD)
            for batch in ingress.batches():
                got += [batch.data(n) for n in range(len(batch))]
                if not len(batch) and talk.poll() is not None:
                    break
            assert talk.communicate() == ("4000000\n", "")
            silent(monitor.sent)
            # What ends a connection may be sent again seconds later, where the machine has other work.
            try:
                patient(
                    lambda: len(readable(recording)) == monitor.sent() - before, "tcpdump has written what was sent"
                )
            except AssertionError as error:
                found, there = len(readable(recording)), monitor.sent() - before
                raise Unrecorded(f"it recorded {found} frames of {there} that the kernel sent") from error
            sent = monitor.sent() - before
        finally:
            for process in (pages, pcap):
                process.terminate()
                process.wait()
        ingress.finish()
        counts = ingress.counters()
    events = readable(recording)
    fired = matched(plan, events)[0]
    assert sorted(got) == sorted(events.data(int(n)) for n in np.flatnonzero(fired))
    assert (ingress.left, counts["dropped"], counts["damaged"]) == (0, 0, 0)
    assert counts["received"] == len(got) and counts["prefiltered"] == sent - len(got) > 0
    assert counts["prefiltered_bytes"] == events.events["wire_len"][~fired].sum()
    assert sum(map(len, got)) > 4_000_000
    if mode == "generic":
        assert max(map(len, got)) > 32_000
    else:
        assert max(map(len, got)) == mtu + 14


def test_rules_may_lose_their_prefilter_while_packets_come(hub: tuple[Wire, str, str]) -> None:
    monitor, _, _ = hub
    plan = compile_text(RULES, "traffic").plan
    frames = [bytes(12) + b"\x12\x34" + bytes(46)] * 400
    with open_queues(monitor.near) as ingress:
        drop_unwanted(ingress, plan)
        ingress.begin()
        before = ingress.counters()
        monitor.send(frames)
        middle = ingress.counters()
        ingress.rules_change(None)
        monitor.send(frames)
        ingress.finish()
        after = ingress.counters()
    assert middle["prefiltered"] - before["prefiltered"] >= 400
    assert after["prefiltered"] == middle["prefiltered"]
    assert after["received"] == ingress.left >= 400


@pytest.mark.parametrize("kind", [HostDevice, ReferenceDevice])
def test_rows_that_change_take_the_prefilter_off_before_they_count(kind: type[Device], tmp_path: Path) -> None:
    """A packet that only the new rows want is received, whoever decides it."""
    text = "table ports : u16 max 4 { 5000 }\nrules r on packet all { rule a: udp.dstport in ports => count n }"
    plan = compile_text(text, "rows").plan
    bundle = Bundle.open(write_bundle(plan, tmp_path / "bundle", gateware=False))
    ip4 = bytes([0x45, 0, 0, 46]) + bytes(4) + bytes([64, 17, 0, 0, 20, 0, 0, 1, 10, 0, 0, 1])
    other = bytes(12) + b"\x08\x00" + ip4 + struct.pack(">HHHH", 7, 5001, 26, 0) + bytes(18)
    reports: list[Report] = []
    until = Until()
    with wire() as veth, open_queues(veth.near) as ingress, kind() as device:
        assert drop_unwanted(ingress, plan) == []
        start(device, bundle, 1)
        session = Session(device, bundle)
        thread = threading.Thread(target=lambda: reports.append(session.run(ingress, until=until)))
        thread.start()
        try:
            patient(lambda: ingress.begun, "the session runs")
            veth.send([other], 100)
            patient(lambda: ingress.counters()["prefiltered"] == 100, "all are dropped in the kernel")
            device.update(TableEdit(bundle.structure, {0: [Row(((5001, 5001),))]}), 2)
            patient(lambda: not ingress.interface.filtered, "the prefilter is off")
            veth.send([other], 100)
            patient(lambda: ingress.counters()["received"] >= 100, "all are received")
        finally:
            until.stop()
            thread.join()
    (report,) = reports
    assert report.counters == {"n": 100}
    assert report.ingress["prefiltered"] == 100 and report.ingress["left"] == 0


NUMBERED = """
import socket, sys, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end, number = time.monotonic() + float(sys.argv[1]), 0
while number % 10 or time.monotonic() < end:
    out.sendto(number.to_bytes(8, "little"), ("10.9.0.2", 5000 + number % 10))
    number += 1
    if number % 100 == 0:
        time.sleep(0.001)
print(number)
"""
LOW, HIGH = (
    f"rules r on packet all {{ rule {name}: udp.dstport in {{{first}..{first + 4}}} => deliver got, count seen }}"
    for name, first in (("low", 5000), ("high", 5003))
)
TURN_S = 0.05
SECONDS = 60 if os.environ.get("SEVENM_SOAK") else 4


def test_two_rule_files_take_turns_every_50_ms_under_load(hub: tuple[Wire, str, str], tmp_path: Path) -> None:
    """Nothing is lost, repeated or matched by half of the rules, and there is a prefilter all the time."""
    monitor, client, _ = hub
    plans = [compile_text(text, name).plan for text, name in ((LOW, "low"), (HIGH, "high"))]
    bundles = [Bundle.open(write_bundle(plan, tmp_path / plan.name, gateware=False)) for plan in plans]
    name, until, reports = f"test-turns-{os.getpid()}", Until(), list[Report]()
    with (
        open_queues(monitor.near) as ingress,
        RingWriter.create(name, slots=1 << 16, slot_size=128, policy="block") as ring,
        HostDevice() as device,
    ):
        for plan, bundle in zip(plans, bundles, strict=True):
            assert prepare(ingress, plan) == []
            device.prepare(bundle).close()  # compiled once
        ingress.rules_change(plans[0].digest)
        start(device, bundles[0], 1)
        session = Session(device, bundles[0], {"got": ring})
        other = subprocess.Popen(
            [sys.executable, "-c", SUBSCRIBER, name, "other", "block"], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None and other.stdout.readline() == "here\n"
        silent(monitor.sent)
        before = monitor.sent()

        def run() -> None:
            try:
                reports.append(session.run(ingress, until=until))
            finally:
                ring.close()

        thread = threading.Thread(target=run)
        got: list[np.ndarray] = []
        with RingReader.attach(name) as reader:
            reading = threading.Thread(
                target=lambda: got.extend(
                    np.stack([b["generation"], b["data"][:, 37], number_of(b["data"])]) for b in reader
                )
            )
            for one in (thread, reading):
                one.start()
            try:
                patient(lambda: ingress.begun, "the session runs")
                talk = inside(client, sys.executable, "-c", NUMBERED, str(SECONDS))
                generation = 1
                while talk.poll() is None:
                    time.sleep(TURN_S)
                    generation += 1
                    device.activate(device.prepare(bundles[(generation - 1) % 2]), generation)
                out, err = talk.communicate()
                assert talk.returncode == 0, err
                sent = silent(monitor.sent) - before
            finally:
                until.stop()
                thread.join()
                reading.join()
        read_by_other = int(other.communicate(timeout=60)[0])
        Ring.unlink(name)
    numbers, (report,) = int(out), reports
    records = np.concatenate(got, axis=1)
    counts, port, number = report.ingress, records[1] + 4864, records[2]
    assert counts["received"] + counts["prefiltered"] + counts["dropped"] == sent >= numbers
    assert (counts["damaged"], counts["left"], counts["dropped"]) == (0, 0, 0)
    assert report.events == counts["received"]
    assert len(number) == report.channels[0].delivered == report.counters["seen"] == read_by_other
    assert (port == 5000 + number % 10).all()
    assert (np.diff(number) > 0).all(), "nothing is repeated, and the order stays"
    assert (np.diff(records[0]) >= 0).all() and len(np.unique(records[0])) > SECONDS / TURN_S / 4
    low = records[0] % 2 == 1
    first = np.where(low, 5000, 5003)
    assert ((port >= first) & (port <= first + 4)).all(), "each match is of its generation's rules"
    wanted_by_both = number[(port == 5003) | (port == 5004)]
    assert len(wanted_by_both) == numbers // 10 * 2, "what both want nothing is lost of"
    assert counts["prefiltered"] >= numbers // 10 * 2, "what neither wants was dropped in the kernel all the time"
    assert not ((port == 5008) | (port == 5009)).any()
    assert sum(rule.events for rule in report.rules) == len(number)


def number_of(data: np.ndarray) -> np.ndarray:
    """Of a datagram: the eight bytes behind its headers."""
    return np.ascontiguousarray(data[:, 42:50]).view("<u8")[:, 0]


def test_rules_that_want_everything_are_received_without_a_prefilter(hub: tuple[Wire, str, str]) -> None:
    monitor, _, _ = hub
    plan = compile_text("rules r on packet first { default => count n }", "t").plan
    with open_queues(monitor.near) as ingress:
        with pytest.raises(PrefilterError, match=r"^nothing is dropped in the kernel: r\.default wants every packet$"):
            drop_unwanted(ingress, plan)
        ingress.begin()
        monitor.send([bytes(60)] * 50)
        ingress.finish()
        assert ingress.left >= 50
