"""Plan to Verilog: what ``emit`` wrote, run, and converted by Amaranth with its Yosys.

One idea: two cores may stand in one design, so every module of a core begins with the name of its top; and lint tools
find nothing in it that they report unasked.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil

from sevenm.compiler.backends.gateware.emit import GatewareSource, emit_source, load_source, plain
from sevenm.compiler.backends.gateware.keywords import KEYWORDS
from sevenm.compiler.backends.gateware.memories import AUTO
from sevenm.compiler.backends.gateware.options import TOP
from sevenm.compiler.backends.gateware.target import WINDOW
from sevenm.compiler.backends.gateware.widths import renamed, widened
from sevenm.compiler.plan import Plan
from sevenm.hdl.axis import BEAT_BYTES

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_YOSYS_MIN = (0, 40)
_SCRIPT = (
    "proc -nomux -norom -noopt",
    "memory_collect",
    "attrmap -remove generator -remove top -remove src -remove amaranth.hierarchy",
    "attrmap -modattr -remove generator -remove top -remove src -remove amaranth.hierarchy",
    "write_verilog -norename",
)


def to_verilog(
    plan: Plan, top: str = TOP, window: int = WINDOW, beat_bytes: int = BEAT_BYTES, rows: str = AUTO
) -> str:  # fmt: skip
    """The core of a Plan as Verilog-2005, for beats of ``beat_bytes``, top module ``top``, its other modules
    ``top_...``; the same Plan gives the same text. Raises ValueError for a name that is none in Verilog,
    NotInGateware, TablesTooLarge."""
    if not _NAME.fullmatch(top):
        raise ValueError(f"a module's name is made of letters, digits and _, and starts with no digit: not {top!r}")
    if top in KEYWORDS:
        raise ValueError(f"a module cannot be called {top}, which is a word of Verilog")
    source = emit_source(plan, window=window, beat_bytes=beat_bytes, rows=rows)
    header = f"// Match core of Plan {plain(plan.name)}\n// digest  {plan.digest}\n"
    return f"{header}// latency {source.latency_cycles} cycles\n{_convert(source, top)}"


@lru_cache(maxsize=4)
def _convert(source: GatewareSource, top: str) -> str:
    return verilog_of(load_source(source).Core(), top)


def verilog_of(component: Any, top: str) -> str:
    """A component with ``ports()`` as module ``top`` and modules ``top_...``."""
    with _collector_paused():
        text: str = rtlil.convert(component, name=top, ports=component.ports(), emit_src=False)
        text = renamed(widened(text), top)
    return _run_yosys("\n".join((f"read_rtlil <<rtlil\n{text}\nrtlil", *_SCRIPT)))


def _run_yosys(script: str) -> str:
    """Amaranth's own choice of Yosys, without the passes that make a comparison with 0 a logical not."""
    yosys: Any = find_yosys(lambda version: version >= _YOSYS_MIN)
    verilog: str = yosys.run(["-q", "-"], script, ignore_warnings=True)
    return verilog


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A conversion makes millions of small objects and hardly any cycle: looking for those takes a quarter of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
