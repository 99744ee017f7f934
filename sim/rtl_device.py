"""The core as a device without hardware: the bundle's Verilog, compiled by Verilator and clocked in this process.

One idea: what the hardware says is taken from its ports, and then compared with what the runtime derives. The rules that
fired come out of the core; drop, forward and channels come out of it as well, and have to be what the manifest's rules
make of those that fired. A difference ends the run: a model that disagrees with itself is no oracle. What the core
punts, another device decides by the same rules, as the host does beside a card.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.plan import Plan
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

from .model import Drive, Model, ModelMismatch, Verdicts
from .reference_device import PLAN, ReferenceDevice
from .verilate import QUICK, Effort, open_model

CORE = "core.v"


class RtlDevice:
    """A ``sevenm.host.devices.device.Device`` of engine ``rtl``.

    ``effort`` chooses between short builds and fast runs, ``drive`` how the ports are driven (back to back by
    default), ``cache`` where built models are kept (``sevenm.host.engine.code_cache.cache_folder``). ``fallback`` decides
    the events that the core punts; by default the reference. It is loaded, started and closed with this device.

    ``load`` raises ModelUnavailable where Verilator or a C++ compiler is missing, ModelBuildError where the core does
    not compile or is not the one of the manifest, DeviceError where the bundle has none. ``process`` raises
    ModelMismatch."""

    engine = Engine.RTL
    name = "rtl"

    def __init__(
        self,
        effort: Effort = QUICK,
        drive: Drive | None = None,
        cache: Path | None = None,
        fallback: Device | None = None,
    ) -> None:
        self.generation = 0
        self._effort = effort
        self._drive = drive or Drive()
        self._cache = cache
        self._bundle: Bundle | None = None
        self._model: Model | None = None
        self._started = False
        self._fallback: Device = ReferenceDevice() if fallback is None else fallback
        self._punts = 0
        self._computes_ports = False

    def load(self, bundle: Bundle) -> None:
        if bundle.core is None:
            raise DeviceError(f"{bundle.folder}: the bundle has no gateware; build it again with gateware")
        blocks = [BlockShape(block.name, block.mode, block.stop - block.start) for block in bundle.blocks]
        model = open_model(bundle.path(CORE), blocks, self._effort, self._cache, bundle.core.top)
        if model.n_channels != max(1, len(bundle.channels)):
            model.close()
            raise DeviceError(
                f"{bundle.folder / CORE}: the core has {model.n_channels} channels, "
                f"the manifest {max(1, len(bundle.channels))}; build the bundle again"
            )
        self._fallback.load(bundle)
        if self._model is not None:
            self._model.close()
        self._model, self._bundle = model, bundle
        self._computes_ports = PLAN in bundle.files and bool(Plan.load(bundle.path(PLAN)).operands)
        self._punts = 0
        self.generation += 1

    def start(self) -> None:
        if self._model is None:
            raise DeviceError("the rtl device has no bundle; load one before start")
        self._fallback.start()
        self._started = True

    def process(self, batch: EventBatch) -> Decisions:
        if not self._started or self._model is None or self._bundle is None:
            raise DeviceError("the rtl device is not started; load a bundle and start it")
        verdicts = self._model.process(batch, self._drive)
        ports = verdicts.forward if self._computes_ports else None
        decisions = Decisions(verdicts.chunks, verdicts.fired, len(batch), self._bundle.rules, ports)
        self._compare(verdicts, decisions)
        self._compare_latency(self._bundle)
        return self._answered(batch, decisions)

    def _answered(self, batch: EventBatch, decisions: Decisions) -> Decisions:
        """With the fallback's answers on what the core punted."""
        punted = np.flatnonzero(decisions.punt)
        if not len(punted):
            return decisions
        self._punts += len(punted)
        rest = EventBatch(batch.buffer, np.ascontiguousarray(batch.events[punted]), batch.source)
        return decisions.answered(self._fallback.process(rest))

    def counters(self) -> dict[str, int]:
        """Of the loaded core: ``cycles``, ``packets``, ``beats``, ``stalls`` (cycles in which it refused a beat; 0
        back to back), ``latency_cycles`` as measured (0 before the first packet, or when not back to back) and ``punts``,
        the packets that the fallback decided."""
        return {**self._model.counters(), "punts": self._punts} if self._model is not None else {}

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
        self._fallback.close()
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
