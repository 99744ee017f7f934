"""Plans and cores that leave it to others to say what is malformed or truncated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.emit import emit_source
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.passes.unmarked import unmarked
from sevenm.compiler.reference import evaluate
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import start
from sevenm.sim import packets
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.sim.rtl_device import RtlDevice

EXAMPLES = Path(__file__).parents[2] / "examples"
FIXED = "rules f on packet first {\n  rule dns: frame[12:2] == 0x0800 and frame[36:2] == 53 => deliver dns\n}\n"


@pytest.mark.parametrize("name", ["edge", "alarms"])
def test_rules_fire_as_they_did_and_nothing_is_marked(name: str) -> None:
    plan = compile_text((EXAMPLES / f"{name}.7m").read_text(), name).plan
    other = unmarked(plan)
    batch = packets.batch(seed=3, n=2000)
    table = batch.events
    before, after = (
        evaluate(p, batch.buffer, table["offset"], table["cap_len"], table["wire_len"], table["ts_ns"])
        for p in (plan, other)
    )
    assert np.array_equal(before.fired, after.fired)
    assert before.malformed.any() and before.truncated.any()
    assert not after.malformed.any() and not after.truncated.any()
    assert len(other.nodes) < len(plan.nodes)
    assert unmarked(other).nodes == other.nodes


def test_a_core_without_marks_has_no_more_parser_than_its_rules_ask_for() -> None:
    plan = compile_text(FIXED, "fixed").plan
    with_marks, without = emit_source(plan), emit_source(plan, marks=False)
    assert (without.latency_cycles, without.window_beats) == (7, 1)
    assert with_marks.latency_cycles > 3 * without.latency_cycles


@pytest.mark.needs("g++")
@pytest.mark.parametrize("text", [FIXED, (EXAMPLES / "alarms.7m").read_text()], ids=["fixed", "alarms"])
def test_the_device_of_such_a_core_says_all_that_the_reference_says(text: str, tmp_path: Path) -> None:
    plan = compile_text(text, "unmarked").plan
    bundle = Bundle.open(write_bundle(plan, tmp_path / "bundle", options=CoreOptions(marks=False)))
    assert bundle.core is not None and not bundle.core.marks
    batch = packets.batch(seed=8, n=1500)
    with ReferenceDevice() as reference, RtlDevice() as device:
        start(reference, bundle)
        start(device, bundle)
        wanted, said = reference.process(batch), device.process(batch)
        assert np.array_equal(said.rows, wanted.rows)
        assert np.array_equal(said.forward, wanted.forward)
        assert wanted.malformed.any()
