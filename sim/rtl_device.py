"""The core as a device without hardware: the bundle's Verilog, compiled by Verilator and clocked in this process.

One idea: what the hardware says is taken from its ports, and then compared with what the runtime derives. The fired
bits come out of the core; drop, forward and channels come out of it as well, and have to be what the manifest's rules
make of the fired bits. A difference ends the run: a model that disagrees with itself is no oracle.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

from .model import Drive, Model, ModelMismatch, Verdicts
from .verilate import QUICK, TOP, Effort, open_model

CORE = "core.v"


class RtlDevice:
    """A ``sevenm.host.devices.device.Device`` of engine ``rtl``.

    ``effort`` chooses between short builds and fast runs, ``drive`` how the ports are driven (back to back by
    default), ``cache`` where built models are kept (``sevenm.host.engine.code_cache.cache_folder``).

    ``load`` raises ModelUnavailable where Verilator or a C++ compiler is missing, ModelBuildError where the core does
    not compile or is not the one of the manifest, DeviceError where the bundle has none. ``process`` raises
    ModelMismatch."""

    engine = Engine.RTL
    name = "rtl"

    def __init__(self, effort: Effort = QUICK, drive: Drive | None = None, cache: Path | None = None) -> None:
        self.generation = 0
        self._effort = effort
        self._drive = drive or Drive()
        self._cache = cache
        self._bundle: Bundle | None = None
        self._model: Model | None = None
        self._started = False

    def load(self, bundle: Bundle) -> None:
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
        if self._model is not None:
            self._model.close()
        self._model, self._bundle = model, bundle
        self.generation += 1

    def start(self) -> None:
        if self._model is None:
            raise DeviceError("the rtl device has no bundle; load one before start")
        self._started = True

    def process(self, batch: EventBatch) -> Decisions:
        if not self._started or self._model is None or self._bundle is None:
            raise DeviceError("the rtl device is not started; load a bundle and start it")
        verdicts = self._model.process(batch, self._drive)
        decisions = Decisions.from_rows(verdicts.rows, len(batch), self._bundle.rules)
        self._compare(verdicts, decisions)
        self._compare_latency(self._bundle)
        return decisions

    def counters(self) -> dict[str, int]:
        """Of the loaded core: ``cycles``, ``packets``, ``beats``, ``stalls`` (cycles in which it refused a beat; 0
        back to back) and ``latency_cycles`` as measured (0 before the first packet, or when not back to back)."""
        return self._model.counters() if self._model is not None else {}

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
        self._model, self._bundle, self._started = None, None, False

    def __enter__(self) -> RtlDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _compare(self, verdicts: Verdicts, decisions: Decisions) -> None:
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

    def _compare_latency(self, bundle: Bundle) -> None:
        measured = self.counters()["latency_cycles"]
        if measured and bundle.core is not None and measured != bundle.core.latency_cycles:
            raise ModelMismatch(
                f"the core takes {measured} cycles, its manifest states a latency of {bundle.core.latency_cycles}"
            )
