"""A core is proved, and cores that were made wrong are refuted, each by a packet or by the place that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.plan import Plan
from sevenm.sim.proof.prove import PROVED, REFUTED, UNDECIDED, Proof, prove
from sevenm.sim.proof.written import WrittenCore, core_of_plan
from sevenm.sim.testbench.expected import expected_verdicts
from sevenm.sim.testbench.packets import Packet
from tests.sim.proof.faults import KINDS, Kind, faults

BUDGET_S = 300
RULES = """schema Order v1 size 64 @endian(big) {
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


def test_another_latency_than_the_manifest_says_is_refuted(plan: Plan, core: WrittenCore) -> None:
    proof = proof_of(plan, replace(core, latency_cycles=core.latency_cycles + 1))
    assert proof.verdict == REFUTED
    assert "registers, and is taken after" in proof.reason


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_fault_of_each_kind_is_refuted(plan: Plan, core: WrittenCore, kind: Kind) -> None:
    """The first one that changes what the core does; some edits do not, and are proved."""
    for _, verilog in faults(core.verilog, f"{core.top}_decision", seed=1, each=5, kinds=(kind,)):
        proof = proof_of(plan, replace(core, verilog=verilog), 1)
        if proof.verdict == REFUTED:
            break
    assert proof.verdict == REFUTED
    example = proof.counterexample
    if example is None:
        assert proof.reason
        return
    packet = Packet(example.packet.data, example.packet.size, example.packet.source, 0, example.packet.time)
    said = expected_verdicts(plan, [packet])[0]
    assert example.core != example.plan
    assert example.plan & 1 == said.blocks & 1


def test_another_plan_is_refuted(core: WrittenCore) -> None:
    other = compile_text(RULES.replace("qty >= 2000", "qty >= 2001"), "surveil").plan
    proof = proof_of(other, core)
    assert proof.verdict == REFUTED
    assert proof.counterexample is not None
    assert int.from_bytes(proof.counterexample.packet.data[9:11], "big") == 2000
