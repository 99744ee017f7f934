"""How much of a core was exercised: its lines that ran and its bits that changed, by module.

One idea: a core is generated, so what nobody exercised is told by the names in it, which are those of rules, fields and
parts of the shell; a bit counts twice, for its rise and for its fall.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .verilate import BENCH

_ENTRY = re.compile(r"C '(?P<keys>.*)' (?P<count>\d+)")
_KEY = re.compile("\x01([^\x02]+)\x02([^\x01]*)")
_ESCAPED = re.compile("__0([0-9A-Fa-f]{2})")
"""How Verilator writes what is no letter, digit or underscore in a name."""


@dataclass(frozen=True, slots=True)
class Point:
    """``kind``: line or toggle. ``where``: the line's number in the core's Verilog; or signal, bit and direction."""

    kind: str
    module: str
    where: str
    hit: bool


@dataclass(frozen=True, slots=True)
class Share:
    """Of the points of one kind in one module."""

    hit: int
    total: int


def read_points(path: Path) -> list[Point]:
    """The core's points out of what ``Model.coverage`` wrote, without those of the bench around it. Raises OSError,
    ValueError for another file."""
    lines = path.read_text(errors="replace").splitlines()
    if not lines or not lines[0].startswith("# SystemC::Coverage"):
        raise ValueError(f"{path} is not a coverage file of Verilator")
    return [point for point in _points(lines[1:]) if point.module != BENCH]


def _points(lines: Iterable[str]) -> Iterator[Point]:
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            continue
        keys = dict(_KEY.findall(entry["keys"]))
        kind = "toggle" if keys["t"] == "toggle" else "line"
        where = keys["o"] if kind == "toggle" else keys["l"]
        yield Point(kind, keys["page"].partition("/")[2], where, entry["count"] != "0")


def shares(points: Iterable[Point]) -> dict[tuple[str, str], Share]:
    """By module and kind, in order of the modules' names."""
    out: dict[tuple[str, str], Share] = {}
    for point in points:
        before = out.get((point.module, point.kind), Share(0, 0))
        out[point.module, point.kind] = Share(before.hit + point.hit, before.total + 1)
    return dict(sorted(out.items()))


def still(points: Iterable[Point]) -> dict[str, list[str]]:
    """Of each module the signals with a name of their own of which no bit ever changed."""
    moved: dict[tuple[str, str], bool] = {}
    for point in points:
        if point.kind == "toggle":
            name = _ESCAPED.sub(lambda code: chr(int(code[1], 16)), re.split(r"\[|:", point.where)[0])
            if not name.isidentifier():
                continue
            key = point.module, name
            moved[key] = moved.get(key, False) or point.hit
    out: dict[str, list[str]] = {}
    for (module, signal), changed in sorted(moved.items()):
        if not changed:
            out.setdefault(module, []).append(signal)
    return out
