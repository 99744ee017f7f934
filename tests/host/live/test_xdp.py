"""AF_XDP ingress on virtual wires: every frame is received or counted, and what goes wrong is said."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.ingress import INGRESS, LiveOptions, Wanted
from sevenm.host.live import xdp as module
from sevenm.host.live.xdp import open_queues, parse
from sevenm.host.live.xdp_bpf import BpfError
from sevenm.host.live.xdp_ingress import XdpIngress
from tests.host.live.wires import Wire, ip, wire

pytestmark = [pytest.mark.needs("compiler", "xdp"), pytest.mark.usefixtures("need_native")]
ROOT = Path(__file__).resolve().parents[3]
HEAD = bytes(12) + b"\x08\x00"


def frame(number: int, size: int = 60) -> bytes:
    return HEAD + number.to_bytes(4, "big") + bytes(size - 18)


@pytest.fixture
def veth() -> Iterator[Wire]:
    with wire() as made:
        yield made


def opened(interface: str, *more: int) -> XdpIngress:
    try:
        return open_queues(interface, *more)
    except CaptureError as error:
        if "not permitted" in str(error):
            pytest.skip(f"root: {error}")
        raise


def received(ingress: XdpIngress) -> EventBatch:
    """All that is there now."""
    batches = []
    for batch in ingress.batches():
        if not len(batch):
            break
        batches.append(batch)
    return EventBatch.joined(batches)


def test_every_frame_is_received_in_order_with_its_time(veth: Wire) -> None:
    with opened(veth.near) as ingress:
        assert ingress.warnings() == [
            "native copy, queue 0",
            f"{veth.near} takes VLAN tags out of frames, and they are lost to AF_XDP; to see them: "
            f"ethtool -K {veth.near} rxvlan off",
        ]
        veth.send([frame(0)])
        assert len(received(ingress)) == 0, "nothing is redirected before it begins"
    with opened(veth.near) as ingress:
        ingress.begin()
        sizes = [60 + 7 * (n % 200) for n in range(3000)]
        veth.send([frame(n, size) for n, size in enumerate(sizes)])
        events = received(ingress)
        assert [events.data(n) for n in range(len(events))] == [frame(n, size) for n, size in enumerate(sizes)]
        assert (events.events["wire_len"] == sizes).all()
        assert (np.diff(events.events["ts_ns"].astype(np.int64)) >= 0).all()
        counts = ingress.counters()
    none = dict.fromkeys(("dropped", "damaged", "prefiltered", "prefiltered_bytes", "unread_queues"), 0)
    assert counts == {"received": 3000, **none}
    assert ingress.counters() == counts, "they stay when it is closed"


def test_what_finds_no_free_frame_is_counted(veth: Wire) -> None:
    with opened(veth.near) as ingress:
        ingress.begin()
        veth.send([frame(0)], module.FRAMES + 2000)
        assert len(received(ingress)) == module.FRAMES
        assert ingress.counters()["dropped"] == 2000
        veth.send([frame(0)], 500)
        assert len(received(ingress)) == 500, "frames that were released are free again"
        veth.send([frame(0)], 100)
        ingress.finish()
        assert ingress.left == 100
        assert ingress.counters()["received"] == module.FRAMES + 600


def test_generic_is_taken_where_the_driver_has_nothing(veth: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MODES", module.MODES[2:])
    with opened(veth.near) as ingress:
        assert ingress.interface.mode == "generic"
        ingress.begin()
        veth.send([frame(n) for n in range(200)])
        events = received(ingress)
        assert [events.data(n) for n in range(len(events))] == [frame(n) for n in range(200)]


SIZES = (60, 3839, 3840, 3841, 7680, 7681, 9014, 61, 64014, 65549)
"""Around what one chunk holds, and two; and the longest that this wire carries."""


@pytest.mark.parametrize("mode", ["native copy", "generic"])
def test_frames_of_several_buffers_are_received_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MODES", [way for way in module.MODES if way[0] == mode])
    frames = [HEAD + os.urandom(SIZES[n % len(SIZES)] - len(HEAD)) for n in range(200)]
    with wire(mtu=65535) as veth, opened(veth.near) as ingress:
        assert ingress.warnings()[0] == f"{mode}, queue 0" and len(ingress.warnings()) == 2
        ingress.begin()
        veth.send(frames)
        events = received(ingress)
        assert [events.data(n) for n in range(len(events))] == frames
        assert events.events["wire_len"].tolist() == [len(frame) for frame in frames]
        veth.send(frames)
        ingress.finish()
        assert ingress.left == 200, "their chunks were free again"
        assert veth.sent() == 400
        assert ingress.counters()["received"] == 400 and ingress.counters()["dropped"] == 0


def test_frames_of_several_buffers_that_find_no_room_are_counted() -> None:
    with wire(mtu=9000) as veth, opened(veth.near) as ingress:
        ingress.begin()
        veth.send([frame(0, 9014), frame(1, 100)], 3000)
        events = received(ingress)
        assert set(events.events["cap_len"].tolist()) == {100, 9014}
        assert 2000 < len(events) < 6000, "a frame is there whole or not at all"
        assert len(events) + ingress.counters()["dropped"] == veth.sent() == 6000


def test_an_mtu_that_grows_while_it_runs_is_no_loss(veth: Wire) -> None:
    with opened(veth.near) as ingress:
        ingress.begin()
        veth.send([frame(0, 1514)])
        ip("link", "set", veth.near, "mtu", "9000")
        ip("-n", veth.space, "link", "set", veth.far, "mtu", "9000")
        veth.send([frame(n, 9014) for n in range(100)])
        ip("link", "set", veth.near, "mtu", "600")
        veth.send([frame(0, 600)])
        assert received(ingress).events["cap_len"].tolist() == [1514, *[9014] * 100, 600]
        assert ingress.counters()["dropped"] == 0


def test_without_frames_of_several_buffers_those_that_are_too_long_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a kernel that has them not (before 6.6), or a driver."""
    bind = XdpIngress.bind

    def refuse(self: XdpIngress, flags: int) -> None:
        if flags & self.lib.XDP_USE_SG:
            raise BpfError(errno.EINVAL, "binding it: invalid argument")
        bind(self, flags)

    monkeypatch.setattr(XdpIngress, "bind", refuse)
    with wire(mtu=9000) as veth, opened(veth.near) as ingress:
        assert not ingress.interface.several
        assert ingress.warnings()[2:] == [
            "its MTU is 9000, and frames of more than 3840 bytes are not received; the kernel counts them as dropped"
        ]
        ingress.begin()
        veth.send([frame(0, 3840), frame(1, 3841), frame(2, 9014), frame(3, 100)])
        assert received(ingress).events["cap_len"].tolist() == [3840, 100]
        assert ingress.counters()["dropped"] == 2


