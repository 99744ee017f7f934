"""Chooses among the devices and kinds of ingress that installed packages register, and says what each lacks here.

One idea: a device is named by its entry and by nothing else, so that one from another package is chosen, listed and
compared like those that come with sevenm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sevenm.compiler.bundle import CORE_FILES, gateware_missing
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DEVICES, Device, DeviceKind, DeviceUnavailable, start
from sevenm.host.ingress import INGRESS
from sevenm.host.registry import Registry, RegistryError

DEFINITION = "reference"
"""The device that the others are compared with, and that needs nothing but Python."""
DEFAULT = "host"


@dataclass(frozen=True, slots=True)
class Listed:
    """One registered name. ``missing``: what to install, None if it can be used. ``error``: why it never can be."""

    name: str
    package: str
    label: str = ""
    missing: str | None = None
    error: str | None = None

    @property
    def usable(self) -> bool:
        return self.missing is None and self.error is None


def list_devices() -> list[Listed]:
    """Every registered device, in order of names."""
    return _listed(DEVICES)


def list_ingress() -> list[Listed]:
    """Every registered kind of ingress, in order of names."""
    return _listed(INGRESS)


def device_names() -> list[str]:
    """The names to compare: the definition first, then the others in order."""
    return sorted(DEVICES.names(), key=lambda name: (name != DEFINITION, name))


def default_engine(bundle: Bundle) -> tuple[str, str | None]:
    """The device to use if none is named, and why it is not generated C, which is the fast one."""
    kind = DEVICES.load(DEFAULT)
    why = _lacking(kind, bundle) or _refusal(kind, bundle)
    return (DEFAULT, None) if why is None else (DEFINITION, why)


def needs_gateware(name: str) -> bool:
    """Whether the device runs the core of a bundle. Raises RegistryError."""
    return _runs_core(DEVICES.load(name))


def make_device(name: str, bundle: Bundle | None = None, make: Callable[[], Device] | None = None) -> Device:
    """The device of that name, without rules; ``bundle`` are those that it is for, ``make`` makes it with options of
    its own. Raises RegistryError, or DeviceUnavailable that says what to install."""
    kind = DEVICES.load(name)
    why = missing(kind) if bundle is None else _lacking(kind, bundle)
    if why is not None:
        raise DeviceUnavailable(f"the engine {name} is not available: {why}")
    device = (make or kind.make)()
    if not isinstance(device, Device):
        raise RegistryError(f"{DEVICES.entries()[name][0]}: makes a {type(device).__name__}, which is no Device")
    return device


def open_running(name: str, bundle: Bundle, make: Callable[[], Device] | None = None) -> Device:
    """The device of that name, made as by ``make_device``, with the bundle active as generation 1; to be closed by the
    caller.

    Raises RegistryError, DeviceUnavailable for a device that lacks something here or cannot run these rules, and
    DeviceError for one that should and fails."""
    device = make_device(name, bundle, make)
    try:
        why = _refusal(DEVICES.load(name), bundle)
        if why is not None:
            raise DeviceUnavailable(f"the engine {name} cannot run {bundle.name}: {why}")
        start(device, bundle)
    except BaseException:
        device.close()
        raise
    return device


def missing(kind: DeviceKind) -> str | None:
    """What has to be installed before the device can be used, and how; None if nothing is."""
    package = gateware_missing() if _runs_core(kind) else None
    if package is not None:
        return f"{package} is not installed: pip install 'sevenm[hdl]'"
    return kind.missing()


def _lacking(kind: DeviceKind, bundle: Bundle) -> str | None:
    """What is missing to run this bundle."""
    why = missing(kind)
    return None if why is not None and kind.carried(bundle) else why


def _refusal(kind: DeviceKind, bundle: Bundle) -> str | None:
    """Why a file that the device needs could not be made of these rules."""
    return next((bundle.refused[name] for name in kind.needs if name in bundle.refused), None)


def _runs_core(kind: DeviceKind) -> bool:
    return not set(CORE_FILES).isdisjoint(kind.needs)


def _listed(registry: Registry[Any]) -> list[Listed]:
    out = []
    for name, entries in registry.entries().items():
        package = ", ".join(sorted(entry.package for entry in entries))
        try:
            kind = registry.load(name)
            lacks = missing(kind) if isinstance(kind, DeviceKind) else kind.missing()
            out.append(Listed(name, package, kind.label, lacks))
        except RegistryError as error:
            out.append(Listed(name, package, error=str(error)))
    return out
