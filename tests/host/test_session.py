"""A whole run: capture, device, accounts, rings, written capture, report."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.compiler import compile_filter
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.capture.records import open_records
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.host.devices.software import SoftwareDevice
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.ring.record import Engine
from sevenm.host.session import Session

MakeBundle = Callable[..., Bundle]
EVENTS = [(1000, 4, b"\x01abc"), (2000, 90, b"\x03abc"), (3000, 4, b"\x04abc"), (4000, 0, b""), (5000, 2, b"\x00x")]


class ByHandRules:
    """The engine of conftest.py, in Python: rule r fires on bit r of the first byte."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def run(self, batch: EventBatch) -> Decisions:
        first = np.array([(batch.data(i) + b"\0")[0] for i in range(len(batch))], np.uint8)
        lengths = batch.events["cap_len"]
        fired = np.array([first >> r & 1 for r in range(len(self.bundle.rules))], np.bool_)
        return Decisions.from_flags(fired, lengths == 0, lengths < batch.events["wire_len"], self.bundle.rules)

    def counters(self) -> dict[str, int]:
        return {"looks": 1}

    def close(self) -> None: ...


class ByHandDevice(SoftwareDevice[ByHandRules]):
    engine = Engine.REFERENCE
    name = "by hand"
    kind = ByHandRules

    def prepare(self, bundle: Bundle) -> ByHandRules:
        return ByHandRules(bundle)


def by_hand(bundle: Bundle) -> ByHandDevice:
    device = ByHandDevice()
    start(device, bundle, 7)
    return device


EXPECTED = {
    "bundle": "edge",
    "digest": "cd" * 32,
    "generation": 7,
    "engine": "reference",
    "code": None,
    "events": 5,
    "bytes": 14,
    "malformed": 1,
    "truncated": 1,
    "punted": 0,
    "dropped": 1,
    "passed": 3,
    "forwarded": {"0": 1, "2": 1},
    "rules": (
        {"name": "web", "block": "all", "events": 2},
        {"name": "dns", "block": "all", "events": 1},
        {"name": "bad", "block": "all", "events": 1},
    ),
    "channels": (
        {"name": "traffic", "matched": 2, "delivered": 0, "undelivered": {"no_ring": 2}},
        {"name": "names", "matched": 1, "delivered": 0, "undelivered": {"no_ring": 1}},
    ),
    "counters": {"seen": 2, "asked": 1},
    "written": None,
    "device": {"batches": 3, "events": 5, "punted": 0, "looks": 1},
    "ingress": {},
    "latency": {},
}


@pytest.mark.parametrize("use_native", [True, False])
def test_a_run_reports_exact_numbers(
    use_native: bool, manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes], request: Any
) -> None:
    if use_native:
        request.getfixturevalue("need_native")
    bundle = make_bundle(manifest)
    seen: list[int] = []
    session = Session(by_hand(bundle), bundle, use_native=use_native)
    report = session.run(open_capture(make_pcap(EVENTS), use_native), progress=seen.append, max_events=2)
    data = report.to_json()
    assert 0 <= data.pop("seconds_device") <= data.pop("seconds_total")
    assert data == EXPECTED
    assert json.loads(json.dumps(report.to_json()))["counters"] == {"seen": 2, "asked": 1}
    assert seen == [2, 4, 5]


@pytest.mark.needs("compiler")
def test_the_compiled_engine_reports_the_same(
    manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes]
) -> None:
    bundle = make_bundle(manifest)
    with HostDevice() as device:
        start(device, bundle)
        data = Session(device, bundle).run(open_capture(make_pcap(EVENTS))).to_json()
    assert data["device"] == {"batches": 1, "events": 5, "punted": 0}
    assert data["engine"] == "host"
    for name in ("events", "bytes", "malformed", "truncated", "dropped", "passed", "forwarded", "rules", "channels"):
        assert data[name] == EXPECTED[name], name


@pytest.mark.needs("compiler")
@pytest.mark.usefixtures("need_native")
@pytest.mark.parametrize("policy", ["drop_newest", "block"])
def test_the_loop_in_c_does_what_batches_of_python_do(
    policy: str, manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes]
) -> None:
    bundle = make_bundle(manifest)
    capture = make_pcap([(i, 4 + i % 3, bytes([i % 256]) * (i % 5)) for i in range(700)])
    seen = []
    for by_batches in (False, True):
        rings = {
            name: RingWriter.create(f"test-session-{os.getpid()}-{name}", policy=policy) for name in bundle.channels
        }
        with HostDevice() as device:
            start(device, bundle)
            session = Session(device, bundle, rings)
            if by_batches:
                for batch in open_capture(capture).batches(max_events=100):
                    session.feed(batch)
            else:
                session.run(open_capture(capture))
        report = session.report().to_json()
        delivered = []
        for ring in rings.values():
            with RingReader.attach(ring.name) as reader:
                delivered.append(reader.read().tobytes())
            ring.close()
            Ring.unlink(ring.name)
        for name in ("seconds_device", "seconds_total", "device"):
            del report[name]
        seen.append((report, delivered))
    assert seen[0] == seen[1]
    assert seen[0][0]["channels"][0]["delivered"] == len(seen[0][1][0]) // 128 > 300


