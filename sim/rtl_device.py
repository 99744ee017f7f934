"""The core as a device without hardware: the bundle's Verilog, compiled by Verilator and clocked in this process.

One idea: what the hardware says is taken from its ports, and then compared with what the runtime derives. The fired
bits come out of the core; drop, forward and channels come out of it as well, and have to be what the manifest's rules
make of the fired bits. A difference ends the run: a model that disagrees with itself is no oracle.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError, DeviceKind
from sevenm.host.devices.software import NoEdit, SoftwareDevice
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

from .model import Drive, Model, ModelMismatch, Verdicts
from .verilate import QUICK, TOP, Effort, ModelUnavailable, Toolchain, open_model

CORE = "core.v"


class RtlRules(NoEdit):
    """A bundle's core, built and out of reset."""

    def __init__(self, bundle: Bundle, model: Model, drive: Drive) -> None:
        self.bundle = bundle
        self.model = model
        self.drive = drive

    def run(self, batch: EventBatch) -> Decisions:
        verdicts = self.model.process(batch, self.drive)
        decisions = Decisions.from_rows(verdicts.rows, len(batch), self.bundle.rules)
        _compare(verdicts, decisions)
        measured, core = self.counters()["latency_cycles"], self.bundle.core
        if measured and core is not None and measured != core.latency_cycles:
            raise ModelMismatch(
                f"the core takes {measured} cycles, its manifest states a latency of {core.latency_cycles}"
            )
        return decisions

    def counters(self) -> dict[str, int]:
        """``cycles``, ``packets``, ``beats``, ``stalls`` (cycles in which it refused a beat; 0 back to back) and
        ``latency_cycles`` as measured (0 before the first packet, or when not back to back)."""
        return self.model.counters()

    def close(self) -> None:
        self.model.close()


class RtlDevice(SoftwareDevice[RtlRules]):
    """A ``sevenm.host.devices.device.Device`` of engine ``rtl``; ``process`` raises ModelMismatch.

    ``effort`` chooses between short builds and fast runs, ``drive`` how the ports are driven (back to back by
    default), ``cache`` where built models are kept (``sevenm.host.engine.code_cache.cache_folder``)."""

    engine = Engine.RTL
    name = "rtl"
    kind = RtlRules

    def __init__(self, effort: Effort = QUICK, drive: Drive | None = None, cache: Path | None = None) -> None:
        super().__init__()
        self._effort = effort
        self._drive = drive or Drive()
        self._cache = cache

    def prepare(self, bundle: Bundle) -> RtlRules:
        """Builds the core, or takes it from the cache. Raises ModelUnavailable where Verilator or a C++ compiler is
        missing, ModelBuildError where the core does not compile or is not the one of the manifest, DeviceError where
        the bundle has none."""
        if bundle.core is None:
            raise DeviceError(f"{bundle.folder}: the bundle has no gateware; build it again with gateware")
        if bundle.core.top != TOP:
            raise DeviceError(f"{bundle.folder}: the core's top module must be {TOP}, not {bundle.core.top}")
        model = open_model(bundle.path(CORE), self._effort, self._cache)
        expected = (len(bundle.rules), max(1, len(bundle.channels)))
        if (model.n_rules, model.n_channels) != expected:
            model.close()
            raise DeviceError(
                f"{bundle.folder / CORE}: the core has {model.n_rules} rules and {model.n_channels} channels, "
                f"the manifest {expected[0]} and {expected[1]}; build the bundle again"
            )
        return RtlRules(bundle, model, self._drive)


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


def _missing() -> str | None:
    try:
        Toolchain.find()
    except ModelUnavailable as error:
        return str(error)
    return None


RTL = DeviceKind("the Verilog, simulated", RtlDevice, (CORE,), _missing)
