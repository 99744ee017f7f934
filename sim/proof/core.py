"""The decision module of written Verilog, with the modules that it consists of.

One idea: what stands beside the pipeline is of two kinds, each proved by itself: a delay line, or a memory of beats.
Then the pipeline is gates between the packet and the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .arithmetic import Bits
from .beat_memory import check_times, is_memory, lanes_of, place_of, remember
from .delay_line import delay_of
from .errors import NotThePipeline
from .gates import Gates
from .netlist import CLOCK, RESET, STREAM, Netlist
from .packet_bits import PacketBits
from .verilog import Bit, Module

VERDICT = "verdict"


class DecisionModule:
    """``latency``: the cycles from a window to its verdict that there have to be. ``beats`` of ``beat_bytes`` are
    looked at. Raises NotThePipeline if the module is not the pipeline that it should be."""

    def __init__(self, modules: Mapping[str, Module], name: str, latency: int, beats: int, beat_bytes: int) -> None:
        if name not in modules:
            raise NotThePipeline(f"there is no module {name}")
        module = modules[name]
        below = {cell.type: modules[cell.type] for cell in module.cells if cell.type in modules}
        memories = {kind: lanes_of(one) for kind, one in below.items() if is_memory(one)}
        delays = {kind: delay_of(one) for kind, one in below.items() if kind not in memories}
        self.beats, self.beat_bytes = beats, beat_bytes
        self.netlist = Netlist(module, delays, memories)
        depths = self.netlist.depths()
        for bit in module.outputs[VERDICT]:
            if depths[bit] not in (None, latency):
                raise NotThePipeline(
                    f"{self.netlist.name(bit)} comes after {depths[bit]} registers, and is taken after {latency}"
                )
        check_times(self.netlist, memories, depths, beats)

    def verdict(self, gates: Gates, packet: PacketBits, say: Callable[[int], None]) -> Bits:
        """The bits of the verdict, lowest first. Raises OutOfTime."""
        module = self.netlist.module
        inputs = self._inputs(gates, packet)
        origin = [inputs[bit] for bit in module.nets.get("origin", ())]
        read = remember(gates, packet, origin, self.beats, self.beat_bytes)
        return self.netlist.build(gates, inputs, read, say)[VERDICT]

    def _inputs(self, gates: Gates, packet: PacketBits) -> dict[Bit, int]:
        """What is told of the packet. An input that is not known here may be anything."""
        module = self.netlist.module
        nets = module.nets
        place, keep = place_of(gates, packet, self.beats, self.beat_bytes, len(nets.get("place", ())))
        window = tuple(bit for i in range(len(nets.get("window", ())) // 8) for bit in packet.byte(i))
        told = {"window": window, "keep": keep, "place": place, "size": packet.size, "ts": packet.time,
                "src": packet.source}  # fmt: skip
        out: dict[Bit, int] = {}
        for name, bits in told.items():
            out.update(zip(nets.get(name, ()), bits, strict=False))
        ends = {bit for name in (RESET, CLOCK, *STREAM) for bit in nets.get(name, ())}
        inputs = {bit for bits in module.inputs.values() for bit in bits} - ends
        return {bit: out[bit] if bit in out else gates.unknown() for bit in inputs}
