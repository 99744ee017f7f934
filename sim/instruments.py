"""What a simulated core shows of its inside: waves around one event, and how much of it was exercised.

One idea: an instrument is a way of building the model, kept in the cache beside the plain one, so that a model without
instruments pays nothing for them.
"""

from __future__ import annotations

from pathlib import Path

from .model import Model
from .verilate import HARNESS, Effort

WAVES = Effort(
    ("-O3", "--trace-fst"), ("-O1",), ("-UVM_TRACE", "-DVM_TRACE=1", "-UVM_TRACE_FST", "-DVM_TRACE_FST=1",
    f"-I{HARNESS / 'stored'}"), ("verilated_fst_c.cpp",),
)  # fmt: skip
"""Models that can write FST files."""
COVERAGE = Effort(
    ("-O3", "--coverage-line", "--coverage-toggle"), ("-O1",), ("-UVM_COVERAGE", "-DVM_COVERAGE=1"),
    ("verilated_cov.cpp",),
)  # fmt: skip
"""Models that count how often each line runs and each bit changes."""


class Wave:
    """An FST file of what all signals of a core do around the event ``number``, from 1, of all that come to it."""

    def __init__(self, path: Path, number: int) -> None:
        if number < 1:
            raise ValueError(f"events are numbered from 1, and not {number}")
        self.path = path
        self.number = number
        self.seen = 0
        """Events that came so far."""

    @property
    def written(self) -> bool:
        return self.seen >= self.number

    def expect(self, model: Model, events: int) -> None:
        """Before the model, one of ``WAVES``, processes so many events."""
        if self.seen < self.number <= self.seen + events:
            model.wave(self.path, self.number - 1 - self.seen)
        self.seen += events
