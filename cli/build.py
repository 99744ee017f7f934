"""sevenm build: everything that is made from a rule file, in one folder."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import click
from rich.status import Status

from sevenm.bundles import noted
from sevenm.compiler.backends.c.classifiers import CLASSIFIERS
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.passes.cost import AUTO
from sevenm.host.bundle import Bundle
from sevenm.host.engine.objects import LEVELS, build_object, object_name

from . import output, tables
from .choices import width_option
from .errors import Exit
from .sources import compile_file


def _module(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise click.BadParameter(f"{name!r} is no name of a module: letters, digits and _, and no digit first")
    return name


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
    "--object",
    "architectures",
    type=click.Choice(sorted(LEVELS)),
    multiple=True,
    metavar="ARCH",
    help=f"Add machine code for {' or '.join(sorted(LEVELS))}, which runs where there is no compiler; may be repeated.",
)
@click.option(
    "--top",
    default="sevenm_core",
    show_default=True,
    callback=_module,
    metavar="NAME",
    help="Name of the core's Verilog module; its other modules begin with it.",
)
@width_option
def build(
    file: str, folder: str, no_gateware: bool, classifier: str, architectures: tuple[str, ...], top: str, beat_bits: int
) -> int:
    """Build the rule file FILE into the bundle DIR.

    A bundle holds the match function in C, the core in Verilog and as readable Amaranth source, and each schema as
    C header, NumPy dtype and Amaranth layout. What one of them cannot express is left out, with a warning that names
    the rule. A bundle that is already there is replaced whole; any other folder is left alone.

    \b
    Example:
      sevenm build edge.7m -o edge.bundle
      sevenm build edge.7m -o edge.bundle --object x86_64 --object aarch64
    """
    compiled = compile_file(file)
    path = Path(folder)
    objects = partial(_objects, architectures) if architectures else None
    make = partial(
        write_bundle, compiled.plan, path, not no_gateware,
        top=top, classifier=classifier, beat_bits=beat_bits, objects=objects, written=noted(not no_gateware),
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
