"""Plan to Amaranth: a core as source text that people can read.

One idea: the text is the back end. It is a plain module that imports only sevenm.hdl, and Verilog is made by running
it; there is no second path that could differ from what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2

from sevenm.boundary import PORTS
from sevenm.compiler.plan import Name, Plan, Rule
from sevenm.hdl import pipeline
from sevenm.hdl.axis import BEAT_BYTES
from sevenm.hdl.core import core_latency
from sevenm.hdl.pipeline.pipeline import LEVELS, place
from sevenm.hdl.pipeline.reach import reach

from .memories import AUTO, memory_slots
from .rows import table_lines
from .target import WINDOW, for_gateware
from .words import Words, unique, wrapped

LATENCY_TARGET = {"packet": 30, "record": 15}
"""Cycles that a core should not take more than, beside those in which the window's beats come, by the Plan's source."""


@dataclass(frozen=True, slots=True)
class GatewareSource:
    """``text`` is the module ``core.py`` with the classes ``Match`` and ``Core``; ``latency_cycles`` is from a packet's
    first beat in to its first beat out; ``window_beats`` the beats, of ``beat_bytes``, that it looks at; ``levels`` the
    logic levels between two registers; ``slots`` those of each table's memory, 0 where its rows are wired."""

    text: str
    latency_cycles: int
    window_beats: int
    beat_bytes: int
    levels: int
    slots: tuple[int, ...]


def emit_source(
    plan: Plan,
    levels: int | None = None,
    window: int = WINDOW,
    beat_bytes: int = BEAT_BYTES,
    rows: str = AUTO,
    marks: bool = True,
) -> GatewareSource:
    """The core of a Plan, which takes ``beat_bytes`` a cycle, looks at the first ``window`` bytes of each packet and
    punts what needs more. Without ``levels`` the fewest levels are taken that meet LATENCY_TARGET, else the most.
    ``rows``: which tables are wired and which are memories (``memory_slots``); without ``marks`` malformed and
    truncated are said of no packet.

    The same Plan gives the same text, byte for byte. Raises NotInGateware, TablesTooLarge.
    """
    return _emit(plan, tuple(plan.names.pairs()), levels, window, beat_bytes, rows, marks)


@lru_cache(maxsize=4)
def _emit(
    plan: Plan,
    names: tuple[tuple[int, Name], ...],
    levels: int | None,
    window: int,
    beat_bytes: int,
    rows: str,
    marks: bool,
) -> GatewareSource:
    """``names`` are the Plan's, which say nothing of its meaning, and so are no part of its equality."""
    write = _Writer(plan, window, beat_bytes, rows, marks)
    match = _run(write.text(1, 1, LEVELS[0], 1, 1)).Match
    for choice in LEVELS if levels is None else (levels,):
        placed = place(match, choice, beat_bytes)
        latency = core_latency(placed.beats, placed.latency)
        if latency - placed.beats <= LATENCY_TARGET[plan.source]:
            break
    text = write.text(latency, placed.latency, choice, placed.beats, reach(placed.program))
    return GatewareSource(text, latency, placed.beats, beat_bytes, choice, write.slots)


def load_source(source: GatewareSource) -> Any:
    """Runs the text and returns its module, which has the classes ``Match`` and ``Core``."""
    return _run(source.text)


def _run(text: str) -> Any:
    module = ModuleType("sevenm_core")
    exec(compile(text, "core.py", "exec"), module.__dict__)
    return module


class _Writer:
    """The text of one Plan, but for the numbers that come from placing what it says."""

    def __init__(self, plan: Plan, window: int, beat_bytes: int, rows: str, marks: bool) -> None:
        self.digest, self.structure = plan.digest, plan.structure
        self.beat_bytes = beat_bytes
        self.plan, self.window = for_gateware(plan, window, rows, marks), window
        self.words = Words(self.plan, window + 1)
        self.slots = memory_slots(plan, rows)
        slots = [count for count in self.slots if count]
        self.tables = list(table_lines(self.plan.tables, self.words.tables, slots))

    def text(self, latency: int, decision_latency: int, levels: int, beats: int, reaching: int) -> str:
        plan = self.plan
        lines, doubts = [*self.tables, *self.words.lines], self.words.doubts
        program = list(self._program())
        used = set(re.findall(r"\w+", "\n".join([*lines, *doubts, *program])))
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True,
            keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False,
        )  # fmt: skip
        return environment.get_template("core.py.j2").render(
            name=plain(plan.name), digest=self.digest, rules=plan.rules, latency=latency, beats=beats,
            reach=reaching, beat_bytes=self.beat_bytes, window=self.window, lines=lines, doubts=doubts,
            program=program, levels=levels, decision_latency=decision_latency,
            structure=self.structure if plan.tables else "",
            imports=[n for n in pipeline.__all__ if n in used or n in ("Description", "Pipeline")],
        )  # fmt: skip

    def _program(self) -> Iterator[str]:
        plan, words = self.plan, self.words
        taken = set(words.names.values())
        for block in plan.blocks:
            name = unique(f"block_{block.name}", taken)
            mode = "First" if block.mode == "first" else "All"
            rules = [self._rule(rule) for rule in plan.rules[block.start : block.stop]]
            if len(rules) < 2:
                yield f"{name} = {mode}({''.join(rules)})"
                continue
            yield f"{name} = {mode}("
            yield from (f"    {rule}," for rule in rules)
            yield ")"
        yield from wrapped("channels = ", several(quoted(channel) for channel in plan.channels))
        for name in ("malformed", "truncated", "punt"):
            node = getattr(plan, name)
            if plan.nodes[node].op != "const" or plan.nodes[node].attrs != (0,):
                yield from wrapped(f"{name} = ", words.use(node))

    def _rule(self, rule: Rule) -> str:
        parts = [self.words.use(rule.when)]
        if rule.deliver:
            parts.append(f"deliver={several(quoted(self.plan.channels[c]) for c in rule.deliver)}")
        if rule.forward:
            parts.append(f"forward={several(str(port) for port in range(PORTS) if rule.forward >> port & 1)}")
        if rule.operands:
            parts.append(f"forward_to={several(self.words.use(node) for node in rule.operands)}")
        parts += [f"{flag}=True" for flag in ("drop", "default") if getattr(rule, flag)]
        return f"Rule({', '.join(parts)})"


def plain(name: str) -> str:
    """A name as it may stand in a docstring or comment of generated text."""
    return name.encode("ascii", "backslashreplace").decode().replace("\\", "/").replace('"', "'").replace("\n", " ")


def quoted(name: str) -> str:
    """A name as a literal of Python."""
    return f'"{name}"' if name.isascii() and name.isprintable() and not set(name) & {'"', "\\"} else ascii(name)


def several(items: Iterable[str]) -> str:
    """A tuple of these."""
    texts = list(items)
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
