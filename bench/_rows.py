"""The one form that every benchmark's results are brought to, so that a page can show them all alike."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Spread:
    """Of the runs of one side, in the row's unit."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Raises ValueError for none."""
        given = list(values)
        if not given:
            raise ValueError("no runs")
        return cls(min(given), statistics.median(given), max(given))


@dataclass(frozen=True)
class Run:
    """One results file. ``machine``: as ``_machine.machine_facts``; ``absent``: peers that were not there, and why."""

    file: str
    machine: dict[str, str]
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """ISO 8601, UTC: sorts by time."""
        return self.machine["date"]


@dataclass(frozen=True)
class Row:
    """One measured figure of ours, beside one peer or none.

    ``side``: what of ours it is, where that is not always the same. ``ratio``: how many times as good as the peer ours
    is, run by run where the runs were interleaved; above 1 is ahead whatever is better. ``aim``: the least ratio with a
    peer, a figure in the unit without one. ``floor``: what the machine takes for the least that has to be done."""

    question: str
    variant: str
    unit: str
    better: Better
    ours: Spread
    run: Run
    side: str = ""
    peer: str | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None
    aim: float | None = None
    floor: Spread | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """The same in every run that measures the same."""
        return self.question, self.variant, self.peer

    @property
    def behind(self) -> bool:
        return self.ratio is not None and self.ratio.median < 1

    @property
    def short(self) -> bool:
        """There is an aim, and it is not reached."""
        if self.aim is None:
            return False
        if self.ratio is not None:
            return self.ratio.median < self.aim
        return self.ours.median < self.aim if self.better == "higher" else self.ours.median > self.aim


def times_as_good(ours: Sequence[float], theirs: Sequence[float], better: Better) -> Spread:
    """Of pairs of interleaved runs. Raises ValueError if there are none, or not as many."""
    pairs = zip(ours, theirs, strict=True)
    return Spread.of(a / b if better == "higher" else b / a for a, b in pairs)


def newest(rows: Iterable[Row]) -> list[Row]:
    """Of every key the row of the newest run, in the order of the keys' first appearance."""
    out: dict[tuple[str, str, str | None], Row] = {}
    for row in rows:
        if row.key not in out or out[row.key].run.date < row.run.date:
            out[row.key] = row
    return list(out.values())
