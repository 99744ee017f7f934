"""The stage behind a core against its model: random packets and verdicts, gaps, back-pressure, at every width."""

from __future__ import annotations

from random import Random

import pytest

from sevenm.hdl.actions.destination import Destinations
from sevenm.hdl.actions.model import ActionModel, Frame
from sevenm.hdl.actions.stage import STAGE_CYCLES, ActionStage
from sevenm.hdl.verdict import BlockShape
from sevenm.sim.testbench.action_bench import Acted, act
from sevenm.sim.testbench.packets import Packet, Verdict

BLOCKS = (
    BlockShape("edge", "first", 5),
    BlockShape("extra", "all", 3),
    BlockShape("many", "all", 40),
    BlockShape("one", "first", 1),
)
RULES = sum(block.rules for block in BLOCKS)
LENGTHS = (0, 1, 7, 8, 9, 31, 32, 33, 60, 63, 64, 65, 95, 96, 97, 127, 128, 129, 300)
QUEUES = Destinations("queues", tuple(256 + 3 * port for port in range(16)))
MIRRORED = Destinations("ports", tuple(15 - port for port in range(16)))


def packets_of(random: Random, count: int) -> list[Packet]:
    out = []
    for _ in range(count):
        data = random.randbytes(random.choice(LENGTHS))
        size = random.choice([len(data), len(data), 0xFFFF, 0xFFFF - 32, 0xFFFF - 31])
        source = random.choice([0, 1 << random.randrange(16), random.getrandbits(16)])
        out.append(Packet(data, size, source, random.getrandbits(16), random.getrandbits(64)))
    return out


def verdict_of(random: Random) -> Verdict:
    if random.random() < 0.1:
        return Verdict(punt=1)
    bits, at = 0, 0
    for block in BLOCKS:
        most = 1 if block.mode == "first" else min(block.rules, 4)
        fired = random.sample(range(block.rules), random.randint(0, most))
        bits |= block.encode(fired)[0] << at
        at += block.width
    drop = int(random.random() < 0.25)
    forward = 0 if drop else random.choice([0, 1 << random.randrange(16), random.getrandbits(16)])
    return Verdict(bits, random.getrandbits(2), forward, drop, random.getrandbits(1), random.getrandbits(1))


def percent(random: Random, part: float) -> list[bool]:
    return [random.random() < part for _ in range(20_000)]


def check(
    beat_bytes: int, destinations: Destinations, in_band: bool, seed: int, count: int, offer: float, take: float
) -> Acted:
    random = Random(seed)
    packets, verdicts = packets_of(random, count), [verdict_of(random) for _ in range(count)]
    model = ActionModel(BLOCKS, destinations, in_band)
    expected = [
        out
        for p, v in zip(packets, verdicts, strict=True)
        if (out := model.act(Frame(p.data, p.size, p.src, p.dst, p.ts), v)) is not None
    ]
    offered, taken = percent(random, offer), percent(random, take)
    stage = ActionStage(beat_bytes, BLOCKS, 2, destinations, in_band)
    done = act(stage, packets, len(expected), RULES, verdicts, lambda c: offered[c], lambda c: taken[c])
    given = [Frame(p.data, p.size, p.src, p.dst, p.ts) for p in (marked.packet for marked in done.given)]
    assert given == expected, "a packet was changed, lost, kept or moved"
    assert done.counts == model.counts
    assert any(model.counts) and len(expected) < len(packets)
    return done


@pytest.mark.parametrize("beat_bytes", [8, 16, 32, 64])
@pytest.mark.parametrize(("destinations", "in_band"), [(Destinations(), False), (QUEUES, True), (MIRRORED, True)])
def test_packets_leave_as_the_model_says(beat_bytes: int, destinations: Destinations, in_band: bool) -> None:
    check(beat_bytes, destinations, in_band, seed=beat_bytes, count=40, offer=0.7, take=0.6)


@pytest.mark.parametrize(("offer", "take"), [(1.0, 1.0), (1.0, 0.15), (0.2, 1.0)])
@pytest.mark.parametrize("beat_bytes", [32, 64])
def test_gaps_and_back_pressure_change_nothing(beat_bytes: int, offer: float, take: float) -> None:
    check(beat_bytes, Destinations(), True, seed=7, count=60, offer=offer, take=take)


def full_rate(beat_bytes: int, in_band: bool, length: int) -> Acted:
    packets = [Packet(bytes([i]) * length, ts=i) for i in range(60)]
    verdicts = [Verdict(blocks=1 + i % 5, drop=i % 7 == 3) for i in range(60)]
    stage = ActionStage(beat_bytes, BLOCKS, 2, None, in_band)
    return act(stage, packets, sum(not v.drop for v in verdicts), RULES, verdicts)


@pytest.mark.parametrize("beat_bytes", [8, 64])
def test_a_beat_is_taken_every_cycle(beat_bytes: int) -> None:
    done = full_rate(beat_bytes, False, 60)
    each = -(-60 // beat_bytes)
    assert (done.refused, done.accepted) == (0, list(range(0, 60 * each, each)))
    kept = [start for i, start in enumerate(done.accepted) if i % 7 != 3]
    assert {m.first_cycle - start for m, start in zip(done.given, kept, strict=True)} == {STAGE_CYCLES}


@pytest.mark.parametrize(("beat_bytes", "length", "more"), [(64, 60, 1), (64, 32, 0), (32, 60, 1), (8, 60, 4)])
def test_a_record_takes_no_more_cycles_than_its_beats(beat_bytes: int, length: int, more: int) -> None:
    done = full_rate(beat_bytes, True, length)
    beats = -(-length // beat_bytes) + more
    ends = [marked.last_cycle for marked in done.given]
    starts = [marked.first_cycle for marked in done.given]
    assert all(end - start == beats - 1 for start, end in zip(starts, ends, strict=True))
    # Packets that are dropped take their own beats, and the others follow each other without a gap.
    gaps = [start - end - 1 for end, start in zip(ends, starts[1:], strict=False)]
    assert max(gaps) <= -(-length // beat_bytes) and sum(gap == 0 for gap in gaps) >= len(gaps) * 0.8
