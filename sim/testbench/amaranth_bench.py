"""A core in Amaranth's own simulator: for small cases, with nothing to compile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from amaranth.sim import Simulator

from .packets import RUBBISH, Beat, Collector, Marked, Packet, Verdict, all_beats, beats


@dataclass(frozen=True, slots=True)
class Run:
    """What came out, and the cycle each packet's first beat was accepted in."""

    marked: list[Marked]
    accepted: list[int]
    cycles: int


def _always(cycle: int) -> bool:
    return True


def play(
    core: Any,
    packets: Sequence[Packet],
    offer: Callable[[int], bool] = _always,
    take: Callable[[int], bool] = _always,
    cycles_max: int = 20_000,
) -> Run:
    """Sends the packets through a ``sevenm.hdl.core.PacketCore`` and waits until all have left. Cycle 0 is the first
    one in which the core takes a beat.

    ``offer(cycle)`` says whether a new beat is offered (one that is, stays, as AXI asks), ``take(cycle)`` whether
    the output is ready. Raises AssertionError if not all packets have left after ``cycles_max`` cycles.
    """
    beat_bytes = core.s_axis.signature.beat_bytes
    collector = Collector(beat_bytes)
    accepted: list[int] = []
    source = all_beats(packets, beat_bytes)
    cycles = 0

    async def testbench(ctx: Any) -> None:
        nonlocal cycles
        s_axis, m_axis = core.s_axis, core.m_axis
        current = next(source, None)
        offering = False
        while not ctx.get(s_axis.tready):
            await ctx.tick()
        while len(collector.marked) < len(packets):
            assert cycles < cycles_max, f"{len(collector.marked)} of {len(packets)} packets after {cycles} cycles"
            offering = current is not None and (offering or offer(cycles))
            ctx.set(s_axis.tvalid, offering)
            if offering and current is not None:
                beat = current[2]
                for name in ("data", "keep", "last"):
                    ctx.set(getattr(s_axis, f"t{name}"), getattr(beat, name))
                for name in ("size", "src", "dst", "ts"):
                    ctx.set(getattr(s_axis, f"tuser_{name}"), getattr(beat, name))
            ctx.set(m_axis.tready, take(cycles))
            if ctx.get(m_axis.tvalid) and ctx.get(m_axis.tready):
                collector.take(cycles, _beat(ctx, m_axis), _verdict(ctx, core.m_verdict))
            if offering and current is not None and ctx.get(s_axis.tready):
                if current[1]:
                    accepted.append(cycles)
                current = next(source, None)
                offering = False
            await ctx.tick()
            cycles += 1

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return Run(collector.marked, accepted, cycles)


def _beat(ctx: Any, stream: Any) -> Beat:
    parts = {n: ctx.get(getattr(stream, f"t{n}")) for n in ("data", "keep", "last")}
    parts |= {n: ctx.get(getattr(stream, f"tuser_{n}")) for n in ("size", "src", "dst", "ts")}
    return Beat(**parts)


def _verdict(ctx: Any, marks: Any) -> Verdict:
    return Verdict(**{f.name: ctx.get(getattr(marks, f.name)) for f in fields(Verdict)})


def decide(pipeline: Any, packets: Sequence[Packet]) -> list[Verdict]:
    """Sends the packets' windows through a ``sevenm.hdl.decision.DecisionPipeline``, each as soon as its beats are
    there: a window of one beat every cycle."""
    out: list[Verdict] = []

    async def testbench(ctx: Any) -> None:
        row, cycle = 0, 0
        due: list[int] = []

        async def tick() -> None:
            nonlocal cycle
            if due and due[0] == cycle:
                due.pop(0)
                out.append(_verdict(ctx, pipeline.verdict))
            await ctx.tick()
            cycle += 1

        for packet in packets:
            parts = list(beats(packet, pipeline.beat_bytes))
            seen = parts[: pipeline.beats]
            origin = row
            # A packet's first beat goes in beside the window of the packet before.
            for part in seen if pipeline.rows else ():
                ctx.set(pipeline.beat, part.data)
                ctx.set(pipeline.stored, 1)
                ctx.set(pipeline.row, row % pipeline.rows)
                row += 1
                await tick()
            window = packet.data[: pipeline.window_bytes].ljust(pipeline.window_bytes, RUBBISH)
            ctx.set(pipeline.window, int.from_bytes(window, "little"))
            ctx.set(pipeline.keep, seen[-1].keep)
            ctx.set(pipeline.place, len(seen) - 1 if len(parts) <= pipeline.beats else pipeline.beats)
            for name in ("size", "src", "dst", "ts"):
                ctx.set(getattr(pipeline, name), getattr(packet, name))
            if pipeline.rows:
                ctx.set(pipeline.origin, origin % pipeline.rows)
            due.append(cycle + pipeline.latency)
            if not pipeline.rows:
                await tick()
        if pipeline.rows:
            ctx.set(pipeline.stored, 0)
        while due:
            await tick()

    simulator = Simulator(pipeline)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return out
