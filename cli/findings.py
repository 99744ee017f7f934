"""Shows what is wrong with a text, every finding with its source line."""

from __future__ import annotations

import click

from sevenm.compiler.diagnostics import Diagnostic, render

from . import output

FINDINGS_SHOWN_MAX = 50
_COLOURS = {"error": "red", "warning": "yellow"}


def show(diagnostics: tuple[Diagnostic, ...], source: str, filename: str) -> None:
    """The findings with their source lines, on standard error; at most FINDINGS_SHOWN_MAX of them."""
    for diagnostic in diagnostics[:FINDINGS_SHOWN_MAX]:
        head, *lines = output.printable(render(diagnostic, source, filename)).split("\n")
        colour = _COLOURS.get(diagnostic.severity)
        word = f": {diagnostic.severity}: "
        where, _, what = head.partition(word)
        output.styled(click.style(where, bold=True) + click.style(word, fg=colour, bold=True) + what)
        for line in lines:
            caret = line.strip().startswith("| ^")
            output.styled(click.style(line, fg=colour) if caret else line)
    if len(diagnostics) > FINDINGS_SHOWN_MAX:
        output.say(f"... and {len(diagnostics) - FINDINGS_SHOWN_MAX} more findings")
