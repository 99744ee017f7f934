"""The reference model behind the device interface."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Block, Plan, Rule, actions, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.reference import evaluate
from sevenm.host.bundle import Bundle, BundleError
from sevenm.host.devices.device import Device, DeviceError, start
from sevenm.host.ring.record import Engine
from sevenm.sim import packets, reference_device
from sevenm.sim.reference_device import ReferenceDevice


def plan_of_tagged_frames() -> Plan:
    """Tagged frames are delivered and forwarded, short ones dropped."""
    g = Graph()
    tagged = g.eq(g.load(g.const(0), 12, 2), g.const(0x8100))
    short = g.lt(g.size(), g.const(60))
    cut = g.lt(g.captured(), g.const(14))
    nodes, new = prune(g.nodes, [tagged, short, cut, g.false])
    tagged, short, cut, never = (new[c] for c in (tagged, short, cut, g.false))
    rules = (Rule("tagged", 0, tagged, actions((0,), forward=(0, 2))), Rule("short", 0, short, actions(drop=True)))
    return Plan("test", "packet", nodes, rules, (Block("test", "all", 0, 2),), never, cut, never, ("out",))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(write_bundle(plan_of_tagged_frames(), tmp_path / "bundle", gateware=False))


def test_it_is_a_device_that_counts_its_events(bundle: Bundle) -> None:
    with ReferenceDevice() as device:
        assert isinstance(device, Device)
        assert (device.engine, device.name, device.generation) == (Engine.REFERENCE, "reference", 0)
        start(device, bundle)
        device.process(packets.batch(1, 10))
        device.process(packets.batch(2, 5))
        assert device.counters() == {"batches": 2, "events": 15, "punted": 0}


@pytest.mark.parametrize("chunk", [1, 64, 100, 4096])
def test_decisions_are_those_of_the_model_however_a_batch_is_cut(
    bundle: Bundle, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_device, "CHUNK", chunk)
    batch = packets.batch(3, 300)
    columns = (batch.events[name] for name in ("offset", "cap_len", "wire_len"))
    expected = evaluate(plan_of_tagged_frames(), batch.buffer, *columns)
    with ReferenceDevice() as device:
        start(device, bundle)
        said = device.process(batch)
        assert len(device.process(batch.slice(0, 0))) == 0
    assert expected.fired.any(axis=1).all()
    for name in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
        assert np.array_equal(getattr(said, name), getattr(expected, name)), name


def test_a_plan_that_was_changed_is_refused(bundle: Bundle) -> None:
    path = bundle.folder / "plan.json"
    path.write_text(path.read_text().replace("tagged", "marked"))
    with pytest.raises(BundleError, match=r"plan\.json: not the file that was built"):
        ReferenceDevice().prepare(bundle)


def test_a_manifest_of_another_plan_is_refused(bundle: Bundle) -> None:
    path = bundle.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "0" * 64}))
    with pytest.raises(DeviceError, match=r"plan\.json: not the Plan of the manifest; build the bundle again"):
        ReferenceDevice().prepare(Bundle.open(bundle.folder))
