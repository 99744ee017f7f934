"""The core as a device without hardware: the bundle's Verilog, compiled by Verilator and clocked in this process.

One idea: it is a card and its host in one. What the core punts, the reference decides by the same rules, and both are
counted.
"""

from __future__ import annotations

from pathlib import Path

from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Capabilities, DeviceKind
from sevenm.host.devices.software import SoftwareDevice
from sevenm.host.ring.record import Engine

from .instruments import WAVES, Wave
from .model import Drive
from .reference_device import ReferenceDevice
from .rtl_core import CORE, WINDOW, Answer, RtlCore, open_core
from .verilate import QUICK, Effort, ModelUnavailable, Toolchain


class RtlDevice(SoftwareDevice[RtlCore]):
    """A ``sevenm.host.devices.device.Device`` of engine ``rtl``; ``process`` raises ModelMismatch.

    ``effort`` chooses between short builds and fast runs, ``drive`` how the ports are driven (back to back by
    default), ``cache`` where built models are kept (``sevenm.host.engine.code_cache.cache_folder``). ``answer`` decides
    the events that the core punts; by default the reference does, with the bundle's Plan. With ``wave`` the model is
    built to write that file, whatever the effort."""

    engine = Engine.RTL
    name = "rtl"
    kind = RtlCore

    def __init__(
        self,
        effort: Effort = QUICK,
        drive: Drive | None = None,
        cache: Path | None = None,
        answer: Answer | None = None,
        wave: Wave | None = None,
    ) -> None:
        super().__init__()
        self._effort = effort if wave is None else WAVES
        self._wave = wave
        self._drive = drive or Drive()
        self._cache = cache
        self._answer = answer

    def capabilities(self) -> Capabilities:
        return Capabilities(window=WINDOW, punts=True)

    def prepare(self, bundle: Bundle) -> RtlCore:
        """Builds the core, or takes it from the cache. Raises ModelUnavailable where Verilator or a C++ compiler is
        missing, ModelBuildError where the core does not compile or is not the one of the manifest, DeviceError where
        the bundle has none."""
        answer = self._answer or ReferenceDevice().prepare(bundle).run
        return open_core(bundle, answer, self._effort, self._drive, self._cache, self._wave)


def _missing() -> str | None:
    try:
        Toolchain.find()
    except ModelUnavailable as error:
        return str(error)
    return None


RTL = DeviceKind("the Verilog, simulated", RtlDevice, (CORE,), _missing)
