"""Reference, host and RTL give the same verdict, rule and channels for every packet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.target import WINDOW
from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate
from sevenm.compiler.solver import EventSolver
from sevenm.host.batch import EventBatch
from sevenm.sim.rule_sets import RuleSets

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GROUPS, SETS = 80 if os.environ.get("SEVENM_SOAK") else 4, 26
"""104 rule sets (twenty times that in the long run), compiled in files of 26 blocks: a block is a rule set of
its own (they are independent), and one model of the hardware serves 26 of them."""
RTL_GROUPS = GROUPS if os.environ.get("SEVENM_SOAK") else 2
"""Groups that are also built as hardware: 52 rule sets, half of them with tables; all of them in the long run."""
BOUNDARY_RULES = 2
"""Rules of each group for which the solver looks for events on the edge."""

Agree = Callable[..., np.ndarray]


def rule_sets(group: int) -> list[str]:
    """The texts of a group's rule sets, drawn by hypothesis from the group's seed. Those of odd groups have named sets
    and tables, and look past the window of the core, which punts."""
    texts: list[str] = []
    more = {"tables": True, "far": True} if group % 2 else {}

    @seed(group)
    @settings(
        max_examples=SETS,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(st.integers(0, 2**64 - 1))
    def draw(value: int) -> None:
        if len(texts) < SETS:
            texts.append(RuleSets(Random(value), **more).block(f"b{len(texts)}").text)

    draw()
    return texts


def boundaries(plan: Plan) -> EventBatch:
    """Events on which comparisons of some rules are just false, just true and equal."""
    solver = EventSolver(plan)
    every = max(1, len(plan.rules) // BOUNDARY_RULES)
    found = [event for rule in plan.rules[::every][:BOUNDARY_RULES] for event in solver.boundaries(rule.when)]
    return EventBatch.from_bytes([e.data for e in found], wire_len=[e.wire_len for e in found])


def rows(plan: Plan, events: EventBatch) -> np.ndarray:
    table = events.events
    return evaluate(plan, events.buffer, table["offset"], table["cap_len"], table["wire_len"]).fired


@pytest.mark.needs("compiler", "g++", "make")
@pytest.mark.parametrize("group", range(GROUPS))
def test_all_engines_agree_on_generated_rule_sets(group: int, traffic: EventBatch, agree: Agree) -> None:
    texts = rule_sets(group)
    assert len(texts) == SETS
    plan = compile_text("\n".join(texts), f"group{group}").plan
    edge = boundaries(plan)
    assert len(edge) > 0
    from_traffic = agree(plan, traffic, group < RTL_GROUPS)
    assert from_traffic.any()
    if group % 2:
        assert plan.tables
        assert punt(inline_tables(plan), WINDOW).punt != plan.punt, "the core leaves some events to the host"
    agree(plan, edge, group < RTL_GROUPS)


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_rule_set_means_the_same_alone_and_among_others(group: int, traffic: EventBatch) -> None:
    texts = rule_sets(group)
    some = traffic.slice(0, 1500)
    together = compile_text("\n".join(texts), "together").plan
    fired = rows(together, some)
    for block, text in zip(together.blocks, texts, strict=True):
        alone = rows(compile_text(text, "alone").plan, some)
        assert (alone == fired[block.start : block.stop]).all(), text


@pytest.mark.needs("compiler", "g++", "make")
@pytest.mark.parametrize("name", ["edge", "alarms"])
def test_all_engines_agree_on_the_example_rules(name: str, traffic: EventBatch, agree: Agree) -> None:
    plan = compile_text((EXAMPLES / f"{name}.7m").read_text(), name).plan
    agree(plan, traffic)
    agree(plan, boundaries(plan))


@pytest.mark.needs("compiler", "g++", "make")
def test_all_engines_agree_on_bare_records(tmp_path: Path, agree: Agree) -> None:
    plan = compile_text((EXAMPLES / "orders.7m").read_text(), "orders").plan
    made = tmp_path / "orders.bin"
    maker = [sys.executable, str(EXAMPLES / "make_orders.py"), "--count", "5000", "--seed", "3", "-o", str(made)]
    subprocess.run(maker, check=True)
    data, draw = made.read_bytes(), Random(5)
    orders = [data[at : at + 64] for at in range(0, len(data), 64)]
    damaged = [order[: draw.randint(0, 63)] for order in orders[:200]] + [draw.randbytes(64) for _ in range(500)]
    fired = agree(plan, EventBatch.from_bytes([*orders, *damaged]))
    assert fired[:, : len(orders)].any() and not fired[:, len(orders) : len(orders) + 200].any()
    agree(plan, boundaries(plan))


def test_generated_rule_sets_are_different_and_repeatable() -> None:
    texts = [text for group in range(GROUPS) for text in rule_sets(group)]
    assert len(set(texts)) >= GROUPS * (SETS - 1)
    assert texts[:SETS] == rule_sets(0)
