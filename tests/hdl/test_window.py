# amaranth: UnusedElaboratable=no
"""The window assembler against plain Python."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.sim import Simulator

from sevenm.hdl.intake import Intake
from sevenm.hdl.window import WindowAssembler
from sevenm.sim.testbench.packets import Packet, all_beats


class Fed(Elaboratable):
    """An intake and the assembler behind it, as they stand in a core."""

    def __init__(self, beats: int, window_bytes: int, beat_bytes: int = 64, rows: int = 0) -> None:
        self.intake = Intake(beats, beat_bytes)
        self.window = WindowAssembler(beats, window_bytes, beat_bytes, rows)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.intake, m.submodules.window = self.intake, self.window
        m.d.comb += self.intake.room.eq(1)
        for name in ("coming", "place", "ends", "completes", "data", "keep", "sidebands"):
            m.d.comb += getattr(self.window, name).eq(getattr(self.intake, name))
        return m


def windows(dut: Fed, packets: list[Packet], gap: float, seed: int) -> list[tuple[int, ...]]:
    """(cycles from the last beat of the window to it, window, keep, place, size, src, ts) of every window that came
    out, and with rows whether its beats are where ``origin`` says."""
    choose = random.Random(seed)
    out: list[tuple[int, ...]] = []

    async def testbench(ctx: Any) -> None:
        s_axis, window = dut.intake.s_axis, dut.window
        completed: list[int] = []
        rows: dict[int, int] = {}
        cycle = 0

        async def step(beat: Any = None) -> None:
            nonlocal cycle
            ctx.set(s_axis.tvalid, beat is not None)
            if beat is not None:
                assert ctx.get(s_axis.tready)
                for name in ("data", "keep", "last"):
                    ctx.set(getattr(s_axis, f"t{name}"), getattr(beat, name))
                for name in ("size", "src", "dst", "ts"):
                    ctx.set(getattr(s_axis, f"tuser_{name}"), getattr(beat, name))
            await ctx.tick()
            cycle += 1
            if ctx.get(window.valid):
                parts = (window.window, window.last_keep, window.last_place, window.size_out, window.src_out)
                found = [ctx.get(part) for part in (*parts, window.ts_out)]
                if window.rows:
                    count = min(found[2], window.beats - 1) + 1
                    held = [rows[(ctx.get(window.origin) + i) % window.rows] for i in range(count)]
                    found.append(sum(row << 8 * window.beat_bytes * i for i, row in enumerate(held)))
                out.append((cycle - completed[len(out)], *found))
            if window.rows and ctx.get(window.stored):
                rows[ctx.get(window.row)] = ctx.get(window.data)

        await step()
        at = 0
        for _, first, beat in all_beats(packets, window.beat_bytes):
            while choose.random() < gap:
                await step()
            at = 0 if first else at + 1
            if at == window.beats - 1 or (beat.last and at < window.beats):
                completed.append(cycle)
            await step(beat)
        for _ in range(3):
            await step()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return out


def packets_of(seed: int) -> list[Packet]:
    choose = random.Random(seed)
    lengths = [0, 1, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 320, 1000]
    return [
        Packet(choose.randbytes(choose.choice(lengths)), *(choose.randrange(65536) for _ in range(4)))
        for _ in range(60)
    ]


@pytest.mark.parametrize(
    ("beat_bytes", "beats"), [(64, 1), (64, 2), (64, 3), (64, 4), (64, 7), (8, 1), (8, 5), (16, 16)]
)
@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_every_packet_gives_one_window_of_its_first_bytes(beat_bytes: int, beats: int, gap: float) -> None:
    packets = packets_of(beats)
    window_bytes = beat_bytes * beats - 7
    rows = 16 if beats > 1 else 0
    found = windows(Fed(beats, window_bytes, beat_bytes, rows), packets, gap, seed=beats)
    assert len(found) == len(packets)
    for packet, (after, window, keep, place, size, src, ts, *fetched) in zip(packets, found, strict=True):
        seen = packet.data[:window_bytes]
        assert window & (1 << 8 * len(seen)) - 1 == int.from_bytes(seen, "little")
        last = max(len(packet.data) - 1, 0) // beat_bytes
        assert place == min(last, beats)
        assert keep == (1 << min(len(packet.data) - min(place, beats - 1) * beat_bytes, beat_bytes)) - 1
        assert (size, src, ts) == (packet.size, packet.src, packet.ts)
        assert after == (1 if beats == 1 else 2)
        if rows:
            whole = packet.data[: beats * beat_bytes]
            assert fetched[0] & (1 << 8 * len(whole)) - 1 == int.from_bytes(whole, "little")


@pytest.mark.parametrize(
    ("beats", "window_bytes", "beat_bytes", "message"),
    [
        (0, 1, 64, "beats must be 1 to 16, not 0"),
        (17, 1, 64, "beats must be 1 to 16, not 17"),
        (129, 1, 8, "beats must be 1 to 128, not 129"),
        (2, 129, 64, "window_bytes must be 1 to 128 for 2 beats, not 129"),
        (1, 0, 64, "window_bytes must be 1 to 64 for 1 beats, not 0"),
    ],
)
def test_bad_sizes_are_refused_by_name(beats: int, window_bytes: int, beat_bytes: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        WindowAssembler(beats, window_bytes, beat_bytes)
