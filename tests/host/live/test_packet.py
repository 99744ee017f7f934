"""Frames that real interfaces carry, through AF_PACKET: each is an event or is counted, and is what was on the wire."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.pcap import open_capture
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import LiveOptions
from sevenm.host.live.packet import PacketIngress
from sevenm.host.live.until import Until
from sevenm.host.report import Report
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.session import Session

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.usefixtures("need_native")]
Send = Callable[[list[bytes]], None]
Ip = Callable[..., str]
TAGS = (b"\x81\x00", b"\x88\xa8")
ADDRESSES = bytes.fromhex("ffffffffffff 020000000001")


def received(ingress: PacketIngress, count: int) -> list[tuple[bytes, int]]:
    """The next frames, each with its length on the wire."""
    out: list[tuple[bytes, int]] = []
    for batch in ingress.batches():
        out += [(batch.data(i), int(batch.events[i]["wire_len"])) for i in range(len(batch))]
        if len(out) >= count or not len(batch):
            break
    return out


def whole(frames: list[bytes]) -> list[tuple[bytes, int]]:
    return [(frame, len(frame)) for frame in frames]


@pytest.fixture
def live(veth: tuple[str, str]) -> Iterator[PacketIngress]:
    ingress = PacketIngress(veth[0])
    ingress.begin()
    yield ingress
    ingress.close()


def test_every_frame_arrives_as_it_was_sent(live: PacketIngress, send: Send, frames: list[bytes]) -> None:
    before = time.time_ns()
    send(frames)
    got: list[tuple[bytes, int]] = []
    times: list[int] = []
    for batch in live.batches(max_events=100):
        assert len(batch) <= 100
        got += [(batch.data(i), int(batch.events[i]["wire_len"])) for i in range(len(batch))]
        times += batch.events["ts_ns"].tolist()
        if len(got) == len(frames):
            break
    assert got == whole(frames)
    assert times == sorted(times) and before <= times[0] <= times[-1] <= time.time_ns()
    live.finish()
    assert (live.left, live.position) == (0, len(frames))
    tagged = sum(frame[12:14] in TAGS for frame in frames)
    assert live.counters() == {
        "received": len(frames), "dropped": 0, "freezes": 0, "damaged": 0, "tagged": tagged, "hardware_stamped": 0
    }  # fmt: skip
    assert live.warnings() == []


def test_own_frames_that_go_out_are_seen_too(live: PacketIngress) -> None:
    frame = ADDRESSES + b"\x88\xb5" + bytes(46)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind(("live0", 0))
        sender.send(frame)
    assert received(live, 1) == whole([frame])


@pytest.mark.parametrize("tags", ["81000007", "8100e007", "88a80005 81000007", "88a87fff"])
def test_tags_that_the_kernel_took_out_are_put_back(live: PacketIngress, send: Send, tags: str) -> None:
    frame = ADDRESSES + bytes.fromhex(tags) + b"\x08\x06" + bytes(range(46))
    send([frame] * 3)
    assert received(live, 3) == whole([frame] * 3)
    assert live.counters()["tagged"] == 3


@pytest.mark.parametrize("snap", [10, 12, 60, 61])
def test_frames_are_cut_and_keep_their_length(veth: tuple[str, str], send: Send, snap: int) -> None:
    plain, tagged = ADDRESSES + b"\x88\xb5" + bytes(range(100)), ADDRESSES + b"\x81\x00\x00\x07\x88\xb5" + bytes(100)
    ingress = PacketIngress(veth[0], LiveOptions(snap=snap))
    ingress.begin()
    send([plain, tagged])
    assert received(ingress, 2) == [(plain[:snap], 114), (tagged[:snap], 118)]
    ingress.close()


def test_jumbo_frames_arrive_whole_even_if_the_mtu_grows_meanwhile(live: PacketIngress, send: Send, ip: Ip) -> None:
    for name in ("live0", "live1"):
        ip(f"link set {name} mtu 65535")
    frames = [ADDRESSES + b"\x88\xb5" + bytes([i]) * size for i, size in enumerate((46, 1500, 9000, 65000))]
    send(frames)
    assert received(live, 4) == whole(frames)


def test_an_mtu_that_shrinks_and_a_new_name_change_nothing(live: PacketIngress, send: Send, ip: Ip) -> None:
    frames = [ADDRESSES + b"\x88\xb5" + bytes([i]) * (1400 if i < 10 else 586) for i in range(20)]
    send(frames[:10])
    ip("link set live0 mtu 600")
    ip("link set live0 name lively")
    send(frames[10:])
    assert received(live, 20) == whole(frames)
    assert live.counters()["dropped"] == 0


def test_what_finds_no_room_in_the_ring_is_counted(live: PacketIngress, send: Send, ip: Ip) -> None:
    for name in ("live0", "live1"):
        ip(f"link set {name} mtu 9000")
    send([ADDRESSES + b"\x88\xb5" + bytes(8900)] * 4000)
    events = sum(len(batch) for _, batch in zip(range(2), live.batches(), strict=False))
    live.finish()
    counts = live.counters()
    assert counts["dropped"] > 1000 and counts["freezes"] >= 1 and events > 0
    assert events + live.left == counts["received"]
    assert counts["received"] + counts["dropped"] == 4000


def test_the_loopback_carries_each_packet_once(ip: Ip) -> None:
    ip("link set lo up")
    ingress = PacketIngress("lo")
    ingress.begin()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for i in range(5):
            sender.sendto(bytes([i]), ("127.0.0.1", 9))
    datagrams = [data for data, _ in received(ingress, 99) if data[23] == socket.IPPROTO_UDP]
    assert [data[42:43] for data in datagrams] == [bytes([i]) for i in range(5)]
    ingress.close()


@pytest.mark.parametrize("wanted", [True, False])
def test_promiscuous_is_asked_for_and_given_back(veth: tuple[str, str], ip: Ip, wanted: bool) -> None:
    def promiscuity() -> int:
        (facts,) = json.loads(ip("-d -j link show dev live0"))
        return int(facts["promiscuity"])

    ingress = PacketIngress(veth[0], LiveOptions(promiscuous=wanted))
    assert promiscuity() == 0, "nothing is received before begin"
    ingress.begin()
    assert promiscuity() == wanted
    ingress.close()
    assert promiscuity() == 0


def test_without_hardware_timestamps_the_kernels_are_used_and_that_is_said(veth: tuple[str, str]) -> None:
    ingress = PacketIngress(veth[0], LiveOptions(hardware_time=True))
    assert ingress.warnings() == ["no timestamps from the hardware (operation not supported); the kernel's are used"]
    ingress.close()


def test_what_cannot_be_received_from_is_said(veth: tuple[str, str], ip: Ip) -> None:
    ip("tuntap add mode tun name livetun")
    ip("link set live0 down")
    errors = {
        "eth9": "eth9: there is no such interface; there are: lo, live1, live0, livetun",
        "a" * 16: f"{'a' * 16}: there is no such interface; there are: lo, live1, live0, livetun",
        "livetun": "livetun: an interface of hardware type 65534 (ARPHRD_… of linux/if_arp.h), expected Ethernet, 1",
        "live0": "live0: the interface is down; bring it up: ip link set live0 up",
    }
    for name, message in errors.items():
        with pytest.raises(CaptureError) as error:
            PacketIngress(name).begin()
        assert str(error.value) == message
    with pytest.raises(ValueError, match="snap must be from 1 to 262144 bytes, not 0"):
        PacketIngress("live1", LiveOptions(snap=0))


def test_without_the_capability_the_message_names_it(veth: tuple[str, str]) -> None:
    """In a child, because who has become nobody cannot come back."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresuid(65534, 65534, 65534)
            PacketIngress("live0")
        except CaptureError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as pipe:
        message = pipe.read()
    assert message.startswith("live0: receiving from an interface needs the capability cap_net_raw, which this process")
    assert "setcap cap_net_raw+ep /" in message and message.endswith("or start as root with --user NAME")


