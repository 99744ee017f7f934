"""Cores of every beat width on the shortest frames, back to back: one beat a cycle goes in, and each frame leaves with
the reference's verdict after the latency that is stated."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import start
from sevenm.manifest import BEAT_BITS
from sevenm.sim import packets
from sevenm.sim.model import Drive
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.sim.rtl_device import RtlDevice
from sevenm.sim.rule_sets import RuleSets
from tests.conftest import SOAK

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("edge", "alarms", "orders", "sensors")
FEW = (("alarms", 64), ("edge", 128), ("orders", 256))
SHORTEST = 60


def shortest(plan: Plan, seed: int, n: int) -> EventBatch:
    """Frames of the least length, or records, with generated headers."""
    size = SHORTEST if plan.source == "packet" else plan.layouts[0].size
    data = [frame[:size].ljust(size, b"\0") for frame in packets.frames(seed, n)]
    return EventBatch.from_bytes(data, wire_len=[size] * n)


def back_to_back(plan: Plan, beat_bits: int, folder: Path, n: int) -> None:
    bundle = Bundle.open(write_bundle(plan, folder, options=CoreOptions(beat_bits=beat_bits)))
    assert bundle.core is not None and bundle.core.beat_bits == beat_bits
    whole = shortest(plan, beat_bits, n)
    mixed = packets.batch(seed=beat_bits, n=n // 2)
    with ReferenceDevice() as reference, RtlDevice() as device:
        start(reference, bundle)
        start(device, bundle)
        said = device.process(whole)
        assert np.array_equal(said.rows, reference.process(whole).rows)
        counted = device.counters()
        beats = n * -(-len(whole.data(0)) * 8 // beat_bits)
        assert (counted["packets"], counted["beats"], counted["stalls"]) == (n, beats, 0)
        assert counted["latency_cycles"] == bundle.core.latency_cycles
        # A cycle for each beat, and beside it the way through the core, reset, and idling after the last packet.
        assert beats <= counted["cycles"] <= beats + 2 * bundle.core.latency_cycles + 20
        assert np.array_equal(device.process(mixed).rows, reference.process(mixed).rows)
    with RtlDevice(drive=Drive(valid_percent=70, ready_percent=50, seed=7)) as slow, ReferenceDevice() as reference:
        start(slow, bundle)
        start(reference, bundle)
        some = mixed.slice(0, n // 4)
        assert np.array_equal(slow.process(some).rows, reference.process(some).rows)


@pytest.mark.needs("g++")
@pytest.mark.parametrize(("name", "beat_bits"), [(n, w) for n in NAMES for w in BEAT_BITS] if SOAK else FEW)
def test_the_examples_take_a_beat_a_cycle(name: str, beat_bits: int, tmp_path: Path) -> None:
    file = EXAMPLES / f"{name}.7m"
    back_to_back(compile_text(file.read_text(), name, EXAMPLES).plan, beat_bits, tmp_path / "bundle", 2000)


@pytest.mark.needs("g++")
@pytest.mark.parametrize("beat_bits", BEAT_BITS if SOAK else (128,))
@pytest.mark.parametrize("seed", range(50 if SOAK else 1))
def test_generated_rules_take_a_beat_a_cycle(seed: int, beat_bits: int, tmp_path: Path) -> None:
    plan = compile_text(RuleSets(Random(seed), far=True).block("generated").text, f"generated{seed}").plan
    back_to_back(plan, beat_bits, tmp_path / "bundle", 1000)
