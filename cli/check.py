"""sevenm check: is the rule file sound, and what does it hold?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from sevenm.compiler import Compiled, CompileError, Diagnostic, compile_text
from sevenm.compiler.plan import Plan

from . import output, tables
from .errors import Exit
from .sources import compile_file, read_rules


@click.command(
    epilog="\b\nExit codes: 0 sound (warnings allowed), 1 errors, 3 the file cannot be read.",
)
@click.argument("file")
@click.option(
    "--explain", is_flag=True, help="Also how the C looks rules up, what it costs, and which packets are quicker."
)
@click.option("--json", "as_json", is_flag=True, help="Findings and summary as JSON on standard output.")
def check(file: str, explain: bool, as_json: bool) -> int:
    """Check the rule file FILE: errors and warnings with their place, then a summary.

    \b
    Example:
      sevenm check edge.7m
    """
    if as_json:
        return _as_json(file, explain)
    compiled = compile_file(file)
    tables.show(_summary(compiled))
    if explain:
        from . import explanations  # which needs the back end, and NumPy

        click.echo("\n" + "\n".join(explanations.lines(compiled.plan)))
    return Exit.OK


def _as_json(file: str, explain: bool) -> int:
    text = read_rules(file)
    compiled: Compiled | None = None
    try:
        compiled = compile_text(text, Path(file).stem, Path(file).parent)
        found: Iterable[Diagnostic] = compiled.warnings
    except CompileError as error:
        found = error.diagnostics
    data: dict[str, Any] = {"file": file, "ok": compiled is not None, "findings": [_finding(d) for d in found]}
    if compiled is not None:
        data["plan"] = _facts(compiled.plan)
        if explain:
            from . import explanations  # which needs the back end, and NumPy

            data |= explanations.facts(compiled.plan)
    output.emit_json(data)
    return Exit.OK if compiled is not None else Exit.FINDINGS


def _finding(d: Diagnostic) -> dict[str, Any]:
    return {
        "severity": d.severity,
        "code": d.code,
        "message": d.message,
        "hint": d.hint,
        **({"file": d.origin.name} if d.origin is not None else {}),
        "line": d.span.line,
        "column": d.span.column,
        "start": d.span.start,
        "end": d.span.end,
    }


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "digest": plan.digest,
        "source": plan.source,
        "reach": plan.reach,
        "nodes": len(plan.nodes),
        "blocks": [{"name": b.name, "mode": b.mode, "rules": b.stop - b.start} for b in plan.blocks],
        "rules": [{"name": r.name, "block": plan.blocks[r.block].name, "line": r.line} for r in plan.rules],
        "channels": list(plan.channels),
        "counters": list(plan.counters),
        "tables": [{"name": t.name, "rows": len(t.rows), "most": t.most} for t in plan.tables],
        "states": [{"name": s.name, "keys": s.sets * s.ways} for s in plan.states],
        "layouts": [
            {"name": layout.name, "version": layout.version, "size": layout.size, "hash": f"0x{layout.hash:016x}"}
            for layout in plan.layouts
        ],
    }


def _summary(compiled: Compiled) -> Table:
    plan = compiled.plan
    out = tables.table("", "", left=2)
    out.show_header = False
    for block in plan.blocks:
        on = "packet" if block.layout is None else plan.layouts[block.layout].name
        out.add_row(f"block {block.name}", f"{output.plural(block.stop - block.start, 'rule')} on {on}, {block.mode}")
    if plan.channels:
        out.add_row("channels", ", ".join(plan.channels))
    if plan.counters:
        out.add_row("counters", ", ".join(plan.counters))
    for table in plan.tables:
        out.add_row(f"table {table.name}", f"{output.plural(len(table.rows), 'row')} of at most {table.most:,}")
    for state in plan.states:
        out.add_row("state", f"{state.name}: {state.sets * state.ways:,} keys")
    for layout in plan.layouts:
        out.add_row(
            f"schema {layout.name}", f"version {layout.version}, {layout.size} bytes, hash 0x{layout.hash:016x}"
        )
    out.add_row("looks at", f"the first {output.plural(plan.reach, 'byte')} of a {plan.source}")
    out.add_row("digest", plan.digest)
    warnings = len(compiled.warnings)
    out.add_row("result", "sound" + (f", {output.plural(warnings, 'warning')}" if warnings else ""))
    return out
