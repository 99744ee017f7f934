"""Writes the files that take a core into a design.

One idea: each is text made from the Verilog that was written, the Plan, and what was asked for; none knows anything of
its own, so none can say something else than the core.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

import jinja2

from sevenm.compiler.backends.gateware.emit import GatewareSource, plain
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.plan import Plan
from sevenm.hdl.actions.stage import STAGE_CYCLES
from sevenm.manifest import Core

from .numbers import Constant, numbers_of
from .ports import ports_of

TEMPLATES = ("core.vh", "core_inst.v", "core.xdc", "core.sdc", "core.lpf", "bench_run.py", "bench_frames.py")
PS_PER_US = 1_000_000


def integration_of(
    plan: Plan, verilog: str, source: GatewareSource, options: CoreOptions
) -> tuple[Core, tuple[str, ...]]:
    """The manifest's entry for it, and the text of each of TEMPLATES. ``verilog`` is what was made of ``source``."""
    numbers = numbers_of(plan)
    core = Core(
        options.top, source.latency_cycles, options.beat_bits, source.window_beats, options.clock_ps,
        ports_of(verilog, options.top), tuple(part.bits for part in numbers.parts), options.actions,
        options.rows, source.slots,
    )  # fmt: skip
    values = {
        "name": plain(plan.name),
        "digest": plan.digest,
        "top": core.top,
        "prefix": core.top.upper(),
        "actions": None if core.actions is None else json.dumps(asdict(core.actions)),
        "latency": core.latency_cycles,
        "ports": core.ports,
        "shape": _shape(core),
        "numbers": numbers,
        "ns": f"{options.clock_ps / 1000:.3f}",
        "mhz": f"{PS_PER_US / options.clock_ps:.6f}".rstrip("0").rstrip("."),
        "range": lambda width: "" if width == 1 else f"[{width - 1}:0] ",
    }
    return core, tuple(_templates().get_template(f"{name}.j2").render(values) for name in TEMPLATES)


def _shape(core: Core) -> list[Constant]:
    """What a core is like as a whole."""
    actions = [Constant("ACTIONS_LATENCY", STAGE_CYCLES, None, "cycles that the stage of actions.v takes more")]
    width = {port.name: port.width for port in core.ports}
    return [
        Constant("LATENCY", core.latency_cycles, None, "cycles from a packet's first beat in to its first beat out"),
        Constant("WINDOW_BEATS", core.window_beats, None, "beats at the start of a packet that it looks at"),
        Constant("DATA_WIDTH", width["s_axis_tdata"], None, "bits of tdata"),
        Constant("KEEP_WIDTH", width["s_axis_tkeep"], None, "bits of tkeep"),
        Constant("BLOCKS_WIDTH", width["m_verdict_blocks"], None, "bits of m_verdict_blocks"),
        Constant("CHANNELS_WIDTH", width["m_verdict_channels"], None, "bits of m_verdict_channels"),
        Constant("FORWARD_WIDTH", width["m_verdict_forward"], None, "bits of m_verdict_forward, one a port"),
        *(actions if core.actions is not None else ()),
    ]


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False,
    )  # fmt: skip
    environment.filters["plain"] = plain
    return environment
