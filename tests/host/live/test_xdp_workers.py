"""Several workers on an interface's queues: every frame in one count, flows whole and in order, one program for all."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.events import open_split
from sevenm.host.bundle import Bundle
from sevenm.host.capture.format import CaptureError
from sevenm.host.devices.device import start
from sevenm.host.engine.loop import IngressFault
from sevenm.host.live import xdp
from sevenm.host.live.split import Split
from sevenm.host.live.until import Until
from sevenm.host.live.xdp import open_queues, split_queues
from sevenm.host.live.xdp_bpf import INSTRUCTION, Code
from sevenm.host.live.xdp_ingress import XdpIngress
from sevenm.host.live.xdp_interface import XdpInterface
from sevenm.host.live.xdp_program import REDIRECT
from sevenm.prefilter import drop_unwanted, prepare
from tests.host.live import flows
from tests.host.live.working import END, Running, descriptors, patient, read_all, waiting

pytestmark = [pytest.mark.needs("namespaces", "compiler", "xdp"), pytest.mark.usefixtures("need_native")]
Send = Callable[[list[bytes]], None]
Ip = Callable[..., str]
SPEC, QUEUES, COPY = "xdp:live0", 4, "native copy"
FLOWS, EACH = 300, 8
RULES = "rules flows on packet all {\n  rule every: ip => deliver every, count seen\n}\n"
LOW, HIGH = (
    f"rules flows on packet all {{\n  rule some: udp.port in {{{first}..{last}}} => deliver every, count seen\n}}\n"
    for first, last in ((1000, 1199), (1100, 1299))
)
PLAN = compile_text(RULES, "flows").plan
DROP_ALL = Code(INSTRUCTION.pack(0xB7, 0, 0, 1) + INSTRUCTION.pack(0x95, 0, 0, 0))
"""return XDP_DROP"""
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20


@pytest.fixture
def veth(ip: Ip) -> tuple[str, str]:
    """As in ``conftest``, with queues: the kernel sends a frame by the one that a hash of its flow says, as a card
    receives it (RSS), and it is received by the queue of that number."""
    queues = f"numrxqueues {QUEUES} numtxqueues {QUEUES}"
    ip(f"link add live0 {queues} type veth peer name live1 {queues}")
    for name in ("live0", "live1"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip(f"link set {name} up")
    return "live0", "live1"


def parts_of(split: Split) -> list[XdpIngress]:
    return [part for part in split.parts if isinstance(part, XdpIngress)]


def shared_by(split: Split) -> XdpInterface:
    return parts_of(split)[0].interface


@pytest.mark.parametrize(("count", "mode"), [(1, COPY), (2, COPY), (2, "generic"), (3, COPY), (4, COPY)])
def test_every_frame_is_received_by_one_worker_and_every_flow_in_order(
    count: int,
    mode: str,
    veth: tuple[str, str],
    send: Send,
    make: Callable[[str], Bundle],
    ring: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xdp, "MODES", [way for way in xdp.MODES if way[0] == mode])
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        parts = open_split(SPEC, PLAN, count)
        assert shared_by(parts).mode == mode
        assert [part.queues for part in parts_of(parts)] == [tuple(range(n, QUEUES, count)) for n in range(count)]
        running = Running(stack, make(RULES), parts, ring, measured=True)
        report = running.run(lambda: send(sent), Until(len(sent), END))
        each = running.workers.reports()
        for reader in running.readers:
            got = read_all(reader)
            assert flows.faults(got, FLOWS, EACH) == []
            assert len({one.worker for one in got}) == count, "all of them had work"
    assert report.events == len(sent) == sum(one.events for one in each) == report.counters["seen"]
    none = dict.fromkeys(("dropped", "damaged", "prefiltered", "prefiltered_bytes", "unread_queues", "left"), 0)
    assert report.ingress == {"received": len(sent), **none}
    (channel,) = report.channels
    assert (channel.matched, channel.delivered, channel.undelivered) == (len(sent), len(sent), {})
    assert report.latency["decided"].count == len(sent) == report.latency["in_ring"].count


def test_a_flow_that_comes_by_several_queues_is_noticed(
    veth: tuple[str, str], make: Callable[[str], Bundle], ring: str
) -> None:
    """The seeded fault: the queue goes by the sender's processor, which is another one for each frame."""
    cpus = sorted(os.sched_getaffinity(0))
    if len({cpu % QUEUES % 2 for cpu in cpus}) < 2:
        pytest.skip("one processor: it sends by one queue")
    sent = flows.frames(FLOWS, EACH)

    def work() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
            sender.bind((veth[1], 0))
            for number, frame in enumerate(sent):
                os.sched_setaffinity(0, {cpus[number // 7 % len(cpus)]})
                sender.send(frame)

    with ExitStack() as stack:
        running = Running(stack, make(RULES), open_split(SPEC, PLAN, 2), ring)
        report = running.run(work, Until(len(sent), END))
        found = flows.faults(read_all(running.readers[0]), FLOWS, EACH)
    assert report.events == len(sent), "the counts alone do not tell"
    assert sum("several workers" in fault for fault in found) > FLOWS / 2
    assert any("out of order" in fault for fault in found)


def test_what_finds_no_free_frame_is_counted_once(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        parts = split_queues("live0", 2, frames=64)
        running = Running(stack, make(RULES), parts, ring)
        send(sent)
        report = running.run(lambda: None, Until(seconds=0.5))
        each = [one.ingress["dropped"] for one in running.workers.reports()]
        got = sum(len(records) for records in running.readers[0])
    assert report.events == got == report.ingress["received"] == 64 * QUEUES
    assert report.events + report.ingress["dropped"] == len(sent)
    assert min(each) > 0 and sum(each) == report.ingress["dropped"]


def test_an_end_by_events_is_exact_over_all_workers(
    veth: tuple[str, str], send: Send, ip: Ip, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, EACH)
    with ExitStack() as stack:
        running = Running(stack, make(RULES), open_split(SPEC, PLAN, 3), ring)
        report = running.run(lambda: send(sent), Until(1000, END))
        assert report.events == 1000 == sum(len(records) for records in running.readers[1])
        assert "prog/xdp" not in ip("-d link show live0")
    counts = report.ingress
    assert counts["received"] == 1000 + counts["left"] <= len(sent)


def test_an_interface_that_goes_down_ends_all_of_them_with_everything_counted(
    veth: tuple[str, str], send: Send, ip: Ip, make: Callable[[str], Bundle], ring: str
) -> None:
    sent = flows.frames(FLOWS, 2)
    with ExitStack() as stack:
        parts = open_split(SPEC, PLAN, 2)
        running = Running(stack, make(RULES), parts, ring)

        def work() -> None:
            send(sent)
            patient(lambda: parts.position == len(sent), "all are received")
            ip("link set live0 down")

        with pytest.raises(IngressFault, match="live0: the interface went down or is gone; bring it up and start"):
            running.run(work, Until(seconds=END))
        report = running.workers.report()
    assert (report.events + report.ingress["left"], report.ingress["dropped"]) == (len(sent), 0)


@pytest.mark.needs("clang")
def test_rules_and_their_prefilter_change_under_load(
    veth: tuple[str, str], send: Send, make: Callable[[str], Bundle], ring: str
) -> None:
    """Flows 0 to 199 and 100 to 299 are wanted by turns, those from 300 on by nobody."""
    sent = [flows.frame(flow, place) for place in range(2) for flow in range(400)]
    plans, rounds = [compile_text(text, "flows").plan for text in (LOW, HIGH)], 12
    bundles = [make(LOW), make(HIGH)]
    until = Until(seconds=END)
    with ExitStack() as stack:
        parts = open_split(SPEC, plans[0], 2)
        shared, first = shared_by(parts), parts_of(parts)[0]
        assert drop_unwanted(first, plans[0]) == prepare(first, plans[1]) == []
        assert shared.filtered == plans[0].digest
        running = Running(stack, bundles[0], parts, ring, slots=65536)
        dropped: list[int] = []

        def change(generation: int) -> None:
            new = generation % 2 - 1
            send(sent)
            start(running.device, bundles[new], generation)
            send(sent)
            patient(lambda: shared.filtered == plans[new].digest, "both workers have the rules")
            before = shared.counts()["prefiltered"]
            send(sent)
            dropped.append(shared.counts()["prefiltered"] - before)

        def work() -> None:
            try:
                for generation in range(2, 2 + rounds):
                    change(generation)
                patient(lambda: decided() == 3 * rounds * len(sent), "all are decided, or dropped in the kernel")
            finally:
                until.stop()

        def decided() -> int:
            return running.workers.report().events + shared.counts()["prefiltered"]

        report = running.run(work, until)
        got: list[tuple[int, flows.Seen]] = []
        for records in running.readers[0]:
            seen = flows.seen(records, running.readers[0].worker)
            got += zip(records["generation"].tolist(), seen, strict=True)
    times = 3 * rounds
    counts = report.ingress
    assert counts["received"] + counts["prefiltered"] == times * len(sent)
    assert (counts["dropped"], counts["damaged"], counts["left"]) == (0, 0, 0)
    assert dropped == [len(sent) // 2] * rounds, "what these rules do not want is dropped, whoever would get it"
    assert report.events == counts["received"] and report.counters["seen"] == len(got)
    assert report.generation == 1 + rounds
    for flow in range(100, 200):
        mine = [(generation, one.place, one.worker) for generation, one in got if one.flow == flow]
        assert [place for _, place, _ in mine] == [0, 1] * times, "what both want nothing is lost of"
        assert [generation for generation, _, _ in mine] == sorted(generation for generation, _, _ in mine)
        assert len({worker for _, _, worker in mine}) == 1
    assert {(generation % 2, one.flow // 100) for generation, one in got} == {(1, 0), (1, 1), (0, 1), (0, 2)}
    assert {one.worker for _, one in got} == {0, 1}


def test_a_prefilter_stands_while_all_parts_have_its_rules(veth: tuple[str, str], send: Send) -> None:
    sent = flows.frames(40, 1)
    with closing(split_queues("live0", 2)) as parts:
        shared = shared_by(parts)
        one, two = parts.parts
        shared.add_prefilter("all", REDIRECT)
        shared.add_prefilter("none", DROP_ALL)
        one.rules_change("none")
        assert shared.filtered is None, "what the other one decides by is not known"
        shared.rules_change("none")
        assert shared.filtered == "none"
        parts.begin()
        send(sent)
        assert waiting(parts) == [0, 0]
        one.rules_change("all")
        assert shared.filtered is None
        send(sent)
        assert sum(waiting(parts)) == len(sent), "while they differ everything is received"
        two.rules_change("all")
        assert shared.filtered == "all"
        shared.rules_change("none")
        two.rules_change(None)
        assert shared.filtered is None
        two.rules_change("none")
        assert shared.filtered == "none"
        two.finish()
        one.rules_change("all")
        assert shared.filtered == "none", "once it has ended nothing changes"


def test_all_parts_begin_and_end_together(veth: tuple[str, str], send: Send, ip: Ip) -> None:
    sent = flows.frames(100, 1)
    with closing(open_split(SPEC, PLAN, 2)) as parts:
        send(sent)
        assert sum(waiting(parts)) == 0 and parts.parts[0].counters()["received"] == 0, "they have not begun"
    with closing(open_split(SPEC, PLAN, 2)) as parts:
        parts.begin()
        send(sent)
        parts.parts[1].finish()
        assert "prog/xdp" not in ip("-d link show live0")
        send(sent)
        parts.parts[0].finish()
        assert sum(part.left for part in parts.parts) == len(sent), "what came later is the kernel's, by every queue"
        assert min(part.left for part in parts.parts) > 0
    assert "promiscuity 0" in ip("-d link show live0")


@pytest.mark.parametrize("number", [0, 1])
def test_an_error_while_one_part_closes_leaves_nothing(
    number: int, veth: tuple[str, str], ip: Ip, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = XdpIngress.finish

    def fail(self: XdpIngress) -> None:
        if self.queues[0] == number:
            raise OSError("it cannot be finished")
        finish(self)

    parts = open_split(SPEC, PLAN, 2)
    parts.begin()
    assert "promiscuity 1" in ip("-d link show live0") and "prog/xdp" in ip("-d link show live0")
    before = descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(XdpIngress, "finish", fail)
        with pytest.raises(OSError, match="it cannot be finished"):
            parts.close()
    after = ip("-d link show live0")
    assert "promiscuity 0" in after and "prog/xdp" not in after
    # Two maps, a program and its link, a packet socket, four AF_XDP sockets, and one for questions of each part.
    assert descriptors() == before - 11
    open_split(SPEC, PLAN, 2).close()


def test_a_part_that_cannot_be_opened_leaves_nothing(veth: tuple[str, str], ip: Ip) -> None:
    before = descriptors()
    with open_queues("live0", 3) as other:
        other.begin()
        with pytest.raises(CaptureError, match=r"^xdp:live0: binding it: device or resource busy; another program has"):
            open_split(SPEC, PLAN, 2)
        assert "prog/xdp" in ip("-d link show live0"), "the other one's"
    assert "prog/xdp" not in ip("-d link show live0")
    assert descriptors() == before


@pytest.mark.needs("ethtool")
def test_what_the_interface_says_and_counts_is_there_once(veth: tuple[str, str], ip: Ip) -> None:
    for name in veth:
        subprocess.run(["ethtool", "-L", name, "rx", "2", "tx", "2"], check=True)
    with closing(open_split(SPEC, PLAN, 2)) as parts:
        assert parts.warnings()[:2] == ["2 parts, by queue, queue Q to worker Q mod 2", "native copy, 2 queues"]
        assert len(parts.warnings()) == len(set(parts.warnings())) == 3, "the last one is about VLAN tags"
        parts.begin()
        subprocess.run(["ethtool", "-L", "live0", "rx", "4"], check=True)
        assert [part.counters()["unread_queues"] for part in parts_of(parts)] == [2, 0]


def test_workers_without_a_queue_are_refused(veth: tuple[str, str], ip: Ip) -> None:
    for spec, workers, message in (
        (
            SPEC,
            5,
            "xdp:live0: 5 workers need a queue each, and live0 has 4; give it more (ethtool -L live0 combined 5), or "
            "start fewer workers (--workers 4)",
        ),
        (
            "xdp:live0:3",
            2,
            "xdp:live0:3: one queue cannot be shared out to 2 workers; read all of them (xdp:live0), or leave "
            "--workers out",
        ),
        (SPEC, 65, "xdp:live0: can be split into 1 to 64 parts, not 65"),
    ):
        with pytest.raises(CaptureError) as caught:
            open_split(spec, PLAN, workers)
        assert str(caught.value) == message
    with closing(open_split("xdp:live0:3", PLAN, 1)) as parts:
        assert [part.queues for part in parts_of(parts)] == [(3,)]
