"""What is asked for most, in its plainest form: answered before the parser of the command line is loaded.

One idea: loading the parser takes longer than filtering a million packets. So `sevenm --version`, a filter that was
compiled before, on a capture, with no option but one of --count and -w, and rules that ran before, on a capture, with
no option but --json and --engine host, are read here; everything else, and whatever is not exactly that, is the
parser's (``commands``), which gives the same answer.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from sevenm.version import VERSION

from .errors import Exit


class Asked(NamedTuple):
    """A filter. ``target``: the capture to write, None to count, or, with ``lines``, to print."""

    text: str
    source: str
    target: str | None
    lines: bool


class AskedRun(NamedTuple):
    """Rules in ``file`` over a capture."""

    file: str
    source: str
    as_json: bool


def run(args: Sequence[str]) -> int | None:
    """The exit code; None if this is not plain. Raises what ``selecting.run`` and ``counting.run`` do."""
    if list(args) == ["--version"]:
        print(f"sevenm, version {VERSION}")
        return Exit.OK
    if (asked := _filter(args)) is not None:
        return _run_filter(asked)
    rules = _rules(args)
    return None if rules is None else _run_rules(rules)


def _run_filter(asked: Asked) -> int | None:
    from sevenm.filters import Filters
    from sevenm.host.engine.selection import Form

    from . import selecting

    code = Filters().find(asked.text) if selecting.available() else None
    if code is None:
        return None
    form = Form.PCAP if asked.target is not None else Form.LINES if asked.lines else Form.COUNT
    return selecting.run(code, asked.source, form, asked.target)


def _run_rules(asked: AskedRun) -> int | None:
    from sevenm.host.engine.code import VARIABLE
    from sevenm.host.native import available

    if os.environ.get(VARIABLE) or not available():
        return None
    from sevenm.starts import find_start

    found = find_start(asked.file)
    if found is None:
        return None
    from . import counting

    return counting.run(*found, asked.file, asked.source, asked.as_json)


def _filter(args: Sequence[str]) -> Asked | None:
    """``filter TEXT -r IN [--count | -w OUT]`` in any order, each once."""
    found = _words(args, "filter", ("-r", "-w"), ("--count",))
    if found is None or {"-w", "--count"} <= found.keys():
        return None
    return Asked(found[""], found["-r"], found.get("-w"), "--count" not in found)


def _rules(args: Sequence[str]) -> AskedRun | None:
    """``run FILE -r IN [--engine host] [--json]`` in any order, each once."""
    found = _words(args, "run", ("-r", "--engine"), ("--json",))
    if found is None or found.get("--engine", "host") != "host":
        return None
    return AskedRun(found[""], found["-r"], "--json" in found)


def _words(args: Sequence[str], command: str, valued: Sequence[str], flags: Sequence[str]) -> dict[str, str] | None:
    """By option, "" for the one word that is none: each once, none of them empty, and -r among them. None for other
    arguments."""
    if not args or args[0] != command:
        return None
    found: dict[str, str] = {}
    rest = iter(args[1:])
    for word in rest:
        name = word if word in (*valued, *flags) else ""
        value = next(rest, "") if name in valued else word
        if name in found or not value or (value.startswith("-") and name not in flags):
            return None
        found[name] = value
    return found if {"", "-r"} <= found.keys() else None
