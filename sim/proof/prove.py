"""Whether the written Verilog of a core says of every packet what its Plan says; and if not, of which one it does not.

One idea: what is refuted is shown, what is proved is proved for all inputs, and everything else is undecided, bit by
bit of the verdict. Samples come first, since a wrong core is mostly wrong on one of them; then the proof, cell by
cell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sevenm.compiler.backends.gateware.target import for_gateware
from sevenm.compiler.plan import Plan
from sevenm.hdl.core import core_latency
from sevenm.sim.testbench.expected import verdicts
from sevenm.sim.testbench.packets import Packet, Verdict

from .core import DecisionModule
from .errors import NotProvable, NotThePipeline
from .gates import Gates
from .judge import CONFLICTS_LAST, Judge, OutOfTime
from .packet_bits import PacketBits, Sample
from .plan_bits import PlanBits, length_bits
from .samples import samples_of
from .verdict_bits import VerdictBit, verdict_of
from .verilog import read_verilog
from .written import WrittenCore

if TYPE_CHECKING:
    from .verilog import Module

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A packet on which the core and the reference differ: ``core`` and ``plan`` are the bits of the two verdicts."""

    packet: Sample
    core: int
    plan: int


@dataclass(frozen=True, slots=True)
class Proof:
    """``verdict`` is PROVED, REFUTED or UNDECIDED; ``bits`` the same for each bit by its name; ``reason`` is said where
    it is not about bits. ``lemmas``: bits of cells that were proved equal to the Plan's on the way."""

    verdict: str
    bits: dict[str, str]
    reason: str
    counterexample: Counterexample | None
    lemmas: int
    gates: int
    seconds: float


def prove(plan: Plan, core: WrittenCore, budget_s: float, say: Progress) -> Proof:
    """Takes about ``budget_s`` at most, beside reading the Verilog. Raises NotInGateware, MissingExtra, SynthesisError
    for text that is no Verilog."""
    seen = for_gateware(plan, rows=core.rows, marks=core.marks)
    modules = read_verilog(core.verilog, core.top, say)
    return _Work(plan, seen, core, time.monotonic() + budget_s, say).run(modules)


class _Work:
    def __init__(self, plan: Plan, seen: Plan, core: WrittenCore, deadline: float, say: Progress) -> None:
        self.plan, self.seen, self.core, self.deadline, self.say = plan, seen, core, deadline, say
        self.start = time.monotonic()
        self.samples = samples_of(seen)
        self.lemmas = self.gates = 0

    def run(self, modules: dict[str, Module]) -> Proof:
        core = self.core
        latency = core.latency_cycles - core_latency(core.beats, 0)
        try:
            module = DecisionModule(modules, f"{core.top}_decision", latency, core.beats, core.beat_bytes)
            return self._on_samples(module) or self._all(module)
        except NotThePipeline as error:
            return self._done(REFUTED, {}, str(error))
        except NotProvable as error:
            return self._done(UNDECIDED, {}, str(error))

    def _on_samples(self, module: DecisionModule) -> Proof | None:
        """A refutation, if a sample is one."""
        self.say("comparing on samples")
        judge = Judge(self.deadline, asks=False)
        gates = Gates(len(self.samples), judge)
        plan, verdict, _ = self._sides(gates, judge, module, "")
        for bit, literal in zip(plan, verdict, strict=True):
            differ = gates.signature(bit.literal) ^ gates.signature(literal)
            if differ:
                number = (differ & -differ).bit_length() - 1
                core = _number([gates.signature(x) >> number & 1 for x in verdict])
                return self._refuted(self.samples[number], core, plan)
        return None

    def _all(self, module: DecisionModule) -> Proof:
        judge = Judge(self.deadline)
        gates = Gates(len(self.samples), judge)
        try:
            plan, verdict, packet = self._sides(gates, judge, module, "proving")
        except OutOfTime:
            self.lemmas, self.gates = gates.merged, len(gates)
            return self._done(UNDECIDED, {}, "the time is used up")
        self.lemmas, self.gates = gates.merged, len(gates)
        judge.conflicts, judge.whole_max = CONFLICTS_LAST, len(gates)
        bits = {}
        for bit, literal in zip(plan, verdict, strict=True):
            self.say(f"deciding {bit.name}")
            try:
                answer = literal == bit.literal or judge(gates, literal, bit.literal)
            except OutOfTime:
                answer = None
            if isinstance(answer, Sequence):
                ones = frozenset(answer)
                values = gates.evaluate(dict.fromkeys(ones, 1), 1)
                core = _number([values[x >> 1] ^ (x & 1) for x in verdict])
                return self._refuted(packet.packet(ones), core, plan)
            bits[bit.name] = PROVED if answer is True else UNDECIDED
        return self._done(PROVED if set(bits.values()) <= {PROVED} else UNDECIDED, bits, "")

    def _sides(
        self, gates: Gates, judge: Judge, module: DecisionModule, step: str
    ) -> tuple[list[VerdictBit], Sequence[int], PacketBits]:  # fmt: skip
        """Both verdicts in one graph."""
        packet = PacketBits(gates, self.samples, length_bits(self.seen))
        values = PlanBits(self.seen, packet, judge)
        values.build(self._progress(step, "Plan", len(self.seen.nodes)))
        plan = verdict_of(self.seen, values, gates)
        if judge.asks:
            gates.remember()
        verdict = module.verdict(gates, packet, self._progress(step, "Verilog", len(module.netlist.steps)))
        return plan, verdict, packet

    def _progress(self, step: str, what: str, total: int) -> Callable[[int], None]:
        def say(done: int) -> None:
            if step and done % 32 == 0:
                self.say(f"{step}: {what}, {100 * done // max(1, total)} %")

        return say

    def _refuted(self, packet: Sample, core_said: int, bits: list[VerdictBit]) -> Proof:
        """What the reference says of the packet decides: a difference that it does not have is none."""
        expected = _bits_of(verdicts(self.seen, [_packet(packet)])[0], bits)
        states = {
            bit.name: REFUTED if (expected ^ core_said) >> place & 1 else UNDECIDED for place, bit in enumerate(bits)
        }
        if expected == core_said:
            return self._done(UNDECIDED, {}, "a packet that was found does not tell the core from the reference")
        return self._done(REFUTED, states, "", Counterexample(packet, core_said, expected))

    def _done(
        self, verdict: str, bits: dict[str, str], reason: str, example: Counterexample | None = None
    ) -> Proof:  # fmt: skip
        seconds = time.monotonic() - self.start
        return Proof(verdict, bits, reason, example, self.lemmas, self.gates, seconds)


def _number(bits: Sequence[int]) -> int:
    return sum(bit << i for i, bit in enumerate(bits))


def _packet(sample: Sample) -> Packet:
    return Packet(sample.data, size=sample.size, src=sample.source, ts=sample.time)


def _bits_of(verdict: Verdict, bits: list[VerdictBit]) -> int:
    """The verdict's parts side by side, as in the module's port."""
    blocks = sum(bit.name.startswith("block") for bit in bits)
    channels = sum(bit.name.startswith("channel") for bit in bits)
    out, at = 0, 0
    parts = ((verdict.blocks, blocks), (verdict.channels, channels), (verdict.forward, 16), (verdict.drop, 1),
             (verdict.malformed, 1), (verdict.truncated, 1), (verdict.punt, 1))  # fmt: skip
    for value, width in parts:
        out |= int(value) << at
        at += width
    return out
