"""sevenm devices: what can match events here, what can be read, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.table import Table

from sevenm.engines import Listed, list_devices, list_ingress

from . import output, tables
from .errors import Exit


@click.command(
    epilog="\b\nExit codes: 0 shown, 4 a package registers something that cannot be used.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def devices(as_json: bool) -> int:
    """Show what --engine and --ingress may name: the devices and the kinds of input of all installed packages.

    \b
    Examples:
      sevenm devices
      sevenm devices --json
    """
    found, opened = list_devices(), list_ingress()
    if as_json:
        output.emit_json({"devices": [asdict(one) for one in found], "ingress": [asdict(one) for one in opened]})
    else:
        tables.show(_table("engine", found))
        click.echo()
        tables.show(_table("ingress", opened))
    errors = [one.error for one in (*found, *opened) if one.error is not None]
    for error in errors:
        output.complain(error)
    return Exit.ENGINE if errors else Exit.OK


def _table(what: str, rows: Sequence[Listed]) -> Table:
    out = tables.table(what, "what it is", "from", "missing", left=4)
    for one in rows:
        lacks = "cannot be used, see below" if one.error is not None else one.missing or "-"
        out.add_row(one.name, one.label, one.package, lacks)
    return out
