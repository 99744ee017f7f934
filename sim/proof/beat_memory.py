"""Memories of beats in written Verilog: what is read is what came in, at the right time.

One idea: the module itself (``hdl/beats``) is wires around memories, so it is enough to follow them: what is written
at a place of a beat is read at that place. Whether a row still holds the beat that is asked for is a count of cycles:
it has been written, and not as many beats have come since as there are rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import arithmetic as bits_of
from .arithmetic import Bits, constant
from .delay_line import READ, WRITE
from .errors import NotThePipeline
from .gates import Gates
from .netlist import CLOCK, RESET, Lanes, Netlist, Remembered
from .packet_bits import PacketBits
from .verilog import Bit, Cell, Module

ENABLE, ROW, DATA = "w_en", "w_row", "w_data"


def is_memory(module: Module) -> bool:
    """Whether it takes what a memory of beats does."""
    return {ENABLE, ROW, DATA} <= set(module.inputs)


def lanes_of(module: Module) -> tuple[Lanes, ...]:
    """What is read at each address. Raises NotThePipeline where what is read is not what was written."""
    wires = _Wires(module)
    written = wires.written()
    outputs = {bit: (port, at) for port, bits in module.outputs.items() for at, bit in enumerate(bits)}
    found = []
    for cell in module.cells:
        if cell.type == READ:
            memory = cell.texts["MEMID"]
            if cell.parameters["CLK_ENABLE"] or memory not in written:
                raise NotThePipeline(f"{module.name}: {memory} is not written, or read on a clock")
            pairs = zip(cell.ports["DATA"], written.pop(memory), strict=True)
            bits = tuple((*outputs.pop(bit), place) for bit, place in pairs if bit in outputs)
            found.append(Lanes(_port_of(module, cell), bits))
    if outputs.keys() - {"0"}:
        raise NotThePipeline(f"{module.name}: some of its output is not read from a memory")
    return tuple(found)


class _Wires:
    """A memory's writing ports, followed back to what comes into the module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        (self.enable,) = module.inputs[ENABLE]
        self.chosen = {
            y: (cell.ports["A"][i], cell.ports["B"][i])
            for cell in module.cells
            if cell.type == "$mux" and cell.ports["S"] == (self.enable,)
            for i, y in enumerate(cell.ports["Y"])
        }

    def written(self) -> dict[str, list[int]]:
        """The places in a beat that each memory's bits are written from."""
        place = {bit: number for number, bit in enumerate(self.module.inputs[DATA])}
        out: dict[str, list[int]] = {}
        for cell in self.module.cells:
            if cell.type != WRITE:
                continue
            memory = cell.texts["MEMID"]
            enabled = {self._when(bit) for bit in cell.ports["EN"]}
            row = tuple(self._when(bit)[1] for bit in cell.ports["ADDR"])
            data = [place.get(self._when(bit)[1]) for bit in cell.ports["DATA"]]
            if enabled != {("0", "1")} or row != self.module.inputs[ROW] or memory in out or None in data:
                raise NotThePipeline(f"{self.module.name}: {memory} is not written with beats as they come")
            out[memory] = [at for at in data if at is not None]
        return out

    def _when(self, bit: Bit) -> tuple[Bit, Bit]:
        """What a bit is when nothing is written, and when something is."""
        if bit == self.enable:
            return "0", "1"
        return self.chosen.get(bit, (bit, bit))


def _port_of(module: Module, cell: Cell) -> str:
    for port, bits in module.inputs.items():
        if port not in (ENABLE, ROW, DATA, RESET, CLOCK) and bits == cell.ports["ADDR"]:
            return port
    raise NotThePipeline(f"{module.name}: a memory is read at no address that comes in")


def check_times(
    netlist: Netlist, memories: Mapping[str, tuple[Lanes, ...]], depths: Mapping[Bit, int | None], beats: int
) -> None:  # fmt: skip
    """Raises NotThePipeline where a memory is not written with the stream as it comes, or is read before a packet's
    beats are all there or after they may have been replaced."""
    nets = netlist.module.nets
    for cell in (cell for cell in netlist.module.cells if cell.type in memories):
        ways = {
            netlist.way(bit, source)
            for port, name in ((DATA, "beat"), (ENABLE, "stored"), (ROW, "row"))
            for bit, source in zip(cell.ports[port], nets[name], strict=True)
        } - {None}
        if len(ways) != 1:
            raise NotThePipeline(f"{cell.name} is not written with beats as they come")
        (late,) = ways
        rows = 1 << len(nets["row"])
        for lanes in memories[cell.type]:
            for depth in {depths[bit] for bit in cell.ports[lanes.address] if bit in depths} - {None}:
                assert depth is not None and late is not None, "constants were left out"
                if depth < late:
                    raise NotThePipeline(f"{cell.name} is read {late - depth} cycles before the last beat is there")
                if beats + depth - late > rows:
                    raise NotThePipeline(f"{cell.name} is read when {beats + depth - late} of {rows} rows may be new")


def remember(gates: Gates, packet: PacketBits, origin: Sequence[int], beats: int, beat_bytes: int) -> Remembered:
    """What a row holds: the packet's beat of the number that is the row's less that of its first beat."""

    def read(row: Sequence[int], places: Sequence[int]) -> Bits:
        number = tuple(map(gates.merge, bits_of.subtract(gates, tuple(row), tuple(origin))))
        return tuple(
            gates.merge(_choice(gates, number, [packet.byte(k * beat_bytes + at // 8)[at % 8] for k in range(beats)]))
            for at in places
        )

    return read


def _choice(gates: Gates, number: Bits, values: Sequence[int]) -> int:
    """One of the values by its number; anything past the last one."""
    if not number:
        return values[0] if values else gates.unknown()
    half = 1 << (len(number) - 1)
    if len(values) <= half:
        other = gates.unknown()
        return gates.choose(number[-1], other, _choice(gates, number[:-1], values))
    return gates.choose(
        number[-1], _choice(gates, number[:-1], values[half:]), _choice(gates, number[:-1], values[:half])
    )


def place_of(gates: Gates, packet: PacketBits, beats: int, beat_bytes: int, width: int) -> tuple[Bits, Bits]:
    """(``place``, ``keep``): the number of the last beat that counts, ``beats`` if the packet goes on, and its
    tkeep."""
    place = constant(0, width)
    keep = tuple(packet.visible(i) for i in range(beat_bytes))
    for k in range(1, beats + 1):
        there = packet.visible(k * beat_bytes)
        place = bits_of.choose(gates, there, constant(k, width), place)
        if k < beats:
            keep = bits_of.choose(gates, there, [packet.visible(k * beat_bytes + i) for i in range(beat_bytes)], keep)
    return place, keep
