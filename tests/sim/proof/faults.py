"""Faults that are seeded into the Verilog of a core's decision module, one at a time.

One idea: a fault is an edit of one line of the text, found by what the line looks like; so it can be seeded into any
core, and says what an engineer or a compiler could have got wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Kind:
    """``line`` finds the lines that it can be seeded into; ``edit`` makes the wrong one."""

    name: str
    line: str
    edit: Callable[[re.Match[str], Random], str]


def _flipped(found: re.Match[str], random: Random) -> str:
    """A constant with one bit inverted."""
    width, base, digits = found.group(2, 3, 4)
    value = int(digits, 16) ^ 1 << random.randrange(int(width))
    return f"{found.group(1)}{width}'{base}{value:x}{found.group(5)}"


def _shifted(found: re.Match[str], random: Random) -> str:
    """The bit beside the one that is meant."""
    at = int(found.group(2))
    return f"{found.group(1)}[{at + 1 if at == 0 else at - 1}]{found.group(3)}"


def _as(pattern: str) -> Callable[[re.Match[str], Random], str]:
    return lambda found, random: found.expand(pattern)


KINDS = (
    Kind("and for or", r"^(  assign .* )\|( .*;)$", _as(r"\1&\2")),
    Kind("or for and", r"^(  assign .* )&( .*;)$", _as(r"\1|\2")),
    Kind("lost inversion", r"^(  assign .* = )~ ?(.*;)$", _as(r"\1\2")),
    Kind("minus for plus", r"^(  assign .* )\+( .*;)$", _as(r"\1-\2")),
    Kind("plus for times", r"^(  assign .* )\*( .*;)$", _as(r"\1+\2")),
    Kind("equal for not equal", r"^(  assign .*)!=(.*;)$", _as(r"\1==\2")),
    Kind("not equal for equal", r"^(  assign .*)==(.*;)$", _as(r"\1!=\2")),
    Kind("swapped operands of a comparison", r"^(  assign .* = )([^<?]*) < ([^<?]*);$", _as(r"\1\3 < \2;")),
    Kind("swapped arms", r"^(  assign .* \? )(.*) : (.*);$", _as(r"\1\3 : \2;")),
    Kind("changed constant", r"^(  assign .*?)\b(\d+)'(h)([0-9a-f]+)(.*;)$", _flipped),
    Kind("wrong bit", r"^(  assign .*\bconditions\w*)\[(\d+)\](.*;)$", _shifted),
    Kind("a register less", r"^  always @\(posedge clk\)\n    (\S+) +<= ([^;]*);$", _as(r"  always @* \1 = \2;")),
)  # fmt: skip


def faults(
    verilog: str, module: str, seed: int, each: int, kinds: Sequence[Kind] = KINDS
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """(what is wrong, the Verilog with it): of every kind so many, where there are places for it."""
    random = Random(seed)
    start = verilog.index(f"module {module}(")
    stop = verilog.index("endmodule", start)
    text = verilog[start:stop]
    for kind in kinds:
        places = list(re.finditer(kind.line, text, re.MULTILINE))
        for found in random.sample(places, min(each, len(places))):
            wrong = kind.edit(found, random)
            if wrong != found.group():
                line = verilog[: start + found.start()].count("\n") + 1
                before, after = verilog[: start + found.start()], verilog[start + found.end() :]
                yield f"{kind.name}, line {line}", before + wrong + after
