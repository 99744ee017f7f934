"""Where the commands write: answers to standard output, all else to standard error, colour only on a terminal.

Every command says something, so this costs next to nothing to import: what dresses text is loaded when there is some.
Without colour is plain: NO_COLOR (https://no-color.org) and TERM=dumb turn off every escape sequence that dresses text.
"""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Log:
    """How remarks and errors are written on standard error: for people, or one JSON object a line."""

    json = False


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


def printable(text: str) -> str:
    """The text with a question mark for each control character that is no tab or line feed."""
    return _CONTROL.sub("?", text)


def clean(text: str) -> str:
    """The text without what would move a terminal's cursor or cannot be encoded."""
    return printable(text).encode("utf-8", "replace").decode("utf-8")


def say(message: str) -> None:
    """One remark for the person, on standard error."""
    if _log.json:
        _json_line("info", message)
    else:
        print(printable(message), file=sys.stderr, flush=True)


def complain(message: str) -> None:
    """One error, on standard error."""
    if _log.json:
        _json_line("error", message)
        return
    import click

    styled(click.style("sevenm: ", fg="red", bold=True) + printable(message))


def note(message: str, **facts: Any) -> None:
    """What machines that read the log want to know, and people see elsewhere."""
    if _log.json:
        _json_line("info", message, **facts)


def _json_line(level: str, message: str, **facts: Any) -> None:
    import json
    from datetime import UTC, datetime

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = message.removeprefix("sevenm: ")
    print(json.dumps({"time": now, "level": level, "message": text, **facts}), file=sys.stderr, flush=True)


def styled(text: str) -> None:
    """A line on standard error; styles go only to a terminal that shows them."""
    import click

    if _log.json:
        _json_line("error", click.unstyle(text))
        return
    click.echo(text, err=True, color=False if plain() else None)


def emit_json(data: Any) -> None:
    """JSON on standard output, indented, with a stable order of keys."""
    import json

    print(json.dumps(data, indent=2), flush=True)


def quantity(value: float, unit: str) -> str:
    """2350000.0, "events/s" -> "2.35 M events/s": three significant digits."""
    for factor, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.3g} {prefix} {unit}"
    return f"{value:.3g} {unit}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """1 rule, 2 rules."""
    return f"{count} {one if count == 1 else many or one + 's'}"
