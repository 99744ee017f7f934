"""RTLIL as lint tools want to see it: operands as wide as what is made of them, and plain module names.

One idea: Amaranth shortens operands and relies on Verilog to widen them again, which is right, and of which every lint
tool complains. So what it shortened is written out, in RTLIL, where an operation is one cell with its widths beside it.
"""

from __future__ import annotations

import re

_CELL = re.compile(
    r"  cell \$(?P<op>add|sub|mul|eq|ne|lt|le|gt|ge|shl|shr|sshr) .*\n(?:    .*\n)*?  end\n", re.MULTILINE
)
_PARAMETER = re.compile(r"    parameter \\(\w+) (\d+)\n")
_CONSTANT = re.compile(r"\d+'([01]+)$")
_SHIFTS = ("shl", "shr", "sshr")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


def widened(rtlil: str) -> str:
    """The same design, with both operands of arithmetic as wide as its result and of comparisons equally wide."""
    return _CELL.sub(lambda match: _cell(match[0], match["op"]), rtlil)


def renamed(rtlil: str, top: str) -> str:
    """Submodules as ``top_part`` instead of ``top.part``, which many tools take only in quotes."""
    prefix = re.escape(f"\\{top}.")
    return re.sub(rf"(?m)^(module|  cell) {prefix}(\S+)", lambda m: f"{m[1]} \\{top}_{m[2].replace('.', '_')}", rtlil)


def _cell(text: str, op: str) -> str:
    parameters = {name: int(value) for name, value in _PARAMETER.findall(text)}
    wanted = parameters["Y_WIDTH"]
    if op in _COMPARISONS:
        wanted = max(parameters["A_WIDTH"], parameters["B_WIDTH"])
    for side in "A" if op in _SHIFTS else "AB":
        width = parameters[f"{side}_WIDTH"]
        if width < wanted:
            text = text.replace(f"\\{side}_WIDTH {width}\n", f"\\{side}_WIDTH {wanted}\n")
            signal = re.search(rf"    connect \\{side} (.*)\n", text)
            assert signal is not None, f"a cell without operand {side}: {text}"
            longer = _extended(signal[1], width, wanted, bool(parameters[f"{side}_SIGNED"]))
            text = text[: signal.start(1)] + longer + text[signal.end(1) :]
    return text


def _extended(signal: str, width: int, wanted: int, is_signed: bool) -> str:
    constant = _CONSTANT.match(signal)
    if constant:
        sign = constant[1][0] if is_signed else "0"
        return f"{wanted}'{sign * (wanted - width)}{constant[1]}"
    if is_signed:
        return f"{{ {f'{signal} [{width - 1}] ' * (wanted - width)}{signal} }}"
    return f"{{ {wanted - width}'{'0' * (wanted - width)} {signal} }}"
