"""The cocotb tests of a core. They run inside a simulator; ``tests/sim/test_cocotb.py`` builds the core and starts it.

The environment says what to run: SEVENM_PLAN the Plan's file, SEVENM_LATENCY the latency the compiler stated,
SEVENM_PACKETS how many packets to send in each test, SEVENM_SEED for the random ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import cocotb

from sevenm.compiler.plan import Plan
from sevenm.sim.packets import frames

from .cocotb_axis import PacketSink, PacketSource, Pattern, run
from .expected import expected_verdicts
from .packets import Packet

LENGTHS = (0, 1, 13, 14, 33, 34, 59, 60, 63, 64, 65, 127, 128, 129, 192, 193, 255, 256, 257, 1500, 1514, 9000)


def _plan() -> Plan:
    return Plan.load(Path(os.environ["SEVENM_PLAN"]))


def _number(name: str) -> int:
    return int(os.environ[name])


def random_packets(random: Random, count: int) -> list[Packet]:
    """Generated frames, some cut or padded to lengths at the ends of beats, with random sidebands."""
    out = []
    for frame in frames(random.getrandbits(31), count):
        data = frame
        if random.random() < 0.4:
            length = random.choice(LENGTHS) if random.random() < 0.9 else random.randrange(9001)
            data = frame[:length] + random.randbytes(max(0, length - len(frame)))
        size = random.choice([len(data), len(frame), 0xFFFF])
        out.append(Packet(data, size, random.getrandbits(16), random.getrandbits(16), random.getrandbits(64)))
    return out


def _check(plan: Plan, packets: list[Packet], sink: PacketSink) -> None:
    assert [m.packet for m in sink.marked] == packets, "a packet was changed, lost or moved"
    for number, (marked, verdict) in enumerate(zip(sink.marked, expected_verdicts(plan, packets), strict=True)):
        assert marked.verdict == verdict, f"packet {number}: {marked.verdict}, the reference says {verdict}"


@cocotb.test()
async def one_beat_is_accepted_every_cycle_of_minimum_frames(dut: Any) -> None:
    plan, count = _plan(), _number("SEVENM_PACKETS")
    random = Random(_number("SEVENM_SEED"))
    packets = [
        Packet(frame[:60].ljust(60, b"\0"), ts=i) for i, frame in enumerate(frames(random.getrandbits(31), count))
    ]
    source, sink = PacketSource(dut, packets), PacketSink(dut)
    each = -(-60 // source.port.beat_bytes)
    cycles = await run(dut, source, sink, count, cycles_max=2 * each * count + 1000)
    latency = _number("SEVENM_LATENCY")
    assert source.accepted == list(range(0, each * count, each)), "a beat had to wait"
    assert [m.first_cycle for m in sink.marked] == list(range(latency, latency + each * count, each))
    assert cycles == each * count + latency
    _check(plan, packets, sink)


@cocotb.test()
async def the_first_beat_leaves_after_the_stated_latency_whatever_the_length(dut: Any) -> None:
    plan, count = _plan(), _number("SEVENM_PACKETS") // 4
    packets = random_packets(Random(_number("SEVENM_SEED") + 1), count)
    packets[:4] = [Packet(bytes(n)) for n in (60, 9000, 0, 9000)]
    source, sink = PacketSource(dut, packets), PacketSink(dut)
    beats = sum(max(1, -(-len(p.data) // source.port.beat_bytes)) for p in packets)
    cycles = await run(dut, source, sink, count, cycles_max=2 * beats + 1000)
    delays = {m.first_cycle - start for m, start in zip(sink.marked, source.accepted, strict=True)}
    assert delays == {_number("SEVENM_LATENCY")}
    assert source.refused == 0
    assert cycles == beats + _number("SEVENM_LATENCY")
    _check(plan, packets, sink)


def percent(random: Random, percent: int) -> Pattern:
    """True in so many of a hundred cycles, in runs: ten cycles keep a mood of all, none or random."""
    moods: dict[int, int] = {}

    def choose(cycle: int) -> bool:
        mood = moods.setdefault(cycle // 10, random.choice((percent, percent, 0, 100)))
        return random.randrange(100) < mood

    return choose


@cocotb.test()
@cocotb.parametrize(offered=[100, 50], taken=[100, 60, 15])
async def back_pressure_and_gaps_change_nothing(dut: Any, offered: int, taken: int) -> None:
    plan, count = _plan(), _number("SEVENM_PACKETS") // 8
    random = Random(_number("SEVENM_SEED") + offered + taken)
    packets = random_packets(random, count)
    source = PacketSource(dut, packets, percent(random, offered))
    sink = PacketSink(dut, percent(random, taken))
    beats = sum(max(1, -(-len(p.data) // source.port.beat_bytes)) for p in packets)
    await run(dut, source, sink, count, cycles_max=20 * beats + 1000)
    _check(plan, packets, sink)
