"""Several workers on a TAP device's queues: every frame in one count, flows in order, one end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.events import open_split
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.engine.loop import IngressFault
from sevenm.host.live.split import Split
from sevenm.host.live.tap import TapDevice
from sevenm.host.live.until import Until
from tests.host.live import flows
from tests.host.live.working import END, Running, descriptors, patient, read_all, waiting

pytestmark = [pytest.mark.needs("namespaces", "compiler"), pytest.mark.usefixtures("need_native")]
Ip = Callable[..., str]
NAME, FLOWS, EACH = "livetap", 300, 8
RULES = "rules flows on packet all {\n  rule every: ip => deliver every, count seen\n}\n"
PLAN = compile_text(RULES, "flows").plan


@pytest.fixture(autouse=True)
def quiet(namespace: None) -> None:
    """Nothing is sent but what a test sends."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("namespaces: this kernel has no /dev/net/tun")
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")


def opened(parts: int) -> Split:
    return open_split(f"tap:{NAME}", PLAN, parts)


def send(frames: list[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((NAME, 0))
        for frame in frames:
            out.send(frame)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_frame_is_received_by_one_worker_and_every_flow_in_order(
    count: int, ip: Ip, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        running = Running(stack, make(RULES), opened(count), ring)
        ip(f"link set {NAME} txqueuelen 10000")
        report = running.run(lambda: send(sent), Until(len(sent), END))
        for reader in running.readers:
            got = read_all(reader)
            assert flows.faults(got, FLOWS, EACH) == []
            assert len({one.worker for one in got}) == count, "all of them had work"
    assert report.events == len(sent) == report.counters["seen"] == report.channels[0].delivered
    assert report.ingress == {"received": len(sent), "dropped": 0, "left": 0}


def test_what_has_no_room_is_counted_once(make: Callable[[str], Bundle], ring: str) -> None:
    sent = flows.frames(FLOWS, 30)
    with ExitStack() as stack:
        running = Running(stack, make(RULES), opened(2), ring)
        send(sent)
        report = running.run(lambda: None, Until(seconds=0.5))
        each = [one.ingress["dropped"] for one in running.workers.reports()]
    assert report.events == report.ingress["received"] > 0 and report.ingress["left"] == 0
    assert report.events + report.ingress["dropped"] == len(sent)
    assert each == [report.ingress["dropped"], 0] and each[0] > 0


def test_an_end_by_events_is_exact_over_all_workers(make: Callable[[str], Bundle], ring: str) -> None:
    sent = flows.frames(FLOWS, 4)
    with ExitStack() as stack:
        running = Running(stack, make(RULES), opened(2), ring)
        report = running.run(lambda: send(sent), Until(500, END))
    assert report.events == 500
    assert report.ingress["received"] == 500 + report.ingress["left"] <= len(sent)


def test_all_parts_begin_and_end_together(ip: Ip) -> None:
    sent = flows.frames(100, 1)
    with closing(opened(3)) as parts:
        send(sent)
        parts.begin()
        assert waiting(parts) == [0, 0, 0], "what came before is nobody's"
        send(sent)
        parts.begin()
        taken = waiting(parts)
        assert sum(taken) == len(sent) and min(taken) > 0
        send(sent)
        parts.parts[1].finish()
        send(sent)
        for part in parts.parts:
            part.finish()
        assert [part.left for part in parts.parts] == taken, "what came after the first one's end is nobody's"
        assert sum(part.counters()["dropped"] for part in parts.parts) == 0
    with pytest.raises(AssertionError, match="does not exist"):
        ip(f"link show {NAME}")


def test_a_device_that_is_removed_ends_all_of_them_with_everything_counted(
    ip: Ip, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, 1)
    with ExitStack() as stack:
        parts = opened(2)
        running = Running(stack, make(RULES), parts, ring)

        def work() -> None:
            send(sent)
            patient(lambda: parts.position == len(sent), "all are received")
            ip(f"link del {NAME}")

        with pytest.raises(IngressFault, match=f"{NAME}: the device is gone"):
            running.run(work, Until(seconds=END))
        report = running.workers.report()
    assert (report.events, report.ingress["dropped"]) == (len(sent), 0)


def test_a_device_that_cannot_be_shared_out_is_said(ip: Ip) -> None:
    before = descriptors()
    ip("tuntap add mode tap name onequeue")
    ip("tuntap add mode tap multi_queue name queues")
    for name, message in (
        (
            "onequeue",
            "tap:onequeue: there is an interface of that name, which is no TAP device of several queues (ip tuntap add "
            "mode tap multi_queue makes one); leave --workers out, or let it be made",
        ),
        ("queues", "tap:queues: other processes read 2 queues of this device, and would get a part of the frames"),
    ):
        with closing(open_split("tap:queues", PLAN, 2)), pytest.raises(CaptureError) as caught:
            TapDevice(name, 3)
        assert str(caught.value) == message
    assert descriptors() == before
