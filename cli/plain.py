"""What is asked for most, in its plainest form: answered before the parser of the command line is loaded.

One idea: loading the parser takes longer than filtering a million packets. So `sevenm --version`, and a filter that was
compiled before, on a capture, with no option but one of --count and -w, are read here; everything else, and whatever
is not exactly that, is the parser's (``commands``), which gives the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sevenm.version import VERSION

from .errors import Exit


class Asked(NamedTuple):
    """``target``: the capture to write, None to count, or, with ``lines``, to print."""

    text: str
    source: str
    target: str | None
    lines: bool


def run(args: Sequence[str]) -> int | None:
    """The exit code; None if this is not plain. Raises what ``selecting.run`` does."""
    if list(args) == ["--version"]:
        print(f"sevenm, version {VERSION}")
        return Exit.OK
    asked = _filter(args)
    if asked is None:
        return None
    from sevenm.filters import Filters
    from sevenm.host.engine.selection import Form

    from . import selecting

    code = Filters().find(asked.text) if selecting.available() else None
    if code is None:
        return None
    form = Form.PCAP if asked.target is not None else Form.LINES if asked.lines else Form.COUNT
    return selecting.run(code, asked.source, form, asked.target)


def _filter(args: Sequence[str]) -> Asked | None:
    """``filter TEXT -r IN [--count | -w OUT]`` in any order, each once."""
    if not args or args[0] != "filter":
        return None
    found: dict[str, str] = {}
    rest = iter(args[1:])
    for word in rest:
        name = word if word in ("-r", "-w", "--count") else "text"
        value = next(rest, "") if name in ("-r", "-w") else word
        if name in found or not value or (value.startswith("-") and name != "--count"):
            return None
        found[name] = value
    if "text" not in found or "-r" not in found or {"-w", "--count"} <= found.keys():
        return None
    return Asked(found["text"], found["-r"], found.get("-w"), "--count" not in found)
