"""Tables and pictures of them, with Rich: dressed on a terminal, plain elsewhere."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Literal

import click
from rich.console import Console, RenderableType
from rich.table import Table

from .output import plain

WIDTH_PIPED = 200
"""Columns of a table that does not go to a terminal."""
PICTURE_COLUMNS = 110


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


def picture(item: RenderableType, path: Path, title: str) -> None:
    """Writes what ``show`` would print as an SVG. Raises OSError."""
    canvas = Console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), markup=False, highlight=False, emoji=False)
    canvas.print(item)
    # Rich's picture would fetch its font from the network; the viewer's own monospaced one does.
    path.write_text(re.sub(r"@font-face\s*{.*?}", "", canvas.export_svg(title=title), flags=re.DOTALL))
