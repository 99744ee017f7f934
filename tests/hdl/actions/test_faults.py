"""Faults put into the stage's sources, each of which the comparison with the model finds."""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType

import pytest

from sevenm.hdl.actions import stage
from tests.hdl.actions.test_stage import MIRRORED, check

FAULTS = [
    ("stage", "taken.o_valid & ~now.verdict.drop", "taken.o_valid", "ActionStage", True),
    ("stage", "packet.eq(moves & first)", "packet.eq(moves)", "ActionStage", True),
    ("stage", "Mux(longer[-1], SIZE_MAX, longer)", "longer", "ActionStage", True),
    ("prepend", "self.last & self.keep[half] & ~rest", "self.last & ~rest", "Prepend", True),
    ("prepend", "self.o_ready & ~more", "self.o_ready", "Prepend", True),
    ("counters", "was & (at == address)", "was & (at != address)", "RuleCounters", False),
    ("counters", "Mux(turn == r, 0, counts[r]) + now", "Mux(turn == r, 0, counts[r] + now)", "RuleCounters", False),
    ("slice", "m.If(~stalled)", "m.If(1)", "RegisterSlice", False),
    ("record", "Mux(low, below, above)", "Mux(high, above, below)", "first_rule", True),
    ("destination", "Mux(forward.any(), there, dst)", "there", "Destinations", False),
]


@pytest.mark.parametrize(("module", "right", "wrong", "name", "in_band"), FAULTS, ids=lambda part: str(part)[:30])
def test_a_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, module: str, right: str, wrong: str, name: str, in_band: bool
) -> None:
    source = importlib.import_module(f"sevenm.hdl.actions.{module}")
    text = inspect.getsource(source)
    assert text.count(right) == 1
    faulty = ModuleType(source.__name__)
    faulty.__dict__["__package__"] = source.__package__
    monkeypatch.setitem(sys.modules, source.__name__, faulty)
    exec(compile(text.replace(right, wrong), f"{module}.py", "exec"), faulty.__dict__)
    destinations = faulty.Destinations("ports", MIRRORED.numbers) if name == "Destinations" else MIRRORED
    if name == "ActionStage":
        monkeypatch.setattr("tests.hdl.actions.test_stage.ActionStage", faulty.ActionStage)
    elif name != "Destinations":
        monkeypatch.setattr(stage, name, getattr(faulty, name))
    with pytest.raises(AssertionError):
        check(64, destinations, in_band, seed=5, count=60, offer=1.0, take=0.4)


def test_without_a_fault_nothing_is_found() -> None:
    for in_band in (False, True):
        check(64, MIRRORED, in_band, seed=5, count=60, offer=1.0, take=0.4)
