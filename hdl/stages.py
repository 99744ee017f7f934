"""Names for the values of a pipeline that is written stage by stage.

One idea: a pipeline reads well if a value keeps its name across registers, so ``regs`` gives back the registered
values to be bound to the same names, and only the register's own name counts the stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, ShapeLike, Signal, Value, ValueLike

from .delay import DelayLine

WORD = 64
"""Bits of values that ``regs`` puts in one register."""


class Stages:
    """Adds wires and registers to a module; ``stage`` counts the registers passed so far."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self.stage = 0

    def wire(self, name: str, shape: ShapeLike, value: ValueLike) -> Signal:
        """A named value of this stage; ``value`` must fit ``shape``."""
        signal = Signal(shape, name=name)
        self._module.d.comb += signal.eq(value)
        return signal

    def reg(self, name: str, value: Any) -> Signal:
        """The value in the next stage, in a register of its own, without reset."""
        signal = Signal(value.shape(), name=f"{name}_s{self.stage}", reset_less=True)
        self._module.d.sync += signal.eq(value)
        return signal

    def regs(self, values: Sequence[Any]) -> list[Any]:
        """The values in the next stage, in order, side by side in registers of up to WORD bits, the first one lowest.
        A few words are simulated and elaborated much faster than many single bits, and are the same hardware."""
        words: list[list[Any]] = []
        room = 0
        for value in values:
            if len(value) > room:
                words.append([])
                room = WORD
            words[-1].append(value)
            room -= len(value)
        out: list[Any] = []
        for number, parts in enumerate(words):
            word = self.reg(f"word{number}", Cat(parts))
            at = 0
            for value in parts:
                part = word[at : at + len(value)]
                out.append(part.as_signed() if value.shape().signed else part)
                at += len(value)
        return out

    def delay(self, name: str, value: Any, cycles: int) -> Value:
        """The value of ``cycles`` stages before this one, which nothing has looked at since, out of a memory."""
        line = DelayLine(len(value), cycles)
        self._module.submodules[f"{name}_s{self.stage}"] = line
        self._module.d.comb += line.i.eq(value)
        out: Value = line.o
        return out

    def next(self) -> None:
        """The registers made from here on lead into the next stage."""
        self.stage += 1
