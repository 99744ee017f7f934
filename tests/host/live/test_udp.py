"""Records in UDP datagrams: to an address, to groups, several in one, of the wrong size, and too many at once."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import Wanted
from sevenm.host.live.udp import UDP, Place, UdpIngress, parse
from sevenm.host.live.until import Until
from sevenm.host.session import Session

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.usefixtures("need_native")]
Ip = Callable[..., str]
RULES = """
schema R v1 size 64 @endian(little) {
  seq: u32
  key: u16
}
rules udp on R all {
  rule odd: key == 1 => deliver odd
  rule any: seq >= 0 => count records
}
"""


def record(seq: int) -> bytes:
    return struct.pack("<IH58x", seq, seq % 2)


@pytest.fixture
def lo(ip: Ip) -> None:
    ip("link set lo up")
    ip("link set lo multicast on")
    ip("route add 224.0.0.0/4 dev lo")


def taken(ingress: UdpIngress) -> list[bytes]:
    """What is there."""
    batches: list[EventBatch] = []
    for batch in ingress.batches():
        if not len(batch):
            break
        batches.append(batch)
    joined = EventBatch.joined(batches)
    now = time.time_ns()
    assert all(now - 60_000_000_000 < int(ts) <= now for ts in joined.events["ts_ns"])
    assert (joined.events["cap_len"] == joined.events["wire_len"]).all()
    return [joined.data(i) for i in range(len(joined))]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "239.1.2.3@lo", "127.0.0.1@lo"])
def test_every_record_of_every_datagram_is_an_event(lo: None, address: str) -> None:
    host, at, interface = address.partition("@")
    spec = f"[{host}]:5000{at}{interface}" if ":" in host else f"{host}:5000{at}{interface}"
    ingress = UdpIngress(spec, 64)
    ingress.begin()
    goal = "127.0.0.1" if host == "0.0.0.0" else host
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for n in (1, 2, 64, 1):
            sender.sendto(b"".join(record(i) for i in range(n)), (goal, 5000))
        for size in (0, 1, 63, 65, 127):
            sender.sendto(bytes(size), (goal, 5000))
    assert taken(ingress) == [record(i) for n in (1, 2, 64, 1) for i in range(n)]
    ingress.finish()
    assert ingress.counters() == {"received": 68, "dropped": 0, "datagrams": 9, "wrong_size": 5}
    assert ingress.left == 0
    ingress.close()


def test_an_ipv6_group_is_joined_on_the_interface(veth: tuple[str, str], ip: Ip) -> None:
    _, name = veth
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("0")
    ip(f"addr add fd00::1/64 dev {name} nodad")
    ingress = UdpIngress(f"[ff15::7]:5000@{name}", 64)
    ingress.begin()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.bind(("fd00::1", 0))
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(name))
        sender.sendto(record(1), ("ff15::7", 5000))
        sender.sendto(record(2), ("ff15::8", 5000))  # another group
    assert taken(ingress) == [record(1)]
    ingress.close()


def test_sent_is_received_and_dropped_and_left(lo: None) -> None:
    ingress, sent = UdpIngress("127.0.0.1:5000", 64), 60_000
    ingress.begin()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", 5000))
        for i in range(sent):
            sender.send(record(i))
        events = len(next(ingress.batches()))
        ingress.finish()
        for i in range(100):
            sender.send(record(i))  # after the end: neither received nor dropped
    counts = ingress.counters()
    assert counts["dropped"] > 0 and ingress.left > events > 0
    assert counts["received"] == events + ingress.left == counts["datagrams"]
    assert counts["received"] + counts["dropped"] == sent
    ingress.close()


@pytest.mark.parametrize("spec", ["239.1.2.3:5000@live0", "10.77.0.1:5000@live0"])
@pytest.mark.parametrize("end", ["link set live0 down", "link del live0"])
def test_an_interface_that_goes_away_is_a_fault(veth: tuple[str, str], ip: Ip, spec: str, end: str) -> None:
    """A socket is not told of it: what was sent to a group would never come again."""
    ip("addr add 10.77.0.1/24 dev live0")
    ingress = UdpIngress(spec, 64)
    ingress.begin()
    assert len(next(ingress.batches())) == 0
    ip(end)
    with pytest.raises(IngressFault) as error:
        for _ in ingress.batches():
            pass
    assert str(error.value) == (
        f"the ingress cannot go on: udp:{spec}: the interface live0 went down or is gone; bring it up and start again"
    )
    ingress.close()


def test_datagrams_of_every_size_are_records_or_counted(lo: None) -> None:
    ingress = UdpIngress("127.0.0.1:5000", 64)
    ingress.begin()
    sizes = [*range(0, 65507, 416), 65472, 65507]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for size in sizes:
            sender.sendto(bytes(size), ("127.0.0.1", 5000))
    right = [size for size in sizes if size and size % 64 == 0]
    assert len(taken(ingress)) == sum(right) // 64
    ingress.finish()
    counts = ingress.counters()
    assert counts["datagrams"] == len(sizes) and counts["dropped"] == 0
    assert counts["wrong_size"] == len(sizes) - len(right)
    ingress.close()


@pytest.mark.needs("compiler")
def test_a_session_runs_rules_on_them(lo: None, tmp_path: Path) -> None:
    bundle = Bundle.open(write_bundle(compile_text(RULES, "udp").plan, tmp_path / "udp", gateware=False))
    ingress = UdpIngress("127.0.0.1:5000", 64)
    with HostDevice() as device, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        start(device, bundle)
        for i in range(0, 1000, 10):
            sender.sendto(b"".join(record(i + k) for k in range(10)), ("127.0.0.1", 5000))
        report = Session(device, bundle).run(ingress, until=Until(events=995))
    ingress.close()
    assert (report.events, report.counters) == (995, {"records": 995})
    assert report.channels[0].matched == 497
    assert report.ingress == {"received": 1000, "dropped": 0, "datagrams": 100, "wrong_size": 0, "left": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("127.0.0.1", "udp:127.0.0.1: expected udp:ADDRESS:PORT or udp:ADDRESS:PORT@INTERFACE, for example"),
        ("::1:5000", "udp:::1:5000: expected udp:ADDRESS:PORT or udp:ADDRESS:PORT@INTERFACE, for example"),
        ("[1.2.3:5000", "udp:[1.2.3:5000: '[1.2.3' does not appear to be an IPv4 or IPv6 address; an IPv6 address is"),
        ("host:5000", "udp:host:5000: 'host' does not appear to be an IPv4 or IPv6 address"),
        ("127.0.0.1:0", "udp:127.0.0.1:0: a port is from 1 to 65535, not 0"),
        ("127.0.0.1:65536", "udp:127.0.0.1:65536: a port is from 1 to 65535, not 65536"),
        ("239.1.1.1:5@eth7", "udp:239.1.1.1:5@eth7: there is no interface eth7; there are: lo"),
        ("239.1.1.1:5000", "udp:239.1.1.1:5000: no such device; say which interface the group is joined on"),
    ],
)
def test_what_cannot_be_received_from_is_said(ip: Ip, text: str, message: str) -> None:
    with pytest.raises(CaptureError) as error:
        UdpIngress(text, 64)
    assert str(error.value).startswith(message)


def test_an_address_that_is_taken_or_not_of_this_host_is_said(lo: None) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 5000))
        with pytest.raises(CaptureError, match=r"^udp:127.0.0.1:5000: address already in use$"):
            UdpIngress("127.0.0.1:5000", 64)
    with pytest.raises(CaptureError) as error:
        UdpIngress("10.9.8.7:5000", 64)
    assert str(error.value) == (
        "udp:10.9.8.7:5000: cannot assign requested address; give an address of this host, 0.0.0.0 or [::] for all, "
        "or a multicast group"
    )


def test_rules_on_packets_get_no_payloads() -> None:
    with pytest.raises(CaptureError) as error:
        UDP.open("127.0.0.1:5000", Wanted())
    assert str(error.value) == (
        "udp:127.0.0.1:5000: gives the payload of datagrams, but the rules are on packets; receive the packets "
        "themselves (-i eth0) and match udp.dstport == 5000"
    )


def test_places_are_read() -> None:
    found = [parse(text) for text in ("10.0.0.1:1", "[ff02::1]:65535@eth0")]
    assert [(str(place.address), place.port, place.interface) for place in found] == [
        ("10.0.0.1", 1, None),
        ("ff02::1", 65535, "eth0"),
    ]
    assert isinstance(found[0], Place)
