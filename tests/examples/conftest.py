"""Running a rule file of the examples on input through the reference model."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.reference import Memories, evaluate
from sevenm.host.capture.pcap import open_capture
from sevenm.host.capture.records import open_records

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Fired = dict[str, NDArray[np.bool_]]


def run_example(name: str, path: Path) -> Fired:
    """For each rule of examples/NAME.7m, which events of the file it fires for. No finding is tolerated."""
    compiled = compile_text((EXAMPLES / f"{name}.7m").read_text(), name, EXAMPLES)
    assert not compiled.warnings
    plan, parts = compiled.plan, []
    memories = Memories(plan)
    with open_records(path, plan.layouts[0].size) if plan.source == "record" else open_capture(path) as reader:
        for batch in reader.batches():
            e = batch.events
            said = evaluate(
                plan, batch.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"], memories=memories
            )  # fmt: skip
            parts.append(said.fired)
    rows = np.concatenate(parts, axis=1)
    return {rule.name: row for rule, row in zip(plan.rules, rows, strict=True)}


@pytest.fixture(scope="session")
def run() -> Callable[[str, Path], Fired]:
    return run_example


@pytest.fixture(scope="session")
def examples() -> Path:
    return EXAMPLES


@pytest.fixture(scope="session")
def office() -> Path:
    """The capture that comes with the examples."""
    return EXAMPLES / "capture" / "office.pcap"


@pytest.fixture(scope="session")
def generator() -> Callable[[str], dict[str, Any]]:
    """The names that a script of examples/ defines."""
    return lambda script: runpy.run_path(str(EXAMPLES / script))
