"""Operators of Verilog as gates: a cell's output from its operands, as Yosys defines its cells.

One idea: one entry for each kind of cell. What is not here is no part of what the compiler writes, and a module with
such a cell is not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from . import arithmetic as bits_of
from .arithmetic import Bits, extend
from .gates import FALSE, Gates
from .verilog import Cell

Operands = Mapping[str, Bits]
"""The literals at each input of a cell."""


def output_of(gates: Gates, cell: Cell, operands: Operands) -> Bits:
    """What is at the output ``Y``. There has to be an entry for the cell's type."""
    return CELLS[cell.type](gates, cell, operands)


def _both_sides(cell: Cell, operands: Operands, width: int) -> tuple[Bits, Bits]:
    """A and B in ``width`` bits, each extended by its own sign."""
    p = cell.parameters
    return (
        extend(operands["A"], width, bool(p["A_SIGNED"])),
        extend(operands["B"], width, bool(p["B_SIGNED"])),
    )


def _flag(cell: Cell, literal: int) -> Bits:
    return extend((literal,), cell.parameters["Y_WIDTH"], False)


def _bitwise(how: Callable[[Gates, int, int], int]) -> Callable[[Gates, Cell, Operands], Bits]:
    def cell_of(gates: Gates, cell: Cell, operands: Operands) -> Bits:
        a, b = _both_sides(cell, operands, cell.parameters["Y_WIDTH"])
        return tuple(how(gates, x, y) for x, y in zip(a, b, strict=True))

    return cell_of


def _not(gates: Gates, cell: Cell, operands: Operands) -> Bits:
    return bits_of.invert(_wide(gates, cell, operands))


def _wide(gates: Gates, cell: Cell, operands: Operands) -> Bits:
    return extend(operands["A"], cell.parameters["Y_WIDTH"], bool(cell.parameters["A_SIGNED"]))


def _arithmetic(how: Callable[[Gates, Sequence[int], Sequence[int]], Bits]) -> Callable[[Gates, Cell, Operands], Bits]:
    def cell_of(gates: Gates, cell: Cell, operands: Operands) -> Bits:
        return how(gates, *_both_sides(cell, operands, cell.parameters["Y_WIDTH"]))

    return cell_of


def _multiply(gates: Gates, cell: Cell, operands: Operands) -> Bits:
    """Without the zeros above unsigned operands, so that it is the same gates however wide they are written."""
    a, b = _both_sides(cell, operands, cell.parameters["Y_WIDTH"])
    return bits_of.multiply(gates, _trimmed(a), _trimmed(b), cell.parameters["Y_WIDTH"])


def _trimmed(bits: Bits) -> Bits:
    while bits and bits[-1] == FALSE:
        bits = bits[:-1]
    return bits


def _compare(how: Callable[[Gates, Bits, Bits, bool], int]) -> Callable[[Gates, Cell, Operands], Bits]:
    def cell_of(gates: Gates, cell: Cell, operands: Operands) -> Bits:
        a, b = _both_sides(cell, operands, max(cell.parameters["A_WIDTH"], cell.parameters["B_WIDTH"]))
        is_signed = bool(cell.parameters["A_SIGNED"] and cell.parameters["B_SIGNED"])
        return _flag(cell, how(gates, a, b, is_signed))

    return cell_of


def _reduce(how: Callable[[Gates, Bits], int]) -> Callable[[Gates, Cell, Operands], Bits]:
    return lambda gates, cell, operands: _flag(cell, how(gates, operands["A"]))


def _parity(gates: Gates, bits: Bits) -> int:
    out = FALSE
    for bit in bits:
        out = gates.differ(out, bit)
    return out


def _shift(left: bool) -> Callable[[Gates, Cell, Operands], Bits]:
    def cell_of(gates: Gates, cell: Cell, operands: Operands) -> Bits:
        width = cell.parameters["Y_WIDTH"]
        wide = max(width, cell.parameters["A_WIDTH"])
        a = extend(operands["A"], wide, bool(cell.parameters["A_SIGNED"]))
        return bits_of.shift(gates, a, operands["B"], left)[:width]

    return cell_of


def _mux(gates: Gates, cell: Cell, operands: Operands) -> Bits:
    return bits_of.choose(gates, operands["S"][0], operands["B"], operands["A"])


CELLS: Mapping[str, Callable[[Gates, Cell, Operands], Bits]] = {
    "$pos": _wide,
    "$not": _not,
    "$and": _bitwise(Gates.both),
    "$or": _bitwise(Gates.either),
    "$xor": _bitwise(Gates.differ),
    "$xnor": _bitwise(lambda gates, x, y: gates.differ(x, y) ^ 1),
    "$add": _arithmetic(bits_of.add),
    "$sub": _arithmetic(bits_of.subtract),
    "$mul": _multiply,
    "$eq": _compare(lambda gates, a, b, _: bits_of.equal(gates, a, b)),
    "$ne": _compare(lambda gates, a, b, _: bits_of.equal(gates, a, b) ^ 1),
    "$lt": _compare(bits_of.less),
    "$ge": _compare(lambda gates, a, b, is_signed: bits_of.less(gates, a, b, is_signed) ^ 1),
    "$gt": _compare(lambda gates, a, b, is_signed: bits_of.less(gates, b, a, is_signed)),
    "$le": _compare(lambda gates, a, b, is_signed: bits_of.less(gates, b, a, is_signed) ^ 1),
    "$logic_not": _reduce(lambda gates, bits: gates.any(bits) ^ 1),
    "$logic_and": lambda gates, cell, x: _flag(cell, gates.both(gates.any(x["A"]), gates.any(x["B"]))),
    "$logic_or": lambda gates, cell, x: _flag(cell, gates.any((*x["A"], *x["B"]))),
    "$reduce_and": _reduce(Gates.all),
    "$reduce_or": _reduce(Gates.any),
    "$reduce_bool": _reduce(Gates.any),
    "$reduce_xor": _reduce(_parity),
    "$shl": _shift(True),
    "$shr": _shift(False),
    "$mux": _mux,
}
"""Kinds of cells without state. A shift by a signed number, or one that brings in signs, is not among them."""