@pytest.mark.needs("compiler")
def test_a_run_in_the_loop_calls_progress_and_survives_damage(
    manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes]
) -> None:
    bundle, progress = make_bundle(manifest), list[int]()
    damaged = make_pcap(EVENTS) + struct.pack("<IIII", 0, 0, 2**31, 0)
    with HostDevice() as device:
        start(device, bundle)
        session = Session(device, bundle)
        with pytest.raises(CaptureError, match="a record of 2147483648 captured bytes"):
            session.run(open_capture(damaged), progress=progress.append)
        assert (session.report().events, progress) == (5, [5])
        assert device.counters()["events"] == 5
        session.run(open_capture(make_pcap(EVENTS)))
        assert session.report().events == 10, "a session may run several captures"


@pytest.mark.usefixtures("need_native")
def test_matches_reach_rings_and_the_written_capture(
    manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes], tmp_path: Path
) -> None:
    bundle = make_bundle(manifest)
    name = f"test-session-{os.getpid()}"
    path = tmp_path / "out.pcap"
    with RingWriter.create(name, slots=256) as ring, CaptureWriter(path) as writer:
        session = Session(by_hand(bundle), bundle, {"names": ring}, writer)
        report = session.run(open_capture(make_pcap(EVENTS)), source=9)
        with RingReader.attach(name) as reader:
            (record,) = reader.read()
            assert (record["ts_ns"], record["rule"], record["generation"], record["engine"]) == (2000, 1, 7, 1)
            assert (record["source"], record["wire_len"], record["cap_len"], record["flags"]) == (9, 90, 4, 4)
    Ring.unlink(name)
    assert report.channels[0].undelivered == {"no_ring": 2}
    assert (report.channels[1].matched, report.channels[1].delivered, report.channels[1].undelivered) == (1, 1, {})
    assert report.written == 2
    (batch,) = open_capture(path).batches()
    assert batch.events["ts_ns"].tolist() == [1000, 2000]


def test_a_ring_for_no_channel_is_refused(manifest: dict[str, Any], make_bundle: MakeBundle) -> None:
    bundle = make_bundle(manifest)
    with pytest.raises(ValueError, match="the bundle has no channel other; its channels are: traffic, names"):
        Session(by_hand(bundle), bundle, {"other": object()})  # type: ignore[dict-item] - wrong


def test_events_of_the_wrong_kind_are_refused(
    manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes]
) -> None:
    bundle = make_bundle(manifest)
    with pytest.raises(CaptureError) as caught:
        Session(by_hand(bundle), bundle).run(open_records(bytes(64), 64))
    assert str(caught.value) == ("memory: link type 147 (USER0), but the rules of edge are about packets: 1 (Ethernet)")
    layout = {"name": "Tick", "version": 1, "size": 64, "little": True, "hash": "0x" + "0" * 16}
    on_records = make_bundle({**manifest, "source": "record", "record_size": 64, "layouts": [layout]})
    with pytest.raises(CaptureError, match=r"the rules of edge are about records: 147 \(USER0\)"):
        Session(by_hand(on_records), on_records).run(open_capture(make_pcap(EVENTS)))
    assert Session(by_hand(on_records), on_records).run(open_records(b"\1" * 65, 64)).events == 2


def test_damage_ends_the_run_and_what_was_read_is_in_the_report(
    manifest: dict[str, Any], make_bundle: MakeBundle, make_pcap: Callable[..., bytes]
) -> None:
    bundle = make_bundle(manifest)
    session = Session(by_hand(bundle), bundle)
    damaged = make_pcap(EVENTS) + struct.pack("<IIII", 0, 0, 2**31, 0)
    with pytest.raises(CaptureError, match="a record of 2147483648 captured bytes"):
        session.run(open_capture(damaged))
    assert session.report().events == 5


@pytest.mark.needs("compiler")
def test_a_built_bundle_decides_as_the_reference_model_on_real_captures(captures_dir: Path, tmp_path: Path) -> None:
    plan = compile_filter("tcp.dstport == 80 or udp or arp").plan
    bundle = Bundle.open(write_bundle(plan, tmp_path / "bundle", gateware=False))
    matched = 0
    with HostDevice() as device:
        start(device, bundle)
        for path in sorted(captures_dir.iterdir())[::5]:
            for batch in open_capture(path).batches(max_events=100):
                events = batch.events
                expected = evaluate(plan, batch.buffer, events["offset"], events["cap_len"], events["wire_len"])
                found = device.process(batch)
                for name in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
                    assert np.array_equal(getattr(found, name), getattr(expected, name)), (path.name, name)
                matched += int(found.fired.sum())
    assert matched > 100
