"""The core as a device without hardware: the bundle's Verilog, compiled by Verilator and clocked in this process.

One idea: it is a card and its host in one. What the core punts, another device decides by the same rules, and both are
counted.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device, DeviceError
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine

from .model import Drive
from .reference_device import ReferenceDevice
from .rtl_core import RtlCore, open_core
from .verilate import QUICK, Effort


class RtlDevice:
    """A ``sevenm.host.devices.device.Device`` of engine ``rtl``.

    ``effort`` chooses between short builds and fast runs, ``drive`` how the ports are driven (back to back by
    default), ``cache`` where built models are kept (``sevenm.host.engine.code_cache.cache_folder``). ``fallback``
    decides the events that the core punts; by default the reference. It is loaded, started and closed with this device.

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
        self._fallback: Device = ReferenceDevice() if fallback is None else fallback
        self._core: RtlCore | None = None
        self._started = False

    def load(self, bundle: Bundle) -> None:
        core = open_core(bundle, self._fallback.process, self._effort, self._drive, self._cache)
        try:
            self._fallback.load(bundle)
        except BaseException:
            core.close()
            raise
        if self._core is not None:
            self._core.close()
        self._core = core
        self.generation += 1

    def start(self) -> None:
        if self._core is None:
            raise DeviceError("the rtl device has no bundle; load one before start")
        self._fallback.start()
        self._started = True

    def process(self, batch: EventBatch) -> Decisions:
        if not self._started or self._core is None:
            raise DeviceError("the rtl device is not started; load a bundle and start it")
        return self._core.run(batch)

    def counters(self) -> dict[str, int]:
        """Those of the loaded core (``RtlCore.counters``)."""
        return self._core.counters() if self._core is not None else {}

    def close(self) -> None:
        if self._core is not None:
            self._core.close()
        self._fallback.close()
        self._core, self._started = None, False

    def __enter__(self) -> RtlDevice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
