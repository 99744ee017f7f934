"""Plan to Verilog: what ``gateware`` wrote, run and converted by Amaranth with its Yosys."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from amaranth.back import verilog

from sevenm.compiler.backends.gateware.emit import emit_source, load_source, plain
from sevenm.compiler.plan import Plan

TOP = "sevenm_core"
"""Name of the Verilog module."""


@lru_cache(maxsize=4)
def to_verilog(plan: Plan) -> str:
    """The core of a Plan as Verilog-2005, top module TOP; the same Plan gives the same text."""
    source = emit_source(plan)
    core = load_source(source).Core()
    with _collector_paused():
        text: str = verilog.convert(core, name=TOP, ports=core.ports(), emit_src=False, strip_internal_attrs=True)
    header = (
        f"// Match core of Plan {plain(plan.name)}\n"
        f"// digest  {plan.digest}\n// latency {source.latency_cycles} cycles\n"
    )
    return header + text


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
