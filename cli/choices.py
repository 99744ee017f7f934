"""Options whose values are names that installed packages register, --engine among them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import click

from sevenm.manifest import BEAT_BITS, BEAT_BITS_DEFAULT


def registered(where: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """The callback of an option whose value is a name out of the registry at "module:name"."""

    def check(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
        if name is None:
            return None
        module, _, attribute = where.partition(":")
        known: list[str] = getattr(import_module(module), attribute).names()
        if name not in known:
            choices = ", ".join(map(repr, known)) or "nothing: sevenm is not installed, say pip install -e ."
            raise click.BadParameter(f"{name!r} is not one of {choices}. `sevenm devices` shows them all.")
        return name

    return check


width_option = click.option(
    "--width",
    "beat_bits",
    type=click.Choice([str(bits) for bits in BEAT_BITS]),
    default=str(BEAT_BITS_DEFAULT),
    show_default=True,
    metavar="BITS",
    callback=lambda context, option, bits: int(bits),
    help=f"Bits that the core takes a cycle: {', '.join(map(str, BEAT_BITS))}.",
)

marks_option = click.option(
    "--no-marks",
    "marks",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Leave it to the host to say which packets are malformed or truncated, where no rule asks: to say it of every "
    "packet takes the parser of all protocols.",
)

engine_option = click.option(
    "--engine",
    metavar="NAME",
    callback=registered("sevenm.host.devices.device:DEVICES"),
    help="reference: the NumPy model that defines the answer; host: generated C; rtl: the core in a simulator; or "
    "another one that `sevenm devices` lists. Default: host, or reference where there is no C compiler.",
)
