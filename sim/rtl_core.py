"""A bundle's core in this process: events in, decisions out, with what the core punts decided by another.

One idea: what the hardware says is taken from its ports, and then compared with what the runtime derives. The rules
that fired come out of the core; drop, forward and channels come out of it as well, and have to be what the manifest's
rules make of those that fired. A difference ends the run: a model that disagrees with itself is no oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.plan import Plan
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.devices.software import NoEdit
from sevenm.host.engine.decisions import Decisions

from .instruments import Wave
from .model import Drive, Model, ModelMismatch, Verdicts
from .reference_device import PLAN
from .verilate import Effort, open_model

CORE = "core.v"
WINDOW = 256
"""Bytes at the start of an event that the core sees."""

Answer = Callable[[EventBatch], Decisions]


class RtlCore(NoEdit):
    """A model out of reset. ``answer`` decides the events that it punts, by the same rules."""

    def __init__(self, bundle: Bundle, model: Model, drive: Drive, answer: Answer, wave: Wave | None = None) -> None:
        self.bundle = bundle
        self.model = model
        self.drive = drive
        self._answer = answer
        self._wave = wave
        self._computes_ports = PLAN in bundle.files and bool(Plan.load(bundle.path(PLAN)).operands)

    def run(self, batch: EventBatch) -> Decisions:
        """Raises ModelMismatch where the core breaks its contract or contradicts the manifest."""
        if self._wave is not None:
            self._wave.expect(self.model, len(batch))
        verdicts = self.model.process(batch, self.drive)
        ports = verdicts.forward if self._computes_ports else None
        decisions = Decisions(verdicts.chunks, verdicts.fired, len(batch), self.bundle.rules, ports)
        _compare(verdicts, decisions)
        measured, core = self.model.counters()["latency_cycles"], self.bundle.core
        if measured and core is not None and measured != core.latency_cycles:
            raise ModelMismatch(
                f"the core takes {measured} cycles, its manifest states a latency of {core.latency_cycles}"
            )
        punted = np.flatnonzero(decisions.punt)
        if not len(punted):
            return decisions
        rest = EventBatch(batch.buffer, np.ascontiguousarray(batch.events[punted]), batch.source)
        return decisions.answered(self._answer(rest))

    def counters(self) -> dict[str, int]:
        """``cycles``, ``packets``, ``beats``, ``stalls`` (cycles in which it refused a beat; 0 back to back) and
        ``latency_cycles`` as measured (0 before the first packet, or when not back to back)."""
        return self.model.counters()

    def close(self) -> None:
        self.model.close()


def open_core(
    bundle: Bundle, answer: Answer, effort: Effort, drive: Drive, cache: Path | None, wave: Wave | None = None
) -> RtlCore:
    """Builds the bundle's core, or takes it from the cache. Raises ModelUnavailable where Verilator or a C++ compiler
    is missing, ModelBuildError where the core does not compile, DeviceError where the bundle has none that fits."""
    if bundle.core is None:
        raise DeviceError(f"{bundle.folder}: the bundle has no gateware; build it again with gateware")
    blocks = [BlockShape(block.name, block.mode, block.stop - block.start) for block in bundle.blocks]
    model = open_model(bundle.path(CORE), blocks, effort, cache, bundle.core.top)
    if model.n_channels != max(1, len(bundle.channels)):
        model.close()
        raise DeviceError(
            f"{bundle.folder / CORE}: the core has {model.n_channels} channels, "
            f"the manifest {max(1, len(bundle.channels))}; build the bundle again"
        )
    return RtlCore(bundle, model, drive, answer, wave)


def _compare(verdicts: Verdicts, decisions: Decisions) -> None:
    # Ports that differ for a rule set without such actions differ from zero.
    ports: tuple[tuple[str, NDArray[Any], NDArray[Any]], ...] = (
        ("drop", verdicts.drop.astype(np.bool_), decisions.drop),
        ("forward", verdicts.forward, decisions.forward),
        ("channels", verdicts.channels, decisions.channels),
    )
    for name, hardware, derived in ports:
        if not np.array_equal(hardware, derived):
            event = int(np.argmax(hardware != derived))
            raise ModelMismatch(
                f"event {event}: the core's {name} is {int(hardware[event]):#x}, "
                f"the rules that fired make it {int(derived[event]):#x}"
            )