def run_until(
    bundle: Bundle, ingress: PacketIngress, until: Until, work: Callable[[], object], **options: Any
) -> tuple[Report, str]:
    """A session on the interface while ``work`` is done; the report, and the fault that ended it."""
    fault = ""
    with HostDevice() as device:
        start(device, bundle)
        session = Session(device, bundle, **options)
        ingress.begin()
        helper = threading.Thread(target=work)
        helper.start()
        try:
            session.run(ingress, until=until)
        except IngressFault as error:
            fault = str(error)
        helper.join()
        return session.report(), fault


@pytest.mark.needs("compiler", "tcpdump")
@pytest.mark.parametrize("written", [False, True])
def test_verdicts_are_those_of_the_same_traffic_captured_by_tcpdump(
    veth: tuple[str, str], send: Send, frames: list[bytes], bundle: Bundle, tmp_path: Path, written: bool
) -> None:
    tagged = [frame[:12] + b"\x81\x00\x00\x07" + frame[12:] for frame in frames[:20]]
    theirs, ours = tmp_path / "tcpdump.pcap", tmp_path / "ours.pcap"
    command = ["tcpdump", "-i", "live0", "-w", str(theirs), "-U", "-Z", "root", "-B", "16384"]
    tcpdump = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tcpdump.stderr is not None and any("listening on live0" in line for line in tcpdump.stderr)
    ingress = PacketIngress(veth[0])
    writer = CaptureWriter(ours) if written else None
    total = len(frames) + len(tagged)
    report, fault = run_until(bundle, ingress, Until(events=total), lambda: send(frames + tagged), writer=writer)
    ingress.close()
    expected_size = 24 + sum(16 + len(frame) for frame in frames + tagged)
    end = time.monotonic() + 20
    while theirs.stat().st_size < expected_size and time.monotonic() < end:
        time.sleep(0.05)
    tcpdump.terminate()
    tcpdump.wait()
    with HostDevice() as device, open_capture(theirs) as reader:
        start(device, bundle)
        expected = Session(device, bundle).run(reader)
    with_tag = sum(frame[12:14] in TAGS for frame in frames + tagged)
    assert fault == ""
    assert (report.rules, report.counters) == (expected.rules, expected.counters)
    assert (report.events, report.bytes, report.dropped) == (expected.events, expected.bytes, expected.dropped)
    assert report.ingress.pop("tagged") == with_tag
    assert report.ingress == {
        "received": total, "dropped": 0, "freezes": 0, "damaged": 0, "hardware_stamped": 0, "left": 0
    }  # fmt: skip
    if writer is not None:
        writer.close()
        assert writer.events == report.written == sum(c.matched for c in report.channels) > 0


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("engine", ["c", "python"])
def test_a_run_ends_after_so_many_events_and_counts_the_rest_as_left(
    veth: tuple[str, str], send: Send, frames: list[bytes], bundle: Bundle, engine: str
) -> None:
    ingress = PacketIngress(veth[0])
    ingress.begin()
    send(frames)
    report, fault = run_until(bundle, ingress, Until(events=7), lambda: None, use_native=engine == "c")
    ingress.close()
    assert (report.events, fault) == (7, "")
    assert (report.ingress["received"], report.ingress["left"]) == (len(frames), len(frames) - 7)


