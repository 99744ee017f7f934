"""The device that a command runs on: any that an installed package registers."""

from __future__ import annotations

from sevenm.engines import default_engine, needs_gateware, open_running
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device

from . import output


def wants_gateware(engine: str | None) -> bool:
    """Whether the engine that was asked for runs a bundle's core."""
    return engine is not None and needs_gateware(engine)


def open_engine(engine: str | None, bundle: Bundle) -> Device:
    """The engine that was asked for, running the bundle; by default host, else reference, which is then said on
    standard error. Raises RegistryError or DeviceError."""
    if engine is not None:
        return open_running(engine, bundle)
    name, why = default_engine(bundle)
    if why is not None:
        output.say(f"sevenm: using the slower NumPy reference model: {why}")
    return open_running(name, bundle)
