# amaranth: UnusedElaboratable=no
"""The window assembler against plain Python."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from sevenm.hdl.window import WindowAssembler
from sevenm.sim.testbench.packets import Packet, all_beats


def windows(dut: WindowAssembler, packets: list[Packet], gap: float, seed: int) -> list[tuple[int, ...]]:
    """(cycle after the first beat, window, visible, size, src, ts, early) of every window that came out."""
    choose = random.Random(seed)
    out: list[tuple[int, ...]] = []

    async def testbench(ctx: Any) -> None:
        started: list[int] = []
        cycle = 0

        async def step(beat: Any = None) -> None:
            nonlocal cycle
            ctx.set(dut.beat, beat is not None)
            if beat is not None:
                for name in ("data", "keep", "last", "size", "src", "dst", "ts"):
                    ctx.set(getattr(dut, name), getattr(beat, name))
            await ctx.tick()
            cycle += 1
            if ctx.get(dut.valid):
                values = (
                    ctx.get(x) for x in (dut.window, dut.visible, dut.size_out, dut.src_out, dut.ts_out, dut.early)
                )
                out.append((cycle - started[len(out)], *values))

        for _, first, beat in all_beats(packets):
            while choose.random() < gap:
                await step()
            if first:
                started.append(cycle)
            await step(beat)
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
    found = windows(WindowAssembler(beats, window_bytes), packets, gap, seed=beats)
    assert len(found) == len(packets)
    for packet, (after, window, visible, size, src, ts, early) in zip(packets, found, strict=True):
        needed = min(beats, max(1, -(-len(packet.data) // 64)))
        assert window == int.from_bytes(packet.data[:window_bytes], "little")
        assert visible == (1 << min(len(packet.data), 64 * beats + 1)) - 1
        assert (size, src, ts) == (packet.size, packet.src, packet.ts)
        assert early == beats - needed
        if not gap:
            assert after == needed


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
