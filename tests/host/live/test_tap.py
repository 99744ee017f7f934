"""Frames through a TAP device: the kernel's own stack and raw sockets send, and what has no room is counted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.live.tap import TapDevice, TapIngress
from sevenm.host.live.until import Until
from sevenm.host.session import Session

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.usefixtures("need_native")]
Ip = Callable[..., str]


@pytest.fixture
def tap(namespace: None) -> Iterator[TapIngress]:
    if not Path("/dev/net/tun").exists():
        pytest.skip("namespaces: this kernel has no /dev/net/tun")
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    ingress = TapIngress(TapDevice("livetap"))
    yield ingress
    ingress.close()


def sender() -> socket.socket:
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    out.bind(("livetap", 0))
    return out


def test_every_frame_arrives_as_it_was_sent(tap: TapIngress, frames: list[bytes]) -> None:
    got: list[bytes] = []
    tap.begin()
    with sender() as out:
        for start_ in range(0, len(frames), 100):
            for frame in frames[start_ : start_ + 100]:
                out.send(frame)
            for batch in tap.batches():
                got += [batch.data(i) for i in range(len(batch))]
                assert all(abs(time.time_ns() - int(ts)) < 60_000_000_000 for ts in batch.events["ts_ns"])
                if not len(batch):
                    break
    assert got == frames
    assert tap.counters() == {"received": len(frames), "dropped": 0}


@pytest.mark.needs("compiler")
def test_sent_is_decided_and_dropped_and_left(tap: TapIngress, frames: list[bytes], bundle: Bundle) -> None:
    with sender() as out, HostDevice() as device:
        start(device, bundle)
        for frame in (frames * 3)[:1500]:
            out.send(frame)
        report = Session(device, bundle).run(tap, until=Until(events=100))
        out.send(frames[0])  # after the end
    counts = report.ingress
    assert report.events == 100 and counts["dropped"] > 0 and counts["left"] > 0
    assert counts["received"] == report.events + counts["left"]
    assert counts["received"] + counts["dropped"] == 1500


@pytest.mark.needs("compiler")
def test_a_device_that_is_removed_is_a_fault(tap: TapIngress, frames: list[bytes], bundle: Bundle, ip: Ip) -> None:
    with sender() as out, HostDevice() as device:
        start(device, bundle)
        session = Session(device, bundle)
        for frame in frames[:50]:
            out.send(frame)
        helper = threading.Timer(0.3, ip, ["link del livetap"])
        helper.start()
        with pytest.raises(IngressFault) as error:
            session.run(tap, until=Until(seconds=30))
        helper.join()
    assert str(error.value) == "the ingress cannot go on: livetap: the device is gone"
    assert session.report().events == session.report().ingress["received"] == 50


def test_what_a_device_drops_is_counted_whatever_it_is_called(tap: TapIngress, ip: Ip) -> None:
    ip("link set livetap down")
    ip("link set livetap name livelytap")
    ip("link set livelytap up")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind(("livelytap", 0))
        for _ in range(1500):
            out.send(bytes(60))
    tap.finish()
    counts = tap.counters()
    assert tap.left == counts["received"] > 0 and counts["dropped"] > 0
    assert counts["received"] + counts["dropped"] == 1500


def test_frames_longer_than_the_mtu_was_arrive_whole(tap: TapIngress, ip: Ip) -> None:
    ip("link set livetap mtu 9000")
    frames = [bytes([n]) * (60 + 447 * n) for n in range(21)]
    with sender() as out:
        for frame in frames:
            out.send(frame)
    batch = next(batch for batch in tap.batches() if len(batch))
    assert [batch.data(n) for n in range(len(batch))] == frames


def test_what_cannot_be_opened_is_said(tap: TapIngress, ip: Ip) -> None:
    ip("link add livedummy type veth peer name livepeer")
    errors = {
        "livedummy": "tap:livedummy: there is an interface of that name, which is no TAP device",
        "livetap": "tap:livetap: another process has this device open",
        "": "tap:: the name of an interface has 1 to 15 bytes, without / and %",
        "a" * 16: f"tap:{'a' * 16}: the name of an interface has 1 to 15 bytes, without / and %",
        "tap%d": "tap:tap%d: the name of an interface has 1 to 15 bytes, without / and %",
    }
    for name, message in errors.items():
        with pytest.raises(CaptureError) as error:
            TapDevice(name)
        assert str(error.value) == message
