"""The traffic on which engines are compared, and the comparison."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, start
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.decisions import Decisions
from sevenm.host.engine.toolchain import find_compiler
from sevenm.manifest import BEAT_BITS
from sevenm.sim.packets import batch as generated
from sevenm.sim.plan_contents import contents_of
from sevenm.sim.reference_device import ReferenceDevice
from sevenm.sim.rtl_device import RtlDevice

OFFICE = Path(__file__).resolve().parents[2] / "examples" / "capture" / "office.pcap"


@pytest.fixture(scope="session")
def traffic(readable: Callable[[Path], EventBatch], request: pytest.FixtureRequest) -> EventBatch:
    """Generated frames, a third of them damaged, the capture of the examples, and every packet of the shared captures
    where there are some."""
    own = [generated(7, 3000), readable(OFFICE)]
    try:
        files = sorted(request.getfixturevalue("captures_dir").iterdir())
    except pytest.skip.Exception:
        return EventBatch.joined(own)
    assert len(files) >= 200
    real = EventBatch.joined([readable(path) for path in files])
    assert len(real) > 4000
    return EventBatch.joined([*own, real])


@pytest.fixture
def agree(tmp_path: Path) -> Callable[..., np.ndarray]:
    """Runs a Plan on all engines (``rtl=False``: on all but the hardware's model, which takes a minute to build, so
    that no core is made either), asserts that they say the same of every event, and returns the (rules, n) rows that
    fired. The RTL device itself checks the hardware's verdict and channels against its fired rules."""

    def run(plan: Plan, events: EventBatch, rtl: bool = True) -> np.ndarray:
        # Each rule set has a core of one of the widths.
        beat_bits = BEAT_BITS[int(plan.digest[:8], 16) % len(BEAT_BITS)]
        bundle = Bundle.open(
            write_bundle(plan, tmp_path / plan.digest, gateware=rtl, options=CoreOptions(beat_bits=beat_bits))
        )
        said = {}
        devices: list[Device] = [ReferenceDevice(), HostDevice(), *([RtlDevice()] if rtl else [])]
        for device in devices:
            with device:
                start(device, bundle)
                said[device.name] = device.process(events)
                assert device.counters()["punted"] == said[device.name].punt.sum()
        model = said["reference"]
        for name, other in said.items():
            for what in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
                ours, theirs = getattr(other, what), getattr(model, what)
                differ = np.argwhere(ours != theirs)
                assert differ.size == 0, _first(plan, events, name, what, differ[0])
        return model.fired

    return run


@pytest.fixture
def host_engine(tmp_path: Path) -> Callable[[Plan, EventBatch], Decisions]:
    """Runs a Plan, its tables and state as they are at first, on the host engine: built to be built quickly."""

    def run(plan: Plan, events: EventBatch) -> Decisions:
        source, library = tmp_path / "engine.c", tmp_path / f"{plan.structure[:16]}.so"
        source.write_text(emit(plan))
        flags = ["-std=c11", "-O1", "-march=native", "-shared", "-fPIC", "-fvisibility=hidden"]
        subprocess.run([*find_compiler()[:1], *flags, str(source), "-o", str(library)], check=True)
        engine = CompiledEngine(library, False)
        engine.check(plan.structure, len(plan.rules))
        return engine.run(events, plan.rules, contents_of(plan, engine).context)

    return run


def _first(plan: Plan, events: EventBatch, name: str, what: str, at: np.ndarray) -> str:
    """The first difference, in a form that can be run again."""
    event = int(at[-1])
    rule = f"rule {plan.rules[int(at[0])].name}" if what == "fired" else what
    size = int(events.events[event]["wire_len"])
    return (
        f"{name} differs from the reference in {rule} on event {event} ({size} on the wire): {events.data(event).hex()}"
    )
