"""The ports of a Verilog module, read out of what was written: there is no list beside it that could differ."""

from __future__ import annotations

import re

from sevenm.manifest import Port

_DECLARED = re.compile(r"^ *(input|output) (?:wire |reg )?(?:\[(\d+):0\] )?(\w+);", re.MULTILINE)
_GROUPS = ("clk", "rst", "s_axis_", "m_axis_", "m_verdict_", "")


def ports_of(verilog: str, top: str) -> tuple[Port, ...]:
    """The ports of module ``top``: clock, reset, the streams, the rest. Raises ValueError where there is no such
    module."""
    module = re.search(rf"^module {re.escape(top)}\(.*?^endmodule", verilog, re.DOTALL | re.MULTILINE)
    if module is None:
        raise ValueError(f"the Verilog has no module {top}")
    found = [Port(name, direction, int(msb or 0) + 1) for direction, msb, name in _DECLARED.findall(module[0])]
    return tuple(sorted(found, key=lambda port: next(i for i, g in enumerate(_GROUPS) if port.name.startswith(g))))
