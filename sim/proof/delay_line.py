"""Delay lines of written Verilog: proved to give out what came in some cycles before, whatever their memory held.

One idea: only the pointer matters. It takes few values, so each of them is tried as a beginning, with everything else
in the module unknown; memories and inputs are then names that are moved about, and the output has to be the name that
came in so many cycles before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .cells import CELLS, output_of
from .errors import NotProvable, NotThePipeline
from .gates import FALSE, TRUE, Gates
from .netlist import CLOCK, REGISTER, RESET
from .verilog import Bit, Cell, Module

READ, WRITE, INITIAL = "$memrd", "$memwr_v2", "$meminit_v2"
POINTER_BITS_MAX = 10
Word = tuple[int, ...]


def delay_of(module: Module) -> int:
    """The cycles after which ``o`` is what ``i`` was, once as many have passed since the last reset. Raises
    NotThePipeline if the module is no delay line."""
    if set(module.inputs) - {RESET, CLOCK} != {"i"} or set(module.outputs) != {"o"}:
        raise NotProvable(f"the proof does not know the module {module.name}")
    line = _Line(module)
    pointer, starts = line.start(), []
    while pointer not in starts:
        starts.append(pointer)
        pointer = line.after(pointer)
    if pointer != starts[0]:
        raise NotThePipeline(f"{module.name}: its pointer does not come back to where a reset puts it")
    found = {line.cycles(start, len(starts)) for start in starts}
    if len(found) != 1:
        raise NotThePipeline(f"{module.name} does not delay what comes in by a constant number of cycles")
    return found.pop()


@dataclass
class _State:
    registers: dict[Bit, int]
    memories: dict[str, dict[int, Word]] = field(default_factory=dict)


class _Line:
    """Runs the module, cycle by cycle, with literals for what is not known."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.registers = [c for c in module.cells if c.type == REGISTER]
        self.reads = [c for c in module.cells if c.type == READ]
        self.writes = [c for c in module.cells if c.type == WRITE]
        known = {REGISTER, READ, WRITE, INITIAL}
        for cell in module.cells:
            if cell.type not in CELLS and cell.type not in known:
                raise NotThePipeline(f"{module.name}: a cell {cell.type} is no part of a delay line")
            if cell.type == READ and cell.parameters["CLK_ENABLE"]:
                raise NotThePipeline(f"{module.name}: a memory is read on a clock of its own")
        self.drivers: dict[Bit, Cell] = {
            bit: cell for cell in module.cells if cell.type in CELLS for bit in cell.ports["Y"]
        }
        addresses = [bit for cell in (*self.reads, *self.writes) for bit in cell.ports["ADDR"]]
        self.pointer = self._registers_behind(addresses)
        if len(self.pointer) > POINTER_BITS_MAX:
            raise NotThePipeline(f"{module.name}: its memories are addressed by {len(self.pointer)} registers")

    def _registers_behind(self, bits: list[Bit]) -> tuple[Bit, ...]:
        """The registers that these bits are functions of, in the order of their numbers."""
        outputs = {bit for cell in self.registers for bit in cell.ports["Q"]}
        found, seen, todo = set(), set(), list(bits)
        while todo:
            bit = todo.pop()
            if bit in seen:
                continue
            seen.add(bit)
            if bit in outputs:
                found.add(bit)
            elif bit in self.drivers:
                todo += [b for port, bits in self.drivers[bit].ports.items() if port != "Y" for b in bits]
        return tuple(sorted(found, key=str))

    def start(self) -> Word:
        """Where a reset puts the pointer."""
        return self._pointer_after(Gates(0, _refuse), None, True)

    def after(self, pointer: Word) -> Word:
        return self._pointer_after(Gates(0, _refuse), pointer, False)

    def _pointer_after(self, gates: Gates, pointer: Word | None, reset: bool) -> Word:
        state = self._unknown(gates, pointer)
        self._cycle(gates, state, self._fresh(gates, len(self.module.inputs["i"])), reset)
        found = tuple(state.registers[bit] for bit in self.pointer)
        if any(literal > TRUE for literal in found):
            raise NotThePipeline(f"{self.module.name}: where its memories are addressed is not known")
        return found

    def cycles(self, start: Word, most: int) -> int:
        """The delay, from one value of the pointer on."""
        gates = Gates(0, _refuse)
        state, came, gone = self._unknown(gates, start), [], []
        for _ in range(3 * most + 3):
            came.append(self._fresh(gates, len(self.module.inputs["i"])))
            gone.append(self._cycle(gates, state, came[-1], False))
        for delay in range(1, most + 2):
            if gone[delay:] == came[: len(came) - delay]:
                return delay
        raise NotThePipeline(f"{self.module.name} does not give out what came in, some cycles later")

    @staticmethod
    def _fresh(gates: Gates, width: int) -> Word:
        return tuple(gates.unknown() for _ in range(width))

    def _unknown(self, gates: Gates, pointer: Word | None) -> _State:
        state = _State({bit: gates.unknown() for cell in self.registers for bit in cell.ports["Q"]})
        if pointer is not None:
            state.registers.update(zip(self.pointer, pointer, strict=True))
        return state

    def _cycle(self, gates: Gates, state: _State, i: Word, reset: bool) -> Word:
        """What is at ``o`` in this cycle, after which the state is that of the next one."""
        literal: dict[Bit, int] = {"0": FALSE, "1": TRUE, **state.registers}
        literal.update(dict.fromkeys(self.module.inputs.get(RESET, ()), TRUE if reset else FALSE))
        literal.update(zip(self.module.inputs["i"], i, strict=True))

        def known(bit: Bit) -> int:
            if bit not in literal:
                cell = self.drivers.get(bit)
                if cell is None:
                    raise NotThePipeline(f"{self.module.name}: {self.module.names.get(bit, bit)} is not known")
                operands = {p: tuple(map(known, bits)) for p, bits in cell.ports.items() if p != "Y"}
                literal.update(zip(cell.ports["Y"], output_of(gates, cell, operands), strict=True))
            return literal[bit]

        def row(cell: Cell) -> int | None:
            bits = [known(bit) for bit in cell.ports["ADDR"]]
            return sum(bit << i for i, bit in enumerate(bits)) if max(bits, default=0) <= TRUE else None

        for cell in self.reads:
            memory, at = state.memories.setdefault(self._memory(cell), {}), row(cell)
            width = len(cell.ports["DATA"])
            word = self._fresh(gates, width)
            if at is not None:
                word = memory.setdefault(at, word)
            literal.update(zip(cell.ports["DATA"], word, strict=True))
        registers = {
            q: known(d) for cell in self.registers for d, q in zip(cell.ports["D"], cell.ports["Q"], strict=True)
        }
        for cell in self.writes:
            enable, at = [known(bit) for bit in cell.ports["EN"]], row(cell)
            memory = state.memories.setdefault(self._memory(cell), {})
            if at is None or set(enable) != {TRUE}:
                memory.clear()
            else:
                memory[at] = tuple(known(bit) for bit in cell.ports["DATA"])
        out = tuple(known(bit) for bit in self.module.outputs["o"])
        state.registers = registers
        return out

    @staticmethod
    def _memory(cell: Cell) -> str:
        return cell.texts["MEMID"]


def _refuse(gates: Gates, a: int, b: int) -> None:
    """Names that are moved about are never equal to one another."""
