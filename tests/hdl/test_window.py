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

    def __init__(self, beats: int, window_bytes: int) -> None:
        self.intake = Intake(beats)
        self.window = WindowAssembler(beats, window_bytes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.intake, m.submodules.window = self.intake, self.window
        m.d.comb += self.intake.room.eq(1)
        for name in ("coming", "place", "ends", "data", "keep", "sidebands"):
            m.d.comb += getattr(self.window, name).eq(getattr(self.intake, name))
        return m


def windows(dut: Fed, packets: list[Packet], gap: float, seed: int) -> list[tuple[int, ...]]:
    """(cycles from the last beat of the window to it, window, visible, size, src, ts) of every window that came out."""
    choose = random.Random(seed)
    out: list[tuple[int, ...]] = []

    async def testbench(ctx: Any) -> None:
        s_axis, window = dut.intake.s_axis, dut.window
        completed: list[int] = []
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
                parts = (window.window, window.visible, window.size_out, window.src_out, window.ts_out)
                out.append((cycle - completed[len(out)], *(ctx.get(part) for part in parts)))

        await step()
        at = 0
        for _, first, beat in all_beats(packets):
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


@pytest.mark.parametrize("beats", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("gap", [0.0, 0.4])
def test_every_packet_gives_one_window_of_its_first_bytes(beats: int, gap: float) -> None:
    packets = packets_of(beats)
    window_bytes = 64 * beats - 7
    found = windows(Fed(beats, window_bytes), packets, gap, seed=beats)
    assert len(found) == len(packets)
    for packet, (after, window, visible, size, src, ts) in zip(packets, found, strict=True):
        assert window == int.from_bytes(packet.data[:window_bytes], "little")
        assert visible == (1 << min(len(packet.data), 64 * beats + 1)) - 1
        assert (size, src, ts) == (packet.size, packet.src, packet.ts)
        assert after == 2


@pytest.mark.parametrize(
    ("beats", "window_bytes", "message"),
    [
        (0, 1, "beats must be 1 to 16, not 0"),
        (17, 1, "beats must be 1 to 16, not 17"),
        (2, 129, "window_bytes must be 1 to 128 for 2 beats, not 129"),
        (1, 0, "window_bytes must be 1 to 64 for 1 beats, not 0"),
    ],
)
def test_bad_sizes_are_refused_by_name(beats: int, window_bytes: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        WindowAssembler(beats, window_bytes)
