"""sevenm publish and replay: what a file has arrives, at the pace that was asked for, and what does not is counted."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.cli.sources import compile_file
from sevenm.host.batch import EventBatch
from sevenm.host.capture.pcap import open_capture
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.ring import Ring, RingReader
from sevenm.host.ring.record import slot_size_for

ROOT = Path(__file__).resolve().parents[2]
Sevenm = Callable[..., Any]
OUTGOING = 4
"""PACKET_OUTGOING of linux/if_packet.h."""


def capture(path: Path, data: list[bytes], wire: list[int] | None = None) -> Path:
    with CaptureWriter(path) as writer:
        writer.write(EventBatch.from_bytes(data, [10**9 * n for n in range(len(data))], wire))
    return path


@pytest.mark.needs("compiler")
def test_every_packet_of_a_capture_is_in_the_ring(sevenm: Sevenm, ring: str, office: Path) -> None:
    done = sevenm("publish", ring, "-r", office, "--slot-size", "2048", "--slots", "1024", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    with open_capture(office) as reader:
        batch = EventBatch.joined(list(reader.batches()))
    assert (told["events"], told["delivered"], told["undelivered"]) == (len(batch), len(batch), {})
    with RingReader.attach(ring) as reader:
        records = np.concatenate([some.copy() for some in reader])
    assert records["ts_ns"].tolist() == batch.events["ts_ns"].tolist()
    held = [bytes(r["data"][: r["cap_len"]]) for r in records]
    assert held == [batch.data(n)[: 2048 - 32] for n in range(len(batch))]


@pytest.mark.needs("compiler")
def test_what_has_no_room_is_counted(sevenm: Sevenm, ring: str, office: Path) -> None:
    done = sevenm("publish", ring, "-r", office, "--slots", "256")
    assert done.code == 0
    assert f"256 delivered into {ring}, 513 full undelivered\n" in done.out


@pytest.mark.needs("compiler")
def test_records_carry_their_schema(sevenm: Sevenm, ring: str, tmp_path: Path) -> None:
    rules, orders = ROOT / "examples" / "orders.7m", tmp_path / "orders.bin"
    make = [sys.executable, "examples/make_orders.py", "--count", "300", "-o", str(orders)]
    subprocess.run(make, check=True, cwd=ROOT)
    done = sevenm("publish", ring, "-r", orders, "--rules", rules, "-c", "100")
    assert (done.code, done.err) == (0, "")
    layout = compile_file(str(rules)).plan.layouts[0]
    stats = Ring.stats(ring)
    assert (stats.layout_hash, stats.slot_size, stats.delivered) == (layout.hash, slot_size_for(layout.size), 100)


@pytest.mark.needs("compiler")
def test_a_pace_takes_its_time_and_a_signal_closes_the_ring(ring: str, office: Path) -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "publish", ring, "-r", str(office), "--rate", "50"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True)
    with RingReader.attach(ring, timeout=60) as reader:
        while reader.stats().delivered < 3:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
        seen = sum(len(batch) for batch in reader)
    assert reader.ended
    assert process.stdout is not None
    said = process.stdout.read()
    assert 3 <= seen < 769
    assert f": {seen} delivered into {ring}, 0 undelivered\n" in said


@pytest.mark.needs("compiler")
def test_it_waits_for_a_subscriber(sevenm: Sevenm, ring: str, office: Path) -> None:
    done = sevenm("publish", ring, "-r", office, "--wait", "0.1")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"sevenm: ring {ring}: no subscriber came for 0.1 s, so nothing was published\n"
    Ring.unlink(ring)
    command = [sys.executable, "-m", "sevenm.cli.main", "subscribe", ring, "--wait", "60", "--format", "csv"]
    reader = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE, text=True)
    done = sevenm("publish", ring, "-r", office, "--wait", "60", "--slots", "2048")
    out, _ = reader.communicate(timeout=60)
    assert (done.code, reader.returncode, len(out.splitlines())) == (0, 0, 770)


@pytest.mark.needs("compiler")
def test_what_each_subscriber_got_is_told(sevenm: Sevenm, ring: str, office: Path) -> None:
    done = sevenm("publish", ring, "-r", office, "--wait", "0.1", "--subscribers", "2", "--slots", "1024")
    assert done.err == f"sevenm: ring {ring}: no subscriber came for 0.1 s, so nothing was published\n"
    with RingReader.attach(ring, subscriber="audit"):
        done = sevenm("publish", ring, "-r", office, "--wait", "0.1", "--subscribers", "2", "--slots", "1024")
        assert done.err == f"sevenm: ring {ring}: 1 of 2 subscribers came for 0.1 s, so nothing was published\n"
    with (
        RingReader.attach(ring, subscriber="audit"),
        RingReader.attach(ring, subscriber="last", policy="drop_oldest"),
    ):
        done = sevenm("publish", ring, "-r", office, "--slots", "1024", "--wait", "60", "--subscribers", "2", "--json")
        told = json.loads(done.out)
        assert (told["events"], told["subscribers"], told["delivered"], told["undelivered"]) == (769, 3, 2307, {})
        again = sevenm("publish", ring, "-r", office, "--slots", "1024", "--json", "-c", "600")
        told = json.loads(again.out)
        text = sevenm("publish", ring, "-r", office, "--slots", "1024", "-c", "10")
    for lane in told["lanes"]:
        lane["reader_pid"] = lane["reader_pid"] is not None
    full = {"policy": "drop_newest", "delivered": 255, "undelivered": {"full": 345}, "lost": 0, "in_ring": 1024}
    assert told["lanes"] == [
        {"subscriber": "", "reader_pid": False, **full},
        {"subscriber": "audit", "reader_pid": True, **full},
        {
            "subscriber": "last", "policy": "drop_oldest", "reader_pid": True, "delivered": 600, "undelivered": {},
            "lost": 345, "in_ring": 1024,
        },
    ]  # fmt: skip
    assert (told["events"], told["delivered"], told["undelivered"]) == (600, 1110, {"full": 690})
    assert text.out.splitlines()[1:] == [
        "  (default): 0 delivered, 10 full undelivered",
        "  audit: 0 delivered, 10 full undelivered",
        "  last: 10 delivered, 0 undelivered",
    ]
    with RingReader.attach(ring, subscriber="audit"):
        told = json.loads(sevenm("publish", ring, "-r", office, "--slots", "1024", "--json", "-c", "7").out)
    assert [(lane["subscriber"], lane["delivered"]) for lane in told["lanes"]] == [("", 0), ("audit", 7)], "it is new"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["publish", "x", "-r", "absent.pcap"], 3, "sevenm: absent.pcap"),
        (["publish", "x", "-r", "y", "--pace", "3"], 2, "'3' is not one of full, original, xN"),
        (["publish", "x", "-r", "y", "--rate", "fast"], 2, "'fast' is not a number of events per second"),
        (["publish", "x", "-r", "y", "--rate", "0"], 2, "'0' is not a number of events per second"),
        (["publish", "x", "-r", "y", "--rate", "5", "--pace", "x2"], 2, "--pace and --rate exclude each other."),
        (["publish", "no/name", "-r", "examples/capture/office.pcap"], 2, "sevenm: ring no/name: "),
        (["publish", "x", "-r", "examples/capture/office.pcap", "--slots", "300"], 2, "sevenm: ring x: slots must be"),
        (["replay", "absent.pcap", "-i", "lo"], 3, "sevenm: absent.pcap"),
        (["replay", "x", "-i", "lo", "--rate", "5", "--pace", "x2"], 2, "--pace and --rate exclude each other."),
    ],
)
def test_wrong_use_says_what_is_wrong(sevenm: Sevenm, args: list[str], code: int, message: str) -> None:
    done = sevenm(*args)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


@pytest.fixture
def loopback() -> Iterator[socket.socket]:
    """What is sent on the loopback interface. As root only."""
    try:
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
    except PermissionError:
        pytest.skip("CAP_NET_RAW is needed to send frames: run the tests as root")
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.bind(("lo", 0))
        listener.settimeout(10)
        yield listener


def frame(number: int) -> bytes:
    """Of a type that nothing on the machine listens to, and for nobody's address."""
    return bytes.fromhex("0200cafe0001 0200cafe0002 88b5") + number.to_bytes(4, "big") + bytes(46)


