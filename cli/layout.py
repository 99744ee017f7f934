"""sevenm layout: where the fields of a schema lie, and which fields packets have."""

from __future__ import annotations

from typing import Any

import click
from rich.table import Table

from sevenm.compiler.backends.layouts import emit as layouts
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.layout import Layout
from sevenm.compiler.protocols.fields import decimal
from sevenm.compiler.protocols.packet_fields import packet_fields

from . import output, tables
from .errors import Exit, Failure
from .sources import compile_file

PACKET = "packet"


@click.command(
    epilog="\b\nExit codes: 0 shown, 1 errors in the rules, 2 no such schema, 3 the file cannot be read.",
)
@click.argument("file")
@click.argument("schema", required=False)
@click.option("--c", "form", flag_value="c", help="As a C header with static asserts.")
@click.option("--numpy", "form", flag_value="numpy", help="As a Python module with the NumPy dtype.")
@click.option("--amaranth", "form", flag_value="amaranth", help="As a Python module with the Amaranth layout.")
@click.option("--json", "form", flag_value="json", help="As JSON.")
def layout(file: str, schema: str | None, form: str | None) -> int:
    """Show the layout of SCHEMA in the rule file FILE, or of all its schemas.

    `sevenm layout packet` lists every field that rules on packets may use; SCHEMA is then a prefix of names.

    \b
    Examples:
      sevenm layout alarms.7m
      sevenm layout alarms.7m Reading --c > reading.h
      sevenm layout packet tcp
    """
    if file == PACKET:
        return _packet(schema, form)
    chosen = _choose(compile_file(file).plan.layouts, file, schema)
    if form == "json":
        output.emit_json([_as_json(item) for item in chosen])
    elif form is not None:
        emit = {"c": layouts.c_header, "numpy": layouts.numpy_source, "amaranth": layouts.amaranth_source}[form]
        click.echo("\n".join(emit(item) for item in chosen), nl=False)
    else:
        for number, item in enumerate(chosen):
            if number:
                click.echo()
            click.echo(_title(item))
            tables.show(_table(item))
    return Exit.OK


def _choose(there: tuple[Layout, ...], file: str, schema: str | None) -> tuple[Layout, ...]:
    if schema is None:
        if not there:
            raise Failure(f"{file} has no schema; `sevenm layout packet` lists the fields of packets", Exit.USAGE)
        return there
    chosen = tuple(item for item in there if item.name == schema)
    if not chosen:
        names = ", ".join(item.name for item in there) or "none"
        raise Failure(f"{file} has no schema {schema}; it has: {names}", Exit.USAGE)
    return chosen


def _as_json(item: Layout) -> dict[str, Any]:
    return {**item.to_json(), "hash": f"0x{item.hash:016x}"}


def _title(item: Layout) -> str:
    order = "little" if item.little else "big"
    return f"{item.name} v{item.version}: {item.size} bytes, {order} endian, hash 0x{item.hash:016x}"


def _table(item: Layout) -> Table:
    out = tables.table("offset", "size", "bits", "field", "type", "meaning", left=0)
    for column in out.columns[3:]:
        column.justify = "left"
    for field in item.fields:
        bits = "" if field.bits is None else f"{field.bits[0]}..{field.bits[0] + field.bits[1] - 1}"
        kind = field.kind + (f"[{field.count}]" if field.count != 1 else "")
        notes = []
        if field.scale != 1:
            notes.append(f"in steps of {decimal(field.scale)}")
        if field.unit:
            notes.append(field.unit)
        if field.null is not None:
            notes.append(f"absent if 0x{field.null:x}")
        if field.enum:
            notes.append(", ".join(f"{name} = {value}" for name, value in field.enum))
        out.add_row(str(field.offset), str(field.size * field.count), bits, field.name, kind, "; ".join(notes))
    return out


def _packet(prefix: str | None, form: str | None) -> int:
    if form not in (None, "json"):
        raise Failure("packets have no fixed layout; only --json applies to `sevenm layout packet`", Exit.USAGE)
    rows = [
        {
            "name": field.name,
            "type": field.type.text if field.type else ("protocol" if field.present else "bytes"),
            "about": field.about,
        }
        for field in packet_fields(Graph()).values()
        if prefix is None or field.name == prefix or field.name.startswith(prefix.rstrip(".") + ".")
    ]
    if not rows:
        raise Failure(f"no packet field starts with {prefix}; `sevenm layout packet` lists them all", Exit.USAGE)
    if form == "json":
        output.emit_json(rows)
        return Exit.OK
    out = tables.table("field", "type", "meaning", left=3)
    for row in rows:
        out.add_row(row["name"], row["type"], row["about"])
    tables.show(out)
    return Exit.OK
