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
from sevenm.host.live.xdp import XdpIngress
from sevenm.host.live.xdp_program import PrefilterError
from sevenm.host.ring import RingReader, RingWriter
from sevenm.host.session import Report, Session
from sevenm.prefilter import drop_unwanted
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
        XdpIngress(monitor.near) as ingress,
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
    """A download over TCP. Where the kernel's stack runs the program it hands over what the sender's stack would have
    cut later (GSO), up to 64 KiB at once; else frames are as long as the MTU lets them be."""
    monkeypatch.setattr(module, "MODES", [way for way in module.MODES if way[0] == mode])
    monitor, client, server = hub
    (tmp_path / "large").write_bytes(os.urandom(4_000_000))
    recording = tmp_path / "sent.pcap"
    for space, name in ((client, "eth0"), (server, "eth0"), *((monitor.space, f"port{n}") for n in (1, 2))):
        ip("-n", space, "link", "set", name, "mtu", str(mtu))
    ip("-n", monitor.space, "link", "set", monitor.far, "mtu", str(mtu))
    ip("link", "set", monitor.near, "mtu", str(mtu))
    plan = compile_text("rules r on packet all { rule web: tcp.srcport == 8080 => count web }", "large").plan
    with XdpIngress(monitor.near) as ingress:
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
            sent = silent(monitor.sent) - before
            patient(lambda: len(readable(recording)) == sent, "tcpdump has written what was sent")
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
    with XdpIngress(monitor.near) as ingress:
        drop_unwanted(ingress, plan)
        ingress.begin()
        before = ingress.counters()
        monitor.send(frames)
        middle = ingress.counters()
        ingress.prefilter(None)
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
    with wire() as veth, XdpIngress(veth.near) as ingress, kind() as device:
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
            patient(lambda: not ingress.filtered, "the prefilter is off")
            veth.send([other], 100)
            patient(lambda: ingress.counters()["received"] >= 100, "all are received")
        finally:
            until.stop()
            thread.join()
    (report,) = reports
    assert report.counters == {"n": 100}
    assert report.ingress["prefiltered"] == 100 and report.ingress["left"] == 0


def test_rules_that_want_everything_are_received_without_a_prefilter(hub: tuple[Wire, str, str]) -> None:
    monitor, _, _ = hub
    plan = compile_text("rules r on packet first { default => count n }", "t").plan
    with XdpIngress(monitor.near) as ingress:
        with pytest.raises(PrefilterError, match=r"^nothing is dropped in the kernel: r\.default wants every packet$"):
            drop_unwanted(ingress, plan)
        ingress.begin()
        monitor.send([bytes(60)] * 50)
        ingress.finish()
        assert ingress.left >= 50
