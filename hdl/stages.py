"""Names for the values of a pipeline that is written stage by stage.

One idea: a pipeline reads well if a value keeps its name across registers, so ``reg`` gives back the registered
value to be bound to the same name, and only the signal's own name counts the stage.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ShapeLike, Signal, Value, ValueLike


class Stages:
    """Adds wires and registers to a module; ``stage`` counts the registers passed so far."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._names: dict[int, str] = {}
        self.stage = 0

    def wire(self, name: str, shape: ShapeLike, value: ValueLike) -> Signal:
        """A named value of this stage; ``value`` must fit ``shape``."""
        signal = Signal(shape, name=name)
        self._names[id(signal)] = name
        self._module.d.comb += signal.eq(value)
        return signal

    def reg(self, name: str, value: Value) -> Signal:
        """The value in the next stage, without reset."""
        signal = Signal(value.shape(), name=f"{name}_s{self.stage}", reset_less=True)
        self._names[id(signal)] = name
        self._module.d.sync += signal.eq(value)
        return signal

    def regs(self, *values: Signal) -> list[Any]:
        """``reg`` for many values made by ``wire``, under their own names."""
        return [self.reg(self._names[id(value)], value) for value in values]

    def next(self) -> None:
        """The registers made from here on lead into the next stage."""
        self.stage += 1
