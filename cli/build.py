"""sevenm build: everything that is made from a rule file, in one folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
from rich.status import Status

from sevenm.boundary import PORTS
from sevenm.bundles import noted
from sevenm.compiler.backends.c.classifiers import CLASSIFIERS
from sevenm.compiler.backends.gateware.keywords import KEYWORDS
from sevenm.compiler.backends.gateware.options import CLOCK_PS, TOP, CoreOptions
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.passes.cost import AUTO
from sevenm.host.bundle import Bundle
from sevenm.host.engine.objects import LEVELS, build_object, object_name
from sevenm.manifest import ROWS, Actions

from . import output, tables
from .choices import width_option
from .errors import Exit
from .sources import compile_file

CLOCK_MAX_MHZ = 1000.0
PS_PER_US = 1_000_000
DST_BITS = 16
"""Bits of the sideband that a stage writes destinations into."""


def _module(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise click.BadParameter(f"{name!r} is no name of a module: letters, digits and _, and no digit first")
    if name in KEYWORDS:
        raise click.BadParameter(f"{name} is a word of Verilog; choose another name")
    return name


def _leads(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[int, int]:
    out = {}
    for text in given:
        found = re.fullmatch(r"(\d{1,5})=(\d{1,5})", text)
        if not found or int(found[1]) >= PORTS:
            raise click.BadParameter(f"{text!r} is not PORT=N with a port from 0 to {PORTS - 1}")
        if int(found[1]) in out:
            raise click.BadParameter(f"port {found[1]} is led twice")
        out[int(found[1])] = int(found[2])
    return out


def _actions(destinations: str | None, leads: Mapping[int, int], in_band: bool) -> Actions | None:
    """The stage that was asked for. Raises UsageError."""
    if destinations is None:
        if leads or in_band:
            raise click.UsageError("--lead and --in-band belong to --actions")
        return None
    most = DST_BITS if destinations == "ports" else 1 << DST_BITS
    for port, number in leads.items():
        if number >= most:
            raise click.UsageError(f"--lead {port}={number}: for {destinations} the number is at most {most - 1}")
    return Actions(destinations, tuple(leads.get(port, port) for port in range(PORTS)), in_band)


@click.command(
    epilog="\b\nExit codes: 0 built, 1 errors in the rules, 3 the folder cannot be written, 4 no Amaranth.",
)
@click.argument("file")
@click.option("-o", "--output", "folder", required=True, metavar="DIR", help="Folder of the bundle; made if missing.")
@click.option("--no-gateware", is_flag=True, help="Leave the core out; needs no Amaranth.")
@click.option(
    "--classifier",
    type=click.Choice(CLASSIFIERS),
    default=AUTO,
    show_default=True,
    help="How the C looks rules up; auto is what costs least, block by block (see sevenm check --explain).",
)
@click.option(
    "--rows",
    type=click.Choice(ROWS),
    default=AUTO,
    show_default=True,
    help="Rows of tables in the core: wired, or in memories that are written while it runs; auto wires few.",
)
@click.option(
    "--object",
    "architectures",
    type=click.Choice(sorted(LEVELS)),
    multiple=True,
    metavar="ARCH",
    help=f"Add machine code for {' or '.join(sorted(LEVELS))}, which runs where there is no compiler; may be repeated.",
)
@click.option(
    "--top",
    default=TOP,
    show_default=True,
    callback=_module,
    metavar="NAME",
    help="Name of the core's Verilog module; its other modules begin with it.",
)
@click.option(
    "--clock",
    "clock_mhz",
    type=click.FloatRange(1, CLOCK_MAX_MHZ),
    default=PS_PER_US / CLOCK_PS,
    show_default=True,
    metavar="MHZ",
    help="The clock that the core's constraints state.",
)
@width_option
@click.option(
    "--actions",
    "destinations",
    type=click.Choice(("ports", "queues")),
    help="Add actions.v: the core with a stage that drops packets, counts them by rule and writes into dst where they "
    "go; a bit for each port, or the number of a queue.",
)
@click.option(
    "--lead",
    "leads",
    multiple=True,
    callback=_leads,
    metavar="PORT=N",
    help="With --actions: the port is bit N of dst, or queue N. Default: N is the port's own number. May be repeated.",
)
@click.option("--in-band", is_flag=True, help="With --actions: a record of 32 bytes goes before each packet.")
def build(
    file: str, folder: str, no_gateware: bool, classifier: str, architectures: tuple[str, ...], top: str,
    rows: str, clock_mhz: float, beat_bits: int, destinations: str | None, leads: Mapping[int, int], in_band: bool,
) -> int:  # fmt: skip
    """Build the rule file FILE into the bundle DIR.

    A bundle holds the match function in C, the core in Verilog and as readable Amaranth source, what it takes to put
    the core into a design and to simulate it, and each schema as C header, NumPy dtype and Amaranth layout. What one
    of them cannot express is left out, with a warning that names the rule. A bundle that is already there is replaced
    whole; any other folder is left alone.

    \b
    Example:
      sevenm build edge.7m -o edge.bundle
      sevenm build edge.7m -o edge.bundle --object x86_64 --object aarch64
      sevenm build edge.7m -o edge.bundle --actions queues --lead 0=256 --in-band
    """
    actions = _actions(destinations, leads, in_band)
    compiled = compile_file(file)
    path = Path(folder)
    objects = partial(_objects, architectures) if architectures else None
    options = CoreOptions(top, round(PS_PER_US / clock_mhz), beat_bits, actions, rows)
    make = partial(
        write_bundle, compiled.plan, path, not no_gateware,
        options=options, classifier=classifier, objects=objects, written=noted(not no_gateware),
    )  # fmt: skip
    if output.animated():
        with Status("building", console=tables.console(stderr=True)) as status:
            make(progress=partial(_show, status))
    else:
        make()
    bundle = Bundle.open(path)
    out = tables.table("file", "bytes")
    for name in sorted(bundle.files):
        out.add_row(str(path / name), f"{(path / name).stat().st_size:,}")
    tables.show(out)
    if bundle.core is not None:
        click.echo(f"core {bundle.core.top}: latency {output.plural(bundle.core.latency_cycles, 'cycle')}")
    for why, names in _without(bundle).items():
        click.echo(f"warning: no {' and no '.join(names)}: {why}", err=True)
    return Exit.OK


def _objects(architectures: tuple[str, ...], source: bytes) -> dict[str, bytes]:
    return {object_name(architecture): build_object(source, architecture) for architecture in architectures}


def _show(status: Status, step: str) -> None:
    status.update(f"building: {step}")


def _without(bundle: Bundle) -> dict[str, list[str]]:
    """The files that a back end refused to make, by its reason."""
    out: dict[str, list[str]] = {}
    for name in sorted(bundle.refused):
        out.setdefault(bundle.refused[name], []).append(name)
    return out
