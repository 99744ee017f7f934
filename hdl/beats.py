"""The last beats of a stream, in a memory whose lanes are read each at its own row.

One idea: bytes that begin somewhere in one beat and end in the next are, lane by lane, in one row of a memory as wide
as a beat. Lanes that always read the same row share an address.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class BeatMemory(wiring.Component):
    """``depth`` beats of ``beat_bytes``, written one a cycle and read in the same cycle as they are asked for: what was
    written in a cycle can be read from the next one on.

    ``groups`` are the lanes that are read at one address each; lanes in none of them read as 0.

    Members
    -------
    w_en : In(1), w_row : In(depth.bit_length() - 1), w_data : In(8 * beat_bytes)
    row0, row1, ... : In(like w_row)      of each group
    data : Out(8 * beat_bytes)            lane i at bits [8 i + 7 : 8 i]
    """

    def __init__(self, depth: int, beat_bytes: int, groups: Sequence[Sequence[int]]) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, at least 2, not {depth}")
        lanes = [lane for group in groups for lane in group]
        if len(set(lanes)) != len(lanes) or not all(0 <= lane < beat_bytes for lane in lanes):
            raise ValueError(f"each of {beat_bytes} lanes can be in one group, and no other: not {lanes}")
        self.depth = depth
        self.beat_bytes = beat_bytes
        self.groups = tuple(tuple(group) for group in groups)
        bits = depth.bit_length() - 1
        super().__init__(
            {
                "w_en": In(1),
                "w_row": In(bits),
                "w_data": In(8 * beat_bytes),
                **{f"row{i}": In(bits) for i in range(len(groups))},
                "data": Out(8 * beat_bytes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes: dict[int, Any] = {}
        for number, group in enumerate(self.groups):
            memory = Memory(
                shape=8 * len(group), depth=self.depth, init=[], attrs={"ram_style": "distributed"}
            )  # fmt: skip
            m.submodules[f"lanes{number}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            m.d.comb += [
                write.en.eq(self.w_en),
                write.addr.eq(self.w_row),
                write.data.eq(Cat(self.w_data.word_select(lane, 8) for lane in group)),
                read.addr.eq(getattr(self, f"row{number}")),
            ]
            lanes |= {lane: read.data[8 * i : 8 * i + 8] for i, lane in enumerate(group)}
        m.d.comb += self.data.eq(Cat(lanes.get(lane, Const(0, 8)) for lane in range(self.beat_bytes)))
        return m