@pytest.mark.parametrize("queue", [None, 1])
def test_all_queues_are_read_or_the_one_that_is_named(queue: int | None) -> None:
    frames = [os.urandom(12) + b"\x08\x00" + bytes(40) for _ in range(400)]
    with (
        wire("numrxqueues", "4", "numtxqueues", "4") as veth,
        opened(veth.near, *(() if queue is None else (queue,))) as ingress,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as stack,
    ):
        stack.bind((veth.near, 3))
        ingress.begin()
        veth.send(frames)
        got = len(received(ingress))
        passed = 0
        stack.setblocking(False)
        while True:
            try:
                stack.recv(2048)
            except BlockingIOError:
                break
            passed += 1
        assert got + passed == 400, "what is not redirected is the kernel's"
        if queue is None:
            assert ingress.queues == (0, 1, 2, 3) and passed == 0
        else:
            assert ingress.warnings()[1:2] == ["only queue 1 is read; the other 3 are left to the kernel"]


@pytest.mark.needs("ethtool")
def test_queues_that_come_later_are_said_to_be_the_kernels() -> None:
    with wire("numrxqueues", "4", "numtxqueues", "4") as veth:
        subprocess.run(["ethtool", "-L", veth.near, "rx", "2", "tx", "2"], check=True)
        with opened(veth.near) as ingress:
            assert ingress.queues == (0, 1)
            ingress.begin()
            assert ingress.counters()["unread_queues"] == 0
            subprocess.run(["ethtool", "-L", veth.near, "rx", "4"], check=True)
            fewer = subprocess.run(["ethtool", "-L", veth.near, "rx", "1"], capture_output=True, check=False)
            assert fewer.returncode != 0, "the kernel takes away no queue that is read"
            assert ingress.counters()["unread_queues"] == 2
        assert ingress.counters()["unread_queues"] == 2


