"""sevenm update: whether a card takes an edit of its rules as rows, and what that costs, or needs another core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused
from sevenm.compiler.structures import differences
from sevenm.host.card.driver import CardError, CardTables, Update
from sevenm.manifest import ROWS

from . import output
from .errors import Exit, Failure
from .sources import plan_of_rules


@dataclass(frozen=True, slots=True)
class _Answer:
    """``reasons``: why it takes another bundle; none where it does not. ``update``: its writes else."""

    reasons: Sequence[str]
    tables: Sequence[tuple[str, int, int]] = ()
    update: Update | None = None


@click.command(
    epilog="\b\nExit codes: 0 rows are all there is to write; 1 it takes another bundle, or the rules have errors;"
    "\n2 wrong usage; 3 a bundle cannot be read; 4 gateware cannot do a rule, or Amaranth is not installed."
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--rows",
    type=click.Choice(ROWS),
    help="How the core of OLD keeps rows, if OLD is a rule file; a bundle says it itself. Default: memory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def update(old: str, new: str, rows: str | None, as_json: bool) -> int:
    """Say how a card with the core of OLD, which has OLD's rows, gets those of NEW: as writes into its tables, of how
    many rows and cycles, or as another bundle, and why. Both are rule files or bundles. Nothing is written.

    \b
    Example:
      sevenm update edge.bundle edge.7m
    """
    before = plan_of_rules(old)
    slots = _slots(old, before, rows)
    answer = _compared(before, plan_of_rules(new), slots)
    if as_json:
        output.emit_json(_body(answer))
    else:
        for line in _lines(answer):
            click.echo(line)
    return Exit.FINDINGS if answer.reasons else Exit.OK


def _slots(path: str, plan: Plan, rows: str | None) -> Sequence[int]:
    """The slots that each table of the core has; 0 for one that is wired."""
    if Path(path).is_dir():
        from sevenm.host.bundle import Bundle

        if rows is not None:
            raise click.UsageError("--rows is for rule files: a bundle says how its core keeps them.")
        core = Bundle.open(Path(path)).core
        if core is None:
            raise Failure(f"{path}: the bundle has no core; build it with gateware")
        return core.slots
    from sevenm.compiler.bundle import MissingExtra, gateware_missing

    if (missing := gateware_missing()) is not None:
        raise MissingExtra(f"how large a core's tables are needs {missing}: pip install 'sevenm[hdl]'")
    from sevenm.compiler.backends.gateware.memories import memory_slots

    try:
        return memory_slots(plan, rows or "memory")
    except Refused as error:
        raise Failure(str(error), Exit.ENGINE) from error


def _compared(old: Plan, new: Plan, slots: Sequence[int]) -> _Answer:
    if reasons := differences(old, new):
        return _Answer([f"the structure differs: {reason}" for reason in reasons])
    reasons = [
        f"table {before.name} has other rows, and they are wired in the core; build it with --rows memory"
        for before, after, count in zip(old.tables, new.tables, slots, strict=True)
        if not count and before.rows != after.rows
    ]
    kept = [number for number, count in enumerate(slots) if count]
    try:
        card = CardTables.of(old.tables, [table.rows for table in old.tables], slots, old.structure)
        edit = {at: new.tables[n].rows for at, n in enumerate(kept) if new.tables[n].rows != old.tables[n].rows}
        made = card.update(edit, 1)
    except CardError as error:
        return _Answer([*reasons, str(error)])
    if reasons:
        return _Answer(reasons)
    tables = [(new.tables[kept[at]].name, len(rows), made.written[at]) for at, rows in edit.items()]
    return _Answer((), tables, made if edit else None)


def _lines(answer: _Answer) -> list[str]:
    if answer.reasons:
        return ["new bundle", *(f"  {reason}" for reason in answer.reasons)]
    if answer.update is None:
        return ["nothing to write: structure and rows are the same"]
    lines = ["table write"]
    for name, rows, written in answer.tables:
        lines.append(f"  table {name}: {output.plural(rows, 'row')}, {output.plural(written, 'slot')} written")
    writes, cycles = len(answer.update.writes), answer.update.cycles
    return [
        *lines,
        f"  {output.plural(writes, 'register write')}, at most {output.plural(cycles, 'cycle')} of the core",
    ]


def _body(answer: _Answer) -> dict[str, object]:
    made = answer.update
    return {
        "way": "bundle" if answer.reasons else "rows" if made else "nothing",
        "reasons": list(answer.reasons),
        "tables": [{"name": name, "rows": rows, "written": written} for name, rows, written in answer.tables],
        "writes": len(made.writes) if made else 0,
        "cycles": made.cycles if made else 0,
    }
