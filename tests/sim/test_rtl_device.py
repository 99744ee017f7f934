"""The RTL model behind the device interface: real cores of small Plans, and a core that contradicts its manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, DeviceError, start
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine
from sevenm.sim import packets
from sevenm.sim.model import Drive, ModelMismatch
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.sim.rtl_device import RtlDevice
from sevenm.sim.verilate import ModelBuildError

pytestmark = pytest.mark.needs("g++")
TOY = Path(__file__).with_name("toy_core.v")
CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"
CORE = {
    "beat_bits": 512,
    "clock_ps": 4000,
    "ports": [],
    "bits": [],
    "actions": None,
    "rows": "auto",
    "slots": [],
    "marks": True,
}
RULES = """
rules edge on packet first {
  rule broken: parse.malformed             => drop, count broken
  rule tagged: vlan.id#1 in {1..7}         => forward 3
  rule web:    tcp.dstport in {80, 443}    => forward 1, deliver web
  rule names:  udp.port == 53              => deliver dns, forward 2
  rule far:    ip.dst in 10.0.0.0/8        => deliver inside
  rule long:   frame.len > 1000            => deliver web, deliver inside
  default                                  => count rest
}
rules all_of_them on packet all {
  rule six:    ipv6                        => deliver six
  rule cut:    parse.truncated             => deliver cut
}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("rtl") / "bundle"
    return Bundle.open(write_bundle(compile_text(RULES, "edge").plan, folder))