def test_a_new_name_changes_nothing(veth: Wire) -> None:
    with opened(veth.near) as ingress:
        ingress.begin()
        veth.send([frame(0)], 10)
        ip("link", "set", veth.near, "name", f"{veth.near}x")
        veth.send([frame(0)], 10)
        assert len(received(ingress)) == 20
        assert ingress.counters()["dropped"] == 0
        ip("link", "set", f"{veth.near}x", "name", veth.near)


@pytest.mark.parametrize("end", ["down", "gone", "its peer's namespace is gone"])
def test_an_interface_that_goes_away_is_a_fault(end: str, veth: Wire) -> None:
    with opened(veth.near) as ingress:
        ingress.begin()
        veth.send([frame(0)], 10)
        if end == "down":
            ip("link", "set", veth.near, "down")
        elif end == "gone":
            ip("link", "del", veth.near)
        else:
            ip("netns", "del", veth.space)
            ip("netns", "add", veth.space)
        seen = 0
        with pytest.raises(RuntimeError) as caught:
            for batch in ingress.batches():
                seen += len(batch)
        assert seen == 10, "what came before is handed out"
        why = f"{veth.near}: the interface went down or is gone; bring it up and start again"
        assert str(caught.value) == f"the ingress cannot go on: {why}"


def test_the_interface_is_the_kernels_again_when_the_process_is_killed(veth: Wire) -> None:
    program = (
        "import sys, time; from sevenm.host.live.xdp import open_queues; "
        f"x = open_queues({veth.near!r}); x.begin(); print('ready', flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        during = ip("-d", "link", "show", veth.near)
        child.kill()
    if said != "ready\n":
        pytest.skip("root: AF_XDP cannot be had here")
    assert "xdp" in during.split()
    assert "prog/xdp" not in ip("-d", "link", "show", veth.near)


def test_what_cannot_be_had_is_said(veth: Wire) -> None:
    with opened(veth.near):
        with pytest.raises(CaptureError) as caught:
            open_queues(veth.near)
        assert str(caught.value) == (
            f"xdp:{veth.near}: binding it: device or resource busy; another program has the interface or its queue; "
            "`ip link show` names it"
        )
    with pytest.raises(CaptureError) as caught:
        open_queues(veth.near, 5)
    assert str(caught.value) == f"{veth.near} has the queues 0 to 0, not 5"
    ip("link", "set", veth.near, "down")
    with pytest.raises(CaptureError) as caught:
        open_queues(veth.near)
    assert str(caught.value) == (
        f"xdp:{veth.near}: using it: network is down; bring the interface up: ip link set NAME up"
    )


def test_an_interface_that_is_not_there_is_said() -> None:
    with pytest.raises(CaptureError) as caught:
        open_queues("no-such-if0")
    assert str(caught.value) == "xdp:no-such-if0: no such device; there is no such interface; `ip link` lists them"


def test_a_process_without_capabilities_is_told_which(veth: Wire) -> None:
    program = (
        "import os; from sevenm.host.live.xdp import open_queues, CaptureError\n"
        "os.setgroups([]); os.setresuid(65534, 65534, 65534)\n"
        f"try: open_queues({veth.near!r})\n"
        "except CaptureError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == (
        f"xdp:{veth.near}: making a BPF map: operation not permitted; needs the capabilities cap_net_raw, "
        "cap_net_admin and cap_bpf; start as root\n"
    ), done.stderr


UNPRIVILEGED = """
import os, sys
from sevenm.host.live.xdp import open_queues
from sevenm.host.live.xdp_program import REDIRECT
ingress = open_queues(sys.argv[1])
ingress.interface.add_prefilter("these", REDIRECT)
ingress.rules_change("these")
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
ingress.begin()
ingress.rules_change(None)
print("ready", flush=True)
sys.stdin.read()
ingress.finish()
print(ingress.left, ingress.counters()["received"])
ingress.close()
"""


def test_once_it_is_open_it_needs_no_privileges(veth: Wire) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UNPRIVILEGED, veth.near], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        veth.send([frame(0)], 70)
        child.stdin.close()
        assert child.stdout.read() == "70 70\n"


