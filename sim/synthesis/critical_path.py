"""The longest path of a placed core, in the names of its rules and fields.

One idea: what the description calls a value is how its register and its wires begin (``tcp_dstport_s4``,
``rule_https_table35``), and what Yosys makes of them keeps that beginning. So the longest known name that a wire begins
with says whose it is, and a number after ``_s`` which stage of the pipeline it leads into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .programs import SynthesisError

PARTS = {
    "intake": "the intake",
    "assembler": "the window",
    "decision": "the decision pipeline",
    "release": "the delay of beats",
    "outlet": "the outlet",
    "data": "the store of data",
    "keep": "the store of data",
    "last": "the store of data",
    "sidebands": "the store of sidebands",
    "verdict": "the store of verdicts",
}
"""Submodules of a core, in words; those that are there several times have a number at the end."""
SHELL = "the core"
"""What is in no submodule."""
SIGNALS = {
    "room": "room in the store",
    "ready": "readiness to take a beat",
    "coming": "arrival of a beat",
    "place": "number of the beat",
    "row": "beats that may leave",
    "stored": "beats in the store",
    "ended": "end of a packet",
    "fo_stalled": "stop by the next stage",
    "fo_offered": "offer to the next stage",
    "window": "bytes of the packet",
    "visible": "length of the packet",
    "s_axis_tready": "readiness to take a beat",
    "s_axis_tvalid": "arrival of a beat",
    "m_axis_tready": "readiness of the next stage",
    "m_axis_tvalid": "departure of a beat",
}
"""What the shell of a core calls some values, in words. Yosys names what it derives after one of the inputs."""
_LOGIC = ("clk-to-q", "logic", "setup", "hold")
_STAGE = re.compile(r"_s(\d+)(?![0-9A-Za-z])(?=_|\[|$|\.)")
_NUMBER = re.compile(r"_\d+_|\$\d+|")
UNNAMED = "a wire"
"""What Amaranth and Yosys only number."""
_MADE = re.compile(r"_(?:TRELLIS_\w+|LUT4|PFUMX|L6MUX21|CCU2C|DP16KD|MULT18X18D)_.*")


@dataclass(frozen=True, slots=True)
class Step:
    """One arc: through a cell (``net`` is empty) or over a net from ``source`` to ``sink``, which are cells."""

    kind: str
    delay_ns: float
    net: str
    source: str
    sink: str


@dataclass(frozen=True, slots=True)
class Path:
    """The arcs between two registers, in order."""

    steps: tuple[Step, ...]

    @property
    def logic_ns(self) -> float:
        """Through cells, with the registers' own times."""
        return sum(step.delay_ns for step in self.steps if not step.net)

    @property
    def routing_ns(self) -> float:
        return sum(step.delay_ns for step in self.steps if step.net)

    @property
    def levels(self) -> int:
        """Cells of logic between the two registers."""
        return sum(step.kind == "logic" for step in self.steps)

    def longest_net(self) -> Step | None:
        """The net that takes longest, the first of several."""
        return max((step for step in self.steps if step.net), key=lambda step: step.delay_ns, default=None)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a wire belongs: ``part`` of the core; ``name``: the rule, field or other value, as its author writes it, or
    the signal; ``stage`` of the decision pipeline that it leads into, None where the name does not say."""

    part: str
    name: str
    stage: int | None

    def __str__(self) -> str:
        stage = "" if self.stage is None else f", stage {self.stage}"
        return f"{self.name} in {self.part}{stage}"


def fastest(report: Mapping[str, Any]) -> float:
    """The clock in MHz that nextpnr's report says the design reaches. Raises SynthesisError where it says none."""
    reached = [float(clock["achieved"]) for clock in report.get("fmax", {}).values()]
    if not reached:
        raise SynthesisError("nextpnr reports no clock: there is no path between two registers of this core")
    return min(reached)


def longest(report: Mapping[str, Any]) -> Path:
    """The longest path between two registers of one clock in nextpnr's report (its ``--report``, JSON)."""
    paths = [
        Path(tuple(_step(arc) for arc in path["path"]))
        for path in report["critical_paths"]
        if path["from"] == path["to"] and path["from"].startswith(("posedge", "negedge"))
    ]
    if not paths:
        raise SynthesisError("nextpnr reports no path between two registers of this core")
    return max(paths, key=lambda path: path.logic_ns + path.routing_ns)


def _step(arc: Mapping[str, Any]) -> Step:
    kind, net = str(arc["type"]), str(arc.get("net", ""))
    if (kind == "routing") != bool(net) or (kind != "routing" and kind not in _LOGIC):
        raise SynthesisError(f"nextpnr's report has an arc of type {kind!r}, which this version does not know")
    return Step(kind, float(arc["delay"]), net, str(arc["from"]["cell"]), str(arc["to"]["cell"]))


def place_of(wire: str, known: Mapping[str, str]) -> Place:
    """Where a net or cell of a flattened core belongs. ``known``: words for the names of the description."""
    head, _, rest = wire.partition(".")
    known_part = PARTS.get(head.rstrip("0123456789"))
    part, signal = (known_part, rest) if known_part and rest else (SHELL, wire)
    signal = _MADE.sub("", signal)
    plain = re.sub(r"\[\d+\]$", "", signal)
    if _NUMBER.fullmatch(plain):
        return Place(part, UNNAMED, None)
    if head != "decision":
        return Place(part, SIGNALS.get(plain, plain), None)
    stage = _STAGE.search(signal)
    number = None if stage is None else int(stage[1])
    ends = [match.start() for match in re.finditer(r"(?=[_\[.])", signal)] + [len(signal)]
    name = next((signal[:end] for end in reversed(ends) if signal[:end] in known), None)
    if name is not None:
        return Place(part, known[name], number)
    plain = plain if stage is None else signal[: stage.start()]
    return Place(part, SIGNALS.get(plain, plain), number)


def names_on(path: Path, known: Mapping[str, str]) -> list[Place]:
    """The places that the path goes through, from register to register, each once where it follows itself; between the
    registers only what has a name."""
    first, last = (place_of(cell, known) for cell in (path.steps[0].source, path.steps[-1].sink))
    between = (place_of(step.net, known) for step in path.steps if step.net)
    places = [first]
    for place in (*(place for place in between if place.name != UNNAMED), last):
        if (places[-1].part, places[-1].name) != (place.part, place.name):
            places.append(place)
    return places


def in_words(path: Path, known: Mapping[str, str]) -> Sequence[str]:
    """The path for people who write rules: where it begins and ends, what lies between, and what takes the time."""
    places = names_on(path, known)
    total = path.logic_ns + path.routing_ns
    levels = f"{path.levels} level{'' if path.levels == 1 else 's'}"
    out = [
        f"{total:.2f} ns: {path.logic_ns:.2f} ns in {levels} of logic, {path.routing_ns:.2f} ns on the way",
        f"from {places[0]}",
        *(f"through {place}" for place in places[1:-1]),
    ]
    if len(places) > 1:
        out.append(f"to {places[-1]}")
    net = path.longest_net()
    if net is not None:
        out.append(f"longest wire: {net.delay_ns:.2f} ns, {place_of(net.net, known)}")
    return out
