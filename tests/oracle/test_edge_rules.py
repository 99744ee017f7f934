"""examples/edge.7m against the same rules written as display filters, frame by frame."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch

ROOT = Path(__file__).resolve().parents[2]
RULES = tomllib.loads((ROOT / "tests" / "examples" / "edge.toml").read_text())["rule"]


@pytest.mark.needs("tshark")
def test_each_frame_goes_to_the_rule_that_wireshark_says(
    office: EventBatch,
    wireshark: Callable[[Path, Sequence[str]], list[set[int]]],
    rules_fired: Callable[[Plan, EventBatch], NDArray[np.bool_]],
) -> None:
    asked = [rule for rule in RULES if "filter" in rule]
    found = wireshark(ROOT / "examples" / "capture" / "office.pcap", [rule["filter"] for rule in asked])
    taken: set[int] = set()
    expected = {rule["name"]: list[int]() for rule in RULES}
    for rule, frames in zip(asked, found, strict=True):
        expected[rule["name"]] = sorted(frames - taken)
        taken |= frames
    plan = compile_text((ROOT / "examples" / "edge.7m").read_text(), "edge").plan
    rows = zip(plan.rules, rules_fired(plan, office), strict=True)
    assert {rule.name: (np.flatnonzero(row) + 1).tolist() for rule, row in rows} == expected
    assert {name: len(frames) for name, frames in expected.items()} == {r["name"]: r["count"] for r in RULES}