def toy_bundle(folder: Path, latency: int = 5, **changes: object) -> Bundle:
    """A manifest for the toy core, whose Verilog and rules are stated in toy_core.v."""
    folder.mkdir()
    source = TOY.read_bytes()
    (folder / "core.v").write_bytes(source)
    actions: dict[int, dict[str, object]] = {0: {"drop": True}, 1: {"forward": 3}, 2: {"deliver": [0]}}
    plain = {"block": 0, "deliver": [], "count": [], "forward": 0, "computed": False, "drop": False, "default": False}
    rules = [{**plain, "line": 0, "name": f"r{number}", **actions.get(number, {})} for number in range(70)]
    manifest: dict[str, object] = {
        "format": 3, "name": "toy", **dict.fromkeys(("structure", "content", "digest"), "0" * 64), "version": "0",
        "source": "packet", "record_size": None, "reach": 64, "rules": rules,
        "blocks": [{"name": "toy", "mode": "all", "start": 0, "stop": 70, "layout": None}],
        "channels": ["one", "two"], "counters": [], "layouts": [], "tables": [], "states": [], "refused": {},
        "classifier": "auto",
        "files": {"core.v": hashlib.sha256(source).hexdigest()},
        "core": {"top": "sevenm_core", "latency_cycles": latency, "window_beats": 1, **CORE},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    return Bundle.open(folder)


def nobody(batch: EventBatch) -> Decisions:
    raise AssertionError(f"the toy core punts nothing, and {len(batch)} events were asked for")


def toy_device() -> RtlDevice:
    return RtlDevice(cache=CACHE, answer=nobody)


def test_it_is_a_device_that_says_what_the_reference_says(bundle: Bundle) -> None:
    batch = packets.batch(seed=9, n=2000)
    with RtlDevice(cache=CACHE) as device, ReferenceDevice() as reference:
        assert isinstance(device, Device)
        assert (device.engine, device.name, device.generation) == (Engine.RTL, "rtl", 0)
        for each in (device, reference):
            start(each, bundle)
        expected = reference.process(batch)
        said = device.process(batch)
        assert np.array_equal(said.rows, expected.rows)
        assert (expected.rows[:-2] != 0).any(axis=1).all(), "every rule fires on some packet"
        counted = device.counters()
        assert bundle.core is not None
        assert counted["latency_cycles"] == bundle.core.latency_cycles
        assert (counted["packets"], counted["stalls"]) == (2000, 0)
        start(device, bundle)
        assert (device.generation, device.counters()["packets"]) == (2, 0)


def test_a_core_with_memories_begins_with_the_rows_of_its_bundle(tmp_path: Path) -> None:
    text = """
    schema Flow v1 size 64 @endian(big) { class: u8  port: u16 }
    table acl : (u8 range, u16 ternary) -> (out: port, mark: u8) max 16 {
      (1..6, 80 & 0xff): (3, 9)
      (2, *): (4, 1)
    }
    rules r on Flow first {
      rule low: acl[class, port].mark > 1 => forward acl[class, port].out
      rule listed: (class, port) in acl => drop
    }
    """
    bundle = Bundle.open(
        write_bundle(compile_text(text, "flows").plan, tmp_path / "bundle", options=CoreOptions(rows="memory"))
    )
    assert bundle.core is not None and bundle.core.slots == (32,)
    data = [
        bytes((kind, high, port)).ljust(64, b"\0") for kind in range(8) for high in (0, 5) for port in (79, 80, 255)
    ]
    batch = EventBatch.from_bytes(data)
    with RtlDevice(cache=CACHE) as device, ReferenceDevice() as reference:
        for each in (device, reference):
            start(each, bundle)
        expected = reference.process(batch)
        assert np.array_equal(device.process(batch).rows, expected.rows)
        assert (expected.rows[:2] != 0).any(axis=1).all(), "both rules fire"


@pytest.mark.parametrize(("valid", "ready"), [(60, 100), (100, 60), (40, 40)])
def test_gaps_and_back_pressure_change_no_decision(bundle: Bundle, valid: int, ready: int) -> None:
    batch = packets.batch(seed=10, n=400)
    with RtlDevice(drive=Drive(valid, ready, seed=5), cache=CACHE) as device, ReferenceDevice() as reference:
        for each in (device, reference):
            start(each, bundle)
        assert np.array_equal(device.process(batch).rows, reference.process(batch).rows)


def test_packets_longer_than_the_window_leave_after_the_stated_latency(bundle: Bundle) -> None:
    data = [
        bytes((at * 7 + length) & 0xFF for at in range(length)) for length in (0, 60, 9000, 1, 65536, 256 * 1024, 64)
    ]
    with RtlDevice(cache=CACHE) as device:
        start(device, bundle)
        device.process(EventBatch.from_bytes(data))
        assert device.counters()["stalls"] == 0


FAR = """
rules far on packet first {
  rule deep: frame[300:2] == 01:02    => drop
  rule near: frame[20:1] == 7         => deliver near, forward 2
  rule ends: tcp.payload[0:1] == 9    => deliver deep
}
rules many on packet all {
%s
}
"""


def test_what_lies_past_the_window_is_punted_and_decided_by_the_fallback(tmp_path: Path) -> None:
    text = FAR % "\n".join(f"  rule r{i}: frame[{i}:1] == {i + 1} => deliver all" for i in range(100))
    bundle = Bundle.open(write_bundle(compile_text(text, "far").plan, tmp_path / "far"))
    draw = np.random.default_rng(3)
    data = [draw.integers(0, 3, n, np.uint8).tobytes() for n in (60, 256, 257, 301, 302, 400, 9000) * 30]
    data += [bytes(300) + b"\x01\x02" + bytes(n) for n in (0, 7)]
    data += [bytes(i + 1 for i in range(n)) for n in (10, 40, 64, 70, 99)]
    batch = EventBatch.from_bytes(data)
    with RtlDevice(cache=CACHE) as device, ReferenceDevice() as reference:
        for each in (device, reference):
            start(each, bundle)
        said, expected = device.process(batch), reference.process(batch)
        for what in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
            assert np.array_equal(getattr(said, what), getattr(expected, what)), what
        assert device.counters()["punted"] == said.punt.sum()
        assert 60 < said.punt.sum() < 200
        assert not said.punt[[0, 1]].any(), "an event within the window is the core's"
        assert said.punt[-3:].tolist() == [False, True, True], "three words of rules are more than a verdict says"


def test_a_verdict_that_the_rules_do_not_explain_is_named(tmp_path: Path) -> None:
    data = [b"\x80" * 64, b"\x80" * 64, bytes([0x80, 1]) + b"\x80" * 62]
    faulty = EventBatch.from_bytes(data, [0, 8 << 56, 0])
    with toy_device() as device:
        start(device, toy_bundle(tmp_path / "toy"))
        assert device.process(EventBatch.from_bytes(data)).forward.tolist() == [0, 0, 3]
        with pytest.raises(ModelMismatch) as error:
            device.process(faulty)
    assert str(error.value) == "event 0: the core's forward is 0x8000, the rules that fired make it 0x0"


def test_a_latency_other_than_the_manifests_is_an_error(tmp_path: Path) -> None:
    with toy_device() as device:
        start(device, toy_bundle(tmp_path / "toy", latency=6))
        with pytest.raises(ModelMismatch, match="the core takes 5 cycles, its manifest states a latency of 6"):
            device.process(EventBatch.from_bytes([b"x" * 64]))


def test_bundles_without_a_core_that_fits_are_refused(tmp_path: Path) -> None:
    device = toy_device()
    with pytest.raises(DeviceError, match="the bundle has no gateware; build it again with gateware"):
        device.prepare(toy_bundle(tmp_path / "none", core=None))
    other = {"top": "other", "latency_cycles": 5, "window_beats": 1, **CORE}
    with pytest.raises(ModelBuildError, match="the Verilog has no module other"):
        device.prepare(toy_bundle(tmp_path / "other", core=other))
    with pytest.raises(DeviceError, match=r"the core has 2 channels, the manifest 3; build"):
        device.prepare(toy_bundle(tmp_path / "three", channels=["one", "two", "three"]))
    assert device.generation == 0
