"""What a comparison of engines found, and how it is shown: on the terminal, and as a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sevenm.compiler.plan import Plan
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import Device
from sevenm.host.session import Session

from . import output, tables

PICTURE = "report.svg"
MATCHED = "matched.pcap"


@dataclass
class Lane:
    """One engine's part. ``about`` says what it is. ``differs`` counts events per row of bits (each rule, malformed,
    truncated) that are not as in the first lane; ``first`` is the number of the first of them, from 1."""

    name: str
    about: str
    device: Device
    session: Session
    differs: NDArray[np.int64]
    first: list[int | None]
    measured_events: int = 0
    measured_seconds: float = 0.0


@dataclass
class Comparison:
    """Lanes the definition first, and why the others are absent."""

    plan: Plan
    bundle: Bundle
    lanes: list[Lane] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        return not any(lane.differs.any() for lane in self.lanes)


def report(result: Comparison, title: str, folder: Path | None) -> None:
    """Prints the comparison; with a folder also says what lies there and leaves the picture."""
    events = result.lanes[0].session.report().events
    parts: list[RenderableType] = [
        Text(f"{title}: {output.plural(events, 'event')}"),
        Text(),
        _matches(result),
        Text(),
        _engines(result),
    ]
    parts += [Text(), _verdict(result)]
    parts += [Text(f"left out: {name}: {why}", "yellow") for name, why in result.absent.items()]
    if folder is not None:
        parts += [Text(), _places(result, folder)]
        tables.picture(Group(*parts), folder / PICTURE, "sevenm compare")
    tables.show(Group(*parts))


def _matches(result: Comparison) -> Table:
    plan = result.plan
    reports = [lane.session.report() for lane in result.lanes]
    counts = [[*(rule.events for rule in run.rules), run.malformed, run.truncated] for run in reports]
    names = [f"{plan.blocks[rule.block].name}.{rule.name}" for rule in plan.rules]
    out = tables.table("rule", *(lane.name for lane in result.lanes), "equal")
    for row, name in enumerate([*names, "(malformed)", "(truncated)"]):
        firsts = [number for lane in result.lanes if (number := lane.first[row]) is not None]
        verdict = Text(f"NO, from event {min(firsts)}", "bold red") if firsts else Text("yes", "green")
        out.add_row(name, *(f"{column[row]:,}" for column in counts), verdict)
    return out


def _engines(result: Comparison) -> Table:
    out = tables.table("engine", "rate", "what it is", left=1)
    out.columns[2].justify = "left"
    for lane in result.lanes:
        rate = "-"
        if lane.measured_events:
            rate = output.quantity(lane.measured_events / lane.measured_seconds, "events/s")
        about, counted = lane.about, lane.device.counters()
        if "latency_cycles" in counted and result.bundle.core is not None:
            stated, seen = result.bundle.core.latency_cycles, counted["latency_cycles"]
            about += (
                f"; latency {output.plural(stated, 'cycle')}, measured {seen}; {lane.session.report().punted:,} punted"
            )
        out.add_row(lane.name, rate, about)
    return out


def _verdict(result: Comparison) -> Text:
    names = ", ".join(lane.name for lane in result.lanes)
    if result.equal:
        return Text(f"EQUAL: {names} say the same of every event", "bold green")
    wrong = [f"{lane.name} on {lane.differs.sum():,} answers" for lane in result.lanes if lane.differs.any()]
    return Text(f"NOT EQUAL to {result.lanes[0].name}: {', '.join(wrong)}", "bold red")


def _places(result: Comparison, folder: Path) -> Table:
    out = tables.table("what", "where", left=2)
    out.show_header = False
    out.add_row("events that channels get", str(folder / MATCHED))
    for name, what in (("core.v", "Verilog"), ("core.py", "Amaranth source"), ("engine.c", "C")):
        if name in result.bundle.files:
            out.add_row(what, str(result.bundle.folder / name))
    out.add_row("this table as a picture", str(folder / PICTURE))
    return out