@pytest.mark.needs("compiler")
@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("link del live0", "live0: the interface is gone"),
        ("link set live0 down", "live0: the interface is down; bring it up: ip link set live0 up"),
        (
            "link set live0 down name lively",
            "live0: the interface, which is called lively now, is down; bring it up: ip link set lively up",
        ),
    ],
)
def test_an_interface_that_goes_away_is_a_fault_and_what_came_before_is_counted(
    veth: tuple[str, str], send: Send, ip: Ip, frames: list[bytes], bundle: Bundle, command: str, message: str
) -> None:
    ingress = PacketIngress(veth[0])

    def work() -> None:
        send(frames)
        ip(command)

    # Threads have a namespace each; the helper has that of the thread that starts it.
    report, fault = run_until(bundle, ingress, Until(seconds=30), work)
    ingress.close()
    assert fault == f"the ingress cannot go on: {message}"
    assert (report.events, report.ingress["received"], report.ingress["left"]) == (len(frames), len(frames), 0)


@pytest.mark.needs("compiler")
def test_rules_prepared_anew_while_it_runs_are_followed(
    veth: tuple[str, str], send: Send, frames: list[bytes], bundle: Bundle
) -> None:
    ingress, until = PacketIngress(veth[0]), Until(events=10 * len(frames))
    ingress.begin()
    name = f"test-live-{os.getpid()}"
    with HostDevice() as device, RingWriter.create(name, slots=4096, policy="block") as ring:
        start(device, bundle, 1)
        session = Session(device, bundle, {"dns": ring})

        def work() -> None:
            for generation in range(2, 12):
                send(frames)
                time.sleep(0.02)
                start(device, bundle, generation)

        helper = threading.Thread(target=work)
        helper.start()
        report = session.run(ingress, until=until)
        helper.join()
        ring.close()
        with RingReader.attach(name) as reader:
            generations = [int(n) for batch in reader for n in batch["generation"]]
    Ring.unlink(name)
    ingress.close()
    assert report.events == 10 * len(frames) and report.ingress["dropped"] == 0
    assert len(generations) == report.channels[1].delivered == report.channels[1].matched > 0
    assert generations == sorted(generations) and len(set(generations)) > 1


@pytest.mark.needs("compiler")
def test_a_full_ring_that_is_waited_for_costs_no_match_that_is_not_counted(
    veth: tuple[str, str], send: Send, bundle: Bundle
) -> None:
    dns = ADDRESSES + bytes.fromhex("0800 4500001c00000000401100000a0000010a000002 0400003500080000")
    name, total = f"test-live-full-{os.getpid()}", 6000
    ingress = PacketIngress(veth[0])
    with RingWriter.create(name, slots=256, policy="block") as ring, RingReader.attach(name):
        report, fault = run_until(
            bundle, ingress, Until(events=total), lambda: send([dns] * total), rings={"dns": ring}, block_timeout=0.2
        )
    Ring.unlink(name)
    ingress.close()
    (channel,) = (channel for channel in report.channels if channel.name == "dns")
    assert fault == "" and report.events == total == channel.matched
    assert channel.delivered == 256 and channel.undelivered == {"timeout": total - 256}


def test_a_stop_from_another_thread_ends_it(veth: tuple[str, str], bundle: Bundle) -> None:
    ingress, until = PacketIngress(veth[0]), Until()
    report, fault = run_until(bundle, ingress, until, until.stop)
    ingress.close()
    assert (report.events, report.ingress["left"], fault) == (0, 0, "")
