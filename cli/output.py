"""Where the commands write: answers to standard output, all else to standard error, colour only on a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sevenm.compiler.diagnostics import Diagnostic, render

WIDTH_PIPED = 200
"""Columns of a table that does not go to a terminal."""
FINDINGS_SHOWN_MAX = 50
PICTURE_COLUMNS = 110
_COLOURS = {"error": "red", "warning": "yellow"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def console(stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no highlighting."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_PIPED
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def table(*columns: str, left: int = 1) -> Table:
    """An empty table; the first ``left`` columns are text, the others are numbers."""
    out = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        out.add_column(name, justify="left" if number < left else "right", overflow="fold")
    return out


def show(item: RenderableType) -> None:
    """Prints a table on standard output; without the blanks at the ends of lines where that is no terminal."""
    out = console()
    if out.is_terminal:
        out.print(item)
        return
    with out.capture() as captured:
        out.print(item)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def clean(text: str) -> str:
    """The text without what would move a terminal's cursor or cannot be encoded."""
    return _CONTROL.sub("?", text).encode("utf-8", "replace").decode("utf-8")


def say(message: str) -> None:
    """One remark for the person, on standard error."""
    click.echo(_CONTROL.sub("?", message), err=True)


def complain(message: str) -> None:
    """One error, on standard error."""
    click.echo(click.style("sevenm: ", fg="red", bold=True) + _CONTROL.sub("?", message), err=True)


def emit_json(data: Any) -> None:
    """JSON on standard output, indented, with a stable order of keys."""
    click.echo(json.dumps(data, indent=2))


def findings(diagnostics: tuple[Diagnostic, ...], source: str, filename: str) -> None:
    """The findings with their source lines, on standard error; at most FINDINGS_SHOWN_MAX of them."""
    for diagnostic in diagnostics[:FINDINGS_SHOWN_MAX]:
        head, *lines = _CONTROL.sub("?", render(diagnostic, source, filename)).split("\n")
        colour = _COLOURS.get(diagnostic.severity)
        word = f": {diagnostic.severity}: "
        where, _, what = head.partition(word)
        click.echo(click.style(where, bold=True) + click.style(word, fg=colour, bold=True) + what, err=True)
        for line in lines:
            caret = line.strip().startswith("| ^")
            click.echo(click.style(line, fg=colour) if caret else line, err=True)
    if len(diagnostics) > FINDINGS_SHOWN_MAX:
        say(f"... and {len(diagnostics) - FINDINGS_SHOWN_MAX} more findings")


class Bar:
    """Progress in bytes of input; does nothing where standard error is no terminal."""

    def __init__(self, progress: Progress | None, total: int | None, label: str) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task(label, total=total)

    def at(self, position: int) -> None:
        """The work has come to this byte."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=position)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Bar]:
    """A bar on standard error that disappears when the work is done; ``total`` in bytes, None if unknown."""
    if not sys.stderr.isatty():
        yield Bar(None, total, label)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        yield Bar(progress, total, label)


def quantity(value: float, unit: str) -> str:
    """2350000.0, "events/s" -> "2.35 M events/s": three significant digits."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix} {unit}"
    return f"{value:.3g} {unit}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 rule, 2 rules."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def picture(item: RenderableType, path: Path, title: str) -> None:
    """Writes what ``show`` would print as an SVG. Raises OSError."""
    canvas = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), markup=False, highlight=False, emoji=False)
    canvas.print(item)
    # Rich's picture would fetch its font from the network; the viewer's own monospaced one does.
    path.write_text(re.sub(r"@font-face\s*{.*?}", "", canvas.export_svg(title=title), flags=re.DOTALL))
