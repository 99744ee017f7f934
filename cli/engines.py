"""The option --engine, and the device that a command runs on: any that an installed package registers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from sevenm.engines import default_engine, needs_gateware, open_running
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DEVICES, Device
from sevenm.host.registry import Registry

from . import output


def registered(registry: Registry[Any]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """The callback of an option whose value is a name out of the registry."""

    def check(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
        known = registry.names()
        if name is not None and name not in known:
            choices = ", ".join(map(repr, known)) or "nothing: sevenm is not installed, say pip install -e ."
            raise click.BadParameter(f"{name!r} is not one of {choices}. `sevenm devices` shows them all.")
        return name

    return check


engine_option = click.option(
    "--engine",
    metavar="NAME",
    callback=registered(DEVICES),
    help="reference: the NumPy model that defines the answer; host: generated C; rtl: the core in a simulator; or "
    "another one that `sevenm devices` lists. Default: host, or reference where there is no C compiler.",
)


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