SIGNALS = """
import signal
from sevenm.host.live.xdp_bpf import Map, Program
from sevenm.host.live.xdp_program import COUNTS_BYTES, SCRATCH_BYTES, compile_program
from sevenm.compiler import compile_filter
from sevenm.compiler.backends.xdp.emit import emit
code = compile_program(emit(compile_filter("udp.dstport in {5000..5004}").plan).text)
maps = [Map("BPF_MAP_TYPE_XSKMAP", 4), *[Map("BPF_MAP_TYPE_PERCPU_ARRAY", n) for n in (COUNTS_BYTES, SCRATCH_BYTES)]]
heard = []
signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(50):
    Program(code, maps).close()
signal.setitimer(signal.ITIMER_REAL, 0)
print("loaded", len(heard) >= 10)
"""


@pytest.mark.needs("clang")
def test_signals_do_not_keep_a_program_from_being_loaded(veth: Wire) -> None:
    """The kernel's verifier gives up where a signal waits to be handled."""
    done = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True, check=False)
    assert done.stdout == "loaded True\n", done.stderr


@pytest.mark.parametrize("text", ["", ":1", "eth0:", "eth0:x", "eth0:-1", "eth0:1:2"])
def test_what_names_no_interface_is_refused(text: str) -> None:
    with pytest.raises(CaptureError) as caught:
        parse(text)
    assert str(caught.value) == (f"{text!r} is no interface; expected IFACE or IFACE:QUEUE, as in eth0 or eth0:3")


def test_it_is_a_kind_of_ingress() -> None:
    assert parse("eth0") == ("eth0", None) and parse("eth0:3") == ("eth0", 3)
    kind = INGRESS.load("xdp")
    assert kind.missing() is None
    with pytest.raises(CaptureError, match=r"^xdp:eth0: gives Ethernet frames, but the rules are on records$"):
        kind.open("eth0", Wanted(64))
    with pytest.raises(CaptureError, match=r"^xdp:eth0: frames are received whole; leave -s out$"):
        kind.open("eth0", Wanted(live=LiveOptions(snap=96)))
    with pytest.raises(
        CaptureError, match=r"^xdp:eth0: gives no timestamps of the hardware; leave --hardware-time out$"
    ):
        kind.open("eth0", Wanted(live=LiveOptions(hardware_time=True)))


@pytest.mark.parametrize("promiscuous", [True, False])
def test_an_interface_is_promiscuous_as_long_as_asked_for(promiscuous: bool, veth: Wire) -> None:
    kind = INGRESS.load("xdp")
    ingress = kind.open(veth.near, Wanted(live=LiveOptions(promiscuous)))
    assert ("promiscuity 1" in ip("-d", "link", "show", veth.near)) == promiscuous
    ingress.close()
    assert "promiscuity 0" in ip("-d", "link", "show", veth.near)
