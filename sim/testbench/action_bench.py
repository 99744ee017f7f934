"""The stage behind a core in Amaranth's own simulator, alone or with its core before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from amaranth.sim import Simulator

from sevenm.hdl.actions.counters import READ_CYCLES

from .packets import Beat, Collector, Marked, Packet, Verdict, all_beats

_PLAIN, _SIDEBANDS = ("data", "keep", "last"), ("size", "src", "dst", "ts")
_MARKS = tuple(field.name for field in fields(Verdict))
_QUIET_CYCLES = 100
"""Cycles without a transfer after which counts are looked at: more than a core's latency and the rules of a block."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What came out, what the counters say, the cycle each packet's first beat was taken in, and how many cycles beats
    were waited for."""

    given: list[Marked]
    counts: list[int]
    accepted: list[int]
    refused: int


def act(
    stage: Any,
    packets: Sequence[Packet],
    expected: int,
    rules: int,
    verdicts: Sequence[Verdict] | None = None,
    offer: Callable[[int], bool] = lambda cycle: True,
    take: Callable[[int], bool] = lambda cycle: True,
    cycles_max: int = 20_000,
) -> Acted:
    """Sends packets into a stage, with ``verdicts`` where it stands alone, until ``expected`` have left and all were
    taken; then waits until nothing more can come and reads the counts of ``rules``. Raises AssertionError where a rule
    of the stream is broken, or after ``cycles_max`` cycles."""
    beat_bytes = stage.m_axis.signature.beat_bytes
    collector = Collector(beat_bytes)
    source = all_beats(packets, beat_bytes)
    accepted: list[int] = []
    counts: list[int] = []
    refused = 0

    async def testbench(ctx: Any) -> None:
        nonlocal refused
        s_axis, m_axis = stage.s_axis, stage.m_axis
        current = next(source, None)
        offering, waiting, cycle, quiet = False, None, 0, 0
        while not ctx.get(s_axis.tready):
            await ctx.tick()
        while quiet < _QUIET_CYCLES or current is not None or len(collector.marked) < expected:
            assert cycle < cycles_max, f"{len(collector.marked)} of {expected} packets after {cycle} cycles"
            offering = current is not None and (offering or offer(cycle))
            ctx.set(s_axis.tvalid, offering)
            if offering and current is not None:
                for name in _PLAIN:
                    ctx.set(getattr(s_axis, f"t{name}"), getattr(current[2], name))
                # A core gives sidebands and verdict with every beat, a shell with the first one.
                steady = current[2] if verdicts is None else packets[current[0]]
                for name in _SIDEBANDS:
                    ctx.set(getattr(s_axis, f"tuser_{name}"), getattr(steady, name))
                if verdicts is not None:
                    for name in _MARKS:
                        ctx.set(getattr(stage.s_verdict, name), getattr(verdicts[current[0]], name))
            ctx.set(m_axis.tready, take(cycle))
            quiet += 1
            if ctx.get(m_axis.tvalid):
                beat = Beat(**{n: ctx.get(getattr(m_axis, f"t{n}")) for n in _PLAIN},
                            **{n: ctx.get(getattr(m_axis, f"tuser_{n}")) for n in _SIDEBANDS})  # fmt: skip
                assert waiting in (None, beat), f"cycle {cycle}: an offered beat changed"
                waiting = beat
                if ctx.get(m_axis.tready):
                    collector.take(cycle, beat, Verdict())
                    waiting, quiet = None, 0
            else:
                assert waiting is None, f"cycle {cycle}: an offered beat was withdrawn"
            if offering and current is not None:
                quiet = 0
                if ctx.get(s_axis.tready):
                    if current[1]:
                        accepted.append(cycle)
                    current = next(source, None)
                    offering = False
                else:
                    refused += 1
            await ctx.tick()
            cycle += 1
        ctx.set(s_axis.tvalid, 0)
        for rule in range(rules):
            ctx.set(stage.counter_rule, rule)
            await ctx.tick().repeat(READ_CYCLES)
            counts.append(ctx.get(stage.counter_packets))

    simulator = Simulator(stage)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return Acted(collector.marked, counts, accepted, refused)
