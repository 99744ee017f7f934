"""Plan to Amaranth: the decision pipeline and the core around it, as source text that people can read.

One idea: the text is the back end. It is a plain module that imports only amaranth and sevenm.hdl, and Verilog is
made by running it; there is no second path that could differ from what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2

from sevenm.compiler.backends.gateware.lower import Lowering
from sevenm.compiler.backends.gateware.schedule import Schedule, Stage, schedule
from sevenm.compiler.backends.gateware.text import NetText, wrapped
from sevenm.compiler.backends.gateware.verdict import Verdict, lower_verdict
from sevenm.compiler.backends.gateware.window import WINDOW
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.plan import Plan
from sevenm.hdl.core import core_latency

LATENCY_TARGET = {"packet": 32, "record": 14}
"""Cycles that a core should not take more than, by the Plan's source."""
DELAY_MIN = 4
"""Stages that a vector passes unseen from which on a memory takes it there instead of registers."""
LEVELS = (2, 3, 4)
"""Logic levels between registers, fewest (and so the fastest clock) first."""


@dataclass(frozen=True, slots=True)
class GatewareSource:
    """``text`` is the module ``core.py`` with the classes ``Decision`` and ``Core``; ``latency_cycles`` is from a
    packet's first beat in to its first beat out; ``levels`` the logic levels between two registers."""

    text: str
    latency_cycles: int
    window_beats: int
    levels: int


@lru_cache(maxsize=4)
def emit_source(plan: Plan, levels: int | None = None) -> GatewareSource:
    """The core of a Plan. Without ``levels`` the fewest levels are taken that meet LATENCY_TARGET, else the most.

    The same Plan gives the same text, byte for byte.
    """
    plan = punt(plan, WINDOW)
    choices = LEVELS if levels is None else (levels,)
    for choice in choices:
        lowering = Lowering(plan, choice)
        lowering.run()
        verdict = lower_verdict(plan, lowering)
        plan_schedule = schedule(lowering.nets, verdict.roots)
        latency = core_latency(lowering.beats, plan_schedule.latency)
        if latency <= LATENCY_TARGET[plan.source]:
            break
    text = _render(plan, lowering, verdict, plan_schedule, latency)
    return GatewareSource(text, latency, lowering.beats, choice)


def load_source(source: GatewareSource) -> Any:
    """Runs the text and returns its module, which has the classes ``Core`` and ``Decision``."""
    module = ModuleType("sevenm_core")
    exec(compile(source.text, "core.py", "exec"), module.__dict__)
    return module


def _render(plan: Plan, lowering: Lowering, verdict: Verdict, timing: Schedule, latency: int) -> str:
    text = NetText(lowering.nets, timing.single)
    stages: list[list[str]] = []
    held: dict[int, _Held] = {}
    for number, stage in enumerate(timing.stages):
        lines = list(_entry(text, number, stage, held)) if number else []
        origin = {vector: held[vector].first if vector in held else 0 for vector in stage.ranges}
        for ref in stage.computed:
            if not text.fold(ref, origin):
                name = text.name(ref)
                lines.append(f'{name} = p.wire("{name}", {text.shape(ref)}, {text.expression(ref, origin)})')
        if number < timing.latency:
            lines += _list("return window, visible, [", timing.stages[number + 1].carried, text, "]")
        stages.append(lines)
    outputs = [*stages.pop(), *_verdict(verdict, text)]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False,
    )  # fmt: skip
    return environment.get_template("core.py.j2").render(
        name=plain(plan.name),
        digest=plan.digest,
        latency_cycles=latency,
        decision_latency=timing.latency,
        beats=lowering.beats,
        window_bytes=lowering.window_bytes,
        rules=[plain(rule.name) for rule in plan.rules],
        channels=[plain(channel) for channel in plan.channels],
        stages=stages,
        outputs=outputs,
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """What a vector's name stands for: its units from ``first`` on, as they are in ``stage``."""

    first: int
    stage: int


def _entry(text: NetText, number: int, stage: Stage, held: dict[int, _Held]) -> Iterator[str]:
    """The registers that lead into a stage."""
    yield "p.next()"
    for vector, (start, stop) in stage.ranges.items():
        now = held.get(vector, _Held(0, 0))
        gap = stage.next_use[vector] - now.stage
        if gap >= DELAY_MIN and number < stage.next_use[vector]:
            continue
        unit, name = text.unit(vector), text.name(vector)
        part = f"{name}[{unit * (start - now.first)}:{unit * (stop - now.first)}]"
        what = f"{'bytes' if unit == 8 else 'bits'} {start} to {stop - 1}"
        if gap >= DELAY_MIN:
            yield f'{name} = p.delay("{name}", {part}, {gap})  # {what}'
        else:
            yield f'{name} = p.reg("{name}", {part})  # {what}'
        held[vector] = _Held(start, number)
    if stage.carried:
        yield from _list("[", stage.carried, text, "] = p.regs(carried)")


def _list(before: str, refs: Sequence[int], text: NetText, after: str) -> Iterator[str]:
    yield from wrapped(before, [text.name(ref) for ref in refs], after)


def _verdict(verdict: Verdict, text: NetText) -> Iterator[str]:
    yield "return {"
    for name in ("fired", "channels", "forward"):
        refs: tuple[int, ...] = getattr(verdict, name)
        if refs:
            for line in wrapped(f'"{name}": Cat(', [text.use(ref, bit=True) for ref in refs], "),"):
                yield f"    {line}"
    for name in ("drop", "malformed", "truncated"):
        yield f'    "{name}": {text.use(getattr(verdict, name))},'
    yield "}"


def plain(name: str) -> str:
    """A name as it may stand in a docstring or comment of generated text."""
    return name.encode("ascii", "backslashreplace").decode().replace("\\", "/").replace('"', "'").replace("\n", " ")
