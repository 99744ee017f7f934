"""Where the commands write: answers to standard output, all else to standard error, colour only on a terminal.

Without colour is plain: NO_COLOR (https://no-color.org) and TERM=dumb turn off every escape sequence that dresses text.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

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


@dataclass
class _Log:
    """How remarks and errors are written on standard error: for people, or one JSON object a line."""

    json: bool = False


_log = _Log()


def log_as(form: str) -> None:
    """From now on *text* or *json*."""
    _log.json = form == "json"


def keep_going() -> None:
    """Names of files may hold bytes that are no text: they are shown as escapes, on either stream."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def dumb() -> bool:
    """Whether the terminal knows no escape sequences at all."""
    return os.environ.get("TERM", "") == "dumb"


def plain() -> bool:
    """Whether text is shown without colour and emphasis, even on a terminal."""
    return dumb() or os.environ.get("NO_COLOR", "") != ""


def animated() -> bool:
    """Whether progress can be shown: standard error is a terminal that can move its cursor."""
    return sys.stderr.isatty() and not dumb()


def console(stderr: bool = False) -> Console:
    """A console that takes text as it is: no markup, no highlighting."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_PIPED
    # Rich's own NO_COLOR keeps bold and dim.
    system: Literal["auto"] | None = None if plain() else "auto"
    return Console(file=stream, width=width, color_system=system, markup=False, highlight=False, emoji=False)


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
    if _log.json:
        _json_line("info", message)
    else:
        _error(_CONTROL.sub("?", message))


def complain(message: str) -> None:
    """One error, on standard error."""
    if _log.json:
        _json_line("error", message)
        return
    _error(click.style("sevenm: ", fg="red", bold=True) + _CONTROL.sub("?", message))


def note(message: str, **facts: Any) -> None:
    """What machines that read the log want to know, and people see elsewhere."""
    if _log.json:
        _json_line("info", message, **facts)


def _json_line(level: str, message: str, **facts: Any) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = message.removeprefix("sevenm: ")
    click.echo(json.dumps({"time": now, "level": level, "message": text, **facts}), err=True)


def _error(text: str) -> None:
    """A line on standard error; styles go only to a terminal that shows them."""
    if _log.json:
        _json_line("error", click.unstyle(text))
        return
    click.echo(text, err=True, color=False if plain() else None)


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
        _error(click.style(where, bold=True) + click.style(word, fg=colour, bold=True) + what)
        for line in lines:
            caret = line.strip().startswith("| ^")
            _error(click.style(line, fg=colour) if caret else line)
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
    if not animated():
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
