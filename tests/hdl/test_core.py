# amaranth: UnusedElaboratable=no
"""The core around a small decision pipeline of known latency, against plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Module, Signal

from sevenm.hdl.core import PacketCore, core_latency
from sevenm.hdl.decision import DecisionPipeline
from sevenm.hdl.verdict import BlockShape
from sevenm.sim.testbench.amaranth_bench import play
from sevenm.sim.testbench.packets import Packet, Verdict


class Echo(DecisionPipeline):
    """Says in its verdict what it saw: byte 0 in ``blocks``, the size in ``forward``, whether there is a second beat in
    ``drop``, a bit of the time in ``punt``."""

    def __init__(self, beats: int, latency: int, beat_bytes: int = 64) -> None:
        super().__init__(
            beats=beats, window_bytes=beat_bytes, blocks=[BlockShape("echo", "all", 8)], n_channels=1, latency=latency,
            beat_bytes=beat_bytes,
        )  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        verdict = Signal(self.verdict.shape())
        m.d.comb += [
            verdict.blocks.eq(self.window[:8] & self.keep[0].replicate(8)),
            verdict.forward.eq(self.size),
            verdict.channels.eq(self.keep[0]),
            verdict.drop.eq(self.place != 0),
            verdict.punt.eq(self.ts[5] ^ self.src[3]),
        ]
        for _ in range(self.latency - 1):
            later = Signal(self.verdict.shape())
            m.d.sync += later.eq(verdict)
            verdict = later
        m.d.sync += self.verdict.eq(verdict)
        return m


def expected(packet: Packet, beat_bytes: int = 64) -> Verdict:
    return Verdict(
        blocks=packet.data[0] if packet.data else 0,
        channels=int(len(packet.data) > 0),
        forward=packet.size,
        drop=int(len(packet.data) > beat_bytes),
        malformed=0,
        truncated=0,
        punt=(packet.ts >> 5 ^ packet.src >> 3) & 1,
    )


def packets_of(seed: int, count: int, lengths: list[int]) -> list[Packet]:
    choose = random.Random(seed)
    return [
        Packet(
            choose.randbytes(choose.choice(lengths)),
            size=choose.randrange(65536),
            src=choose.randrange(65536),
            dst=choose.randrange(65536),
            ts=choose.getrandbits(64),
        )
        for _ in range(count)
    ]


MIXED = [0, 1, 60, 64, 65, 128, 150, 192, 200, 256, 257, 330, 700, 2000]


@pytest.mark.parametrize("beats", [1, 2, 4])
@pytest.mark.parametrize(("latency", "beat_bytes"), [(1, 64), (5, 64), (2, 8), (3, 16), (1, 32)])
def test_every_packet_leaves_after_the_stated_latency(beats: int, latency: int, beat_bytes: int) -> None:
    packets = packets_of(beats, 40, MIXED)
    core = PacketCore(Echo(beats, latency, beat_bytes))
    run = play(core, packets)
    assert core.latency == core_latency(beats, latency) == beats + latency + (3 if beats == 1 else 4)
    assert [m.packet for m in run.marked] == packets
    assert [m.verdict for m in run.marked] == [expected(p, beat_bytes) for p in packets]
    delays = {m.first_cycle - start for m, start in zip(run.marked, run.accepted, strict=True)}
    assert delays == {core.latency}


@pytest.mark.parametrize("beats", [1, 4])
def test_one_beat_packets_pass_one_a_cycle(beats: int) -> None:
    packets = packets_of(3, 200, [60])
    core = PacketCore(Echo(beats, 3))
    run = play(core, packets)
    assert run.accepted == list(range(200))
    assert [m.first_cycle for m in run.marked] == list(range(core.latency, core.latency + 200))


def slow(percent: int, seed: int) -> Callable[[int], bool]:
    choose = random.Random(seed)
    return lambda cycle: choose.randrange(100) < percent


@pytest.mark.parametrize(("offered", "taken"), [(100, 20), (100, 90), (30, 100), (60, 60), (95, 50)])
@pytest.mark.parametrize(("beats", "beat_bytes"), [(1, 64), (4, 64), (3, 16)])
def test_back_pressure_and_gaps_lose_nothing(offered: int, taken: int, beats: int, beat_bytes: int) -> None:
    packets = packets_of(offered + taken, 60, MIXED)
    run = play(PacketCore(Echo(beats, 4, beat_bytes)), packets, slow(offered, 1), slow(taken, 2))
    assert [m.packet for m in run.marked] == packets
    assert [m.verdict for m in run.marked] == [expected(p, beat_bytes) for p in packets]


def test_a_stopped_output_stops_the_input_before_anything_is_lost() -> None:
    packets = packets_of(9, 120, [1, 1, 1, 300])
    core = PacketCore(Echo(4, 4))
    run = play(core, packets, take=lambda cycle: cycle % 150 > 140)
    assert [m.packet for m in run.marked] == packets
    assert [m.verdict for m in run.marked] == [expected(p) for p in packets]
    assert run.cycles > 1000


def test_long_packets_pass_a_fifo_that_is_shorter_than_they_are() -> None:
    packets = packets_of(5, 3, [9000])
    core = PacketCore(Echo(4, 4))
    run = play(core, packets)
    assert core.fifo_depth < 9000 // 64
    assert [m.packet for m in run.marked] == packets
    assert [m.last_cycle - m.first_cycle for m in run.marked] == [140] * 3


def test_a_fifo_too_short_for_the_full_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^fifo_depth must be at least 10 for a latency of 8, not 8$"):
        PacketCore(Echo(1, 4), fifo_depth=8)


def test_a_pipeline_without_a_register_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^latency must be at least 1 cycle, not 0$"):
        Echo(1, 0)