def test_frames_are_sent_as_they_are_and_others_counted(
    sevenm: Sevenm, loopback: socket.socket, tmp_path: Path
) -> None:
    data = [*map(frame, range(20)), frame(20)[:40], bytes(70000)]
    wire = [*map(len, data)]
    wire[20] = 64
    path = capture(tmp_path / "in.pcap", data, wire)
    done = sevenm("replay", path, "-i", "lo", "--pace", "x1000", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["events"], told["sent"], told["unsent"]) == (22, 20, {"cut": 1, "too_long": 1})
    assert told["seconds"] >= 0.021
    got: list[bytes] = []
    while len(got) < 20:
        received, (_, _, kind, *_) = loopback.recvfrom(1 << 16)
        if kind == OUTGOING and received[12:14] == b"\x88\xb5":
            got.append(received)
    assert got == data[:20]


def test_an_interface_that_is_not_there_is_named(sevenm: Sevenm, loopback: socket.socket, office: Path) -> None:
    done = sevenm("replay", office, "-i", "nowhere0")
    assert (done.code, done.out) == (3, "")
    assert done.err == "sevenm: interface nowhere0: there is no such interface\n"


def test_records_are_not_sent_as_frames(sevenm: Sevenm, tmp_path: Path) -> None:
    with CaptureWriter(tmp_path / "in.pcap", 147) as writer:
        writer.write(EventBatch.from_bytes([bytes(64)]))
    done = sevenm("replay", tmp_path / "in.pcap", "-i", "lo")
    assert (done.code, done.out) == (3, "")
    assert done.err == f"sevenm: {tmp_path / 'in.pcap'}: holds schema records, not Ethernet frames\n"
