"""Constant arrays as C text.

One idea: compilers read a string about thirty times as fast as the same array written as numbers, and in a third of the
memory. So long arrays are string literals: one character of ``u8``, ``u16`` or ``u32`` for each value, or for each 32
bits of a wider one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sevenm.compiler.backends.c.types import CType

NUMBERS_MAX = 64
"""Arrays up to this long are numbers, which people can read."""
NUMBERS_PER_LINE = 16
PLAIN_BELOW = 1024
"""Numbers that need no type and no hexadecimal."""
CHARACTERS_PER_LINE = 32
_PREFIX = {8: "", 16: "u", 32: "U"}


def array(ctype: CType, name: str, values: Iterable[int], per_line: int = NUMBERS_PER_LINE) -> str:
    """The definition of ``static const`` array ``name``; signed values are two's complement. It has no value: one that
    is never read, since C knows no empty array. Raises ValueError for a value that the type does not hold."""
    numbers = list(values) or [0]
    for value in numbers:
        if not ctype.lo <= value <= ctype.hi:
            raise ValueError(f"{ctype.name} does not hold {value}")
    if len(numbers) <= NUMBERS_MAX:
        texts = [str(v) if 0 <= v < PLAIN_BELOW and ctype.bits < 128 else ctype.literal(v) for v in numbers]
        lines = [", ".join(texts[at : at + per_line]) for at in range(0, len(texts), per_line)]
        body = ",\n    ".join(lines)
        return f"static const {ctype.name} {name}[{len(texts)}] = {{\n    {body},\n}};"
    mask = (1 << ctype.bits) - 1
    patterns = [value & mask for value in numbers]
    if ctype.bits <= 32 and not ctype.signed:
        return f"static const {ctype.name} {name}[{len(numbers)}] =\n{_literal(ctype.bits, patterns)};"
    width = min(ctype.bits, 32)
    each = ctype.bits // width
    units = [pattern >> width * part & (1 << width) - 1 for pattern in patterns for part in range(each)]
    return (
        f"static const union {{ u{width} unit[{len(units)}]; {ctype.name} value[{len(numbers)}]; }} {name}_units = {{\n"
        f"{_literal(width, units)}}};\n"
        f"static const {ctype.name} *const {name} = {name}_units.value;"
    )


def _literal(bits: int, units: Sequence[int]) -> str:
    """String literals, side by side. Every character is an escape, so none swallows the next."""
    lines = (units[at : at + CHARACTERS_PER_LINE] for at in range(0, len(units), CHARACTERS_PER_LINE))
    return "\n".join("    " + _PREFIX[bits] + '"' + "".join(f"\\x{unit:x}" for unit in line) + '"' for line in lines)
