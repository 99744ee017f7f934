"""The decision module of a core: after how many registers each bit comes, and what it is of one packet.

One idea: the module is a pipeline without stalls, so where every way from the inputs to a bit passes the same number
of registers, the bit is a function of one packet, which came so many cycles before. That number is found first, for
every bit of the module; then registers are wires, and what is left is gates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .arithmetic import Bits
from .cells import CELLS, output_of
from .errors import NotProvable, NotThePipeline
from .gates import FALSE, TRUE, Gates
from .verilog import Bit, Cell, Module

REGISTER = "$dff"
RESET, CLOCK = "rst", "clk"
STREAM = ("beat", "stored", "row")
"""Inputs that tell of the stream, and not of the packet whose window is there: only memories of beats take them."""
Remembered = Callable[[Sequence[int], Sequence[int]], Bits]
"""Bits of a beat, by the row that it is in and their places."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """What a memory of beats gives at one address port: for each output bit its port, its place there, and its place in
    a beat."""

    address: str
    bits: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Bits that one cell, one bit of a register, or one address of a memory of beats makes of others. ``registers``:
    how many it is by itself; ``lanes``: for a memory, the places in a beat of the bits that it gives."""

    cell: Cell
    reads: tuple[Bit, ...]
    writes: tuple[Bit, ...]
    registers: int
    lanes: tuple[int, ...] = ()


class Netlist:
    """``delays`` gives, for each module below, the cycles that it delays ``i``, as was proved of it. Raises
    NotThePipeline for a cell that is none of a pipeline, and for a loop."""

    def __init__(self, module: Module, delays: Mapping[str, int], memories: Mapping[str, tuple[Lanes, ...]]) -> None:
        self.module = module
        self._free = {bit for name in (RESET, CLOCK, *STREAM) for bit in module.nets.get(name, ())}
        self._memories = memories
        every = list(self._steps(delays))
        self._drivers = {bit: step for step in every for bit in step.writes}
        self.steps = list(self._ordered(every))

    def _steps(self, delays: Mapping[str, int]) -> Iterator[Step]:
        for cell in self.module.cells:
            ports = cell.ports
            if cell.type == REGISTER or cell.type in delays:
                if not cell.parameters.get("CLK_POLARITY", 1):
                    raise NotThePipeline(f"{self._place(cell)}: a register works on the falling edge")
                source, target = ("D", "Q") if cell.type == REGISTER else ("i", "o")
                registers = delays.get(cell.type, 1)
                for d, q in zip(ports[source], ports[target], strict=True):
                    yield Step(cell, (d,), (q,), registers)
            elif cell.type in self._memories:
                for lanes in self._memories[cell.type]:
                    kept = [(ports[port][at], place) for port, at, place in lanes.bits if port in ports]
                    yield Step(
                        cell, ports[lanes.address], tuple(bit for bit, _ in kept), 0, tuple(place for _, place in kept)
                    )
            elif cell.type in CELLS:
                reads = tuple(bit for port, bits in ports.items() if port != "Y" for bit in bits)
                yield Step(cell, reads, ports["Y"], 0)
            else:
                raise NotProvable(f"{self._place(cell)}: the proof knows no {cell.type}")

    def _place(self, cell: Cell) -> str:
        return cell.where or cell.name

    def _ordered(self, steps: list[Step]) -> Iterator[Step]:
        """What is needed for the outputs, operands before their users."""
        driver = {}
        for number, step in enumerate(steps):
            for bit in step.writes:
                if bit in driver:
                    raise NotThePipeline(f"{self.name(bit)} has two drivers")
                driver[bit] = number
        todo = [driver[b] for bits in self.module.outputs.values() for b in bits if b in driver]
        state: dict[int, str] = {}
        while todo:
            number = todo[-1]
            if state.get(number) == "done":
                todo.pop()
                continue
            before = [driver[bit] for bit in steps[number].reads if bit in driver]
            if number not in state:
                state[number] = "open"
                for one in before:
                    if state.get(one) == "open":
                        raise NotThePipeline(f"{self.name(steps[one].writes[0])} depends on itself")
                todo += [one for one in before if one not in state]
            else:
                state[number] = "done"
                todo.pop()
                yield steps[number]

    def way(self, bit: Bit, source: Bit) -> int | None:
        """Registers between an input and a bit that is nothing but that input, some cycles later; None for a constant.
        Raises NotThePipeline if it is something else."""
        registers = 0
        while bit != source:
            if bit in ("0", "1"):
                return None
            step = self._drivers.get(bit)
            if step is None or len(step.reads) != 1 or step.cell.type in CELLS:
                raise NotThePipeline(f"{self.name(bit)} is not {self.name(source)} as it came in")
            registers += step.registers
            bit = step.reads[0]
        return registers

    def name(self, bit: Bit) -> str:
        return self.module.names.get(bit, f"net {bit}")

    def depths(self) -> dict[Bit, int | None]:
        """How many registers each bit comes after the inputs; None for a constant. Raises NotThePipeline where two ways
        differ."""
        out: dict[Bit, int | None] = dict.fromkeys(("0", "1", "x", *self._free))
        for bits in self.module.inputs.values():
            out.update((bit, 0) for bit in bits if bit not in self._free)
        for step in self.steps:
            found: dict[int, Bit] = {}
            for bit in step.reads:
                if bit not in out:
                    raise NotThePipeline(f"{self.name(bit)} has no driver")
                depth = out[bit]
                if depth is not None:
                    found.setdefault(depth, bit)
            if len(found) > 1:
                (a, one), (b, two), *_ = sorted(found.items())
                raise NotThePipeline(
                    f"{self.name(step.writes[0])} mixes two packets: {self.name(one)} comes after {a} registers, "
                    f"{self.name(two)} after {b} ({self._place(step.cell)})"
                )
            depth = next(iter(found)) + step.registers if found else None
            out.update((bit, depth) for bit in step.writes)
        return out

    def build(
        self, gates: Gates, inputs: Mapping[Bit, int], remembered: Remembered, say: Callable[[int], None]
    ) -> dict[str, Bits]:  # fmt: skip
        """The outputs as literals, of inputs as literals; ``remembered`` is what memories of beats hold. ``say`` is
        told how many cells are done. Raises OutOfTime."""
        literal: dict[Bit, int] = {"0": FALSE, "1": TRUE}
        literal.update((bit, FALSE) for bit in self._free)
        literal.update(inputs)

        def known(bit: Bit) -> int:
            # An undefined bit is anything, another one each time that it is read.
            return gates.unknown() if bit == "x" else literal[bit]

        for number, step in enumerate(self.steps):
            if step.cell.type in CELLS:
                operands = {p: tuple(map(known, bits)) for p, bits in step.cell.ports.items() if p != "Y"}
                made = tuple(map(gates.merge, output_of(gates, step.cell, operands)))
            elif step.cell.type in self._memories:
                made = remembered(tuple(map(known, step.reads)), step.lanes)
            else:
                made = tuple(map(known, step.reads))
            literal.update(zip(step.writes, made, strict=True))
            say(number + 1)
        return {port: tuple(map(known, bits)) for port, bits in self.module.outputs.items()}
