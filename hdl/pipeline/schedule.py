"""Which registers lie between which stages.

One idea: every net has its stage by now; a value is registered from there to the last stage that uses it, and the
window shrinks to the bytes that a later stage still moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .netlist import INLINE, INPUTS, VECTORS, Net, Netlist
from .retime import retime


@dataclass(frozen=True, slots=True)
class Stage:
    """``carried``: nets of earlier stages that are registered on entry to this one; ``computed``: nets made here, in
    order; ``started``: nets with cycles of their own, whose operands are used here. ``ranges``: for each input vector
    that is used here or later, the units [start, stop) still needed; ``next_use``: the first stage from here on that
    uses it."""

    carried: tuple[int, ...]
    computed: tuple[int, ...]
    started: tuple[int, ...]
    ranges: dict[int, tuple[int, int]]
    next_use: dict[int, int]


@dataclass(frozen=True, slots=True)
class Schedule:
    """``stages[latency]`` holds only registers: the verdict. ``latency`` is in cycles, at least 1. ``single`` are
    the nets that are used once, in their own stage."""

    stages: tuple[Stage, ...]
    latency: int
    single: frozenset[int]


def schedule(nets: Netlist, roots: Sequence[int]) -> Schedule:
    placed, latency = retime(nets, roots)
    last_use: dict[int, int] = {}
    needs: dict[int, dict[int, tuple[int, int]]] = {}
    pending: dict[int, int] = dict.fromkeys(roots, latency)
    uses = dict.fromkeys(roots, 2)
    for ref in range(len(nets.nets) - 1, -1, -1):
        stage = pending.get(ref)
        if stage is None:
            continue
        net = nets[ref]
        last_use[ref] = stage
        # An inline net is written where it is used, so its operands are used there.
        used = stage if net.op in INLINE else placed[ref] - net.cycles
        for arg in net.args:
            pending[arg] = max(pending.get(arg, 0), used)
            uses[arg] = uses.get(arg, 0) + 1
            if net.op in INLINE:
                uses[arg] += uses[ref] - 1
            if nets[arg].op in VECTORS:
                _need(needs.setdefault(arg, {}), written(net, used + net.cycles), _units(nets, ref))
    single = [r for r, last in last_use.items() if uses[r] == 1 and last == placed[r]]
    carried: list[list[int]] = [[] for _ in range(latency + 1)]
    computed: list[list[int]] = [[] for _ in range(latency + 1)]
    started: list[list[int]] = [[] for _ in range(latency + 1)]
    for ref in sorted(last_use):
        net = nets[ref]
        if net.op in INLINE or net.op in VECTORS:
            continue
        if net.op not in INPUTS:
            computed[placed[ref]].append(ref)
        if net.cycles:
            started[placed[ref] - net.cycles].append(ref)
        for stage in range(placed[ref] + 1, last_use[ref] + 1):
            carried[stage].append(ref)
    stages = []
    for stage in range(latency + 1):
        ranges, next_use = {}, {}
        for vector, by_stage in needs.items():
            later = [r for at, r in by_stage.items() if at >= stage]
            if later:
                ranges[vector] = (min(a for a, _ in later), max(b for _, b in later))
                next_use[vector] = min(at for at in by_stage if at >= stage)
        stages.append(Stage(tuple(carried[stage]), tuple(computed[stage]), tuple(started[stage]), ranges, next_use))
    return Schedule(tuple(stages), latency, frozenset(single))


def written(net: Net, stage: int) -> int:
    """The stage in which what a net in ``stage`` reads of a vector is taken: for a memory, where it is written."""
    return max(0, stage - net.attrs[1]) if net.op == "fetch" else stage


def _need(by_stage: dict[int, tuple[int, int]], stage: int, units: tuple[int, int]) -> None:
    old = by_stage.get(stage, units)
    by_stage[stage] = (min(old[0], units[0]), max(old[1], units[1]))


def _units(nets: Netlist, ref: int) -> tuple[int, int]:
    """Bytes, or bits of ``keep``, that a net reads from its first operand."""
    net = nets[ref]
    if net.op == "fetch":
        return 0, nets[net.args[0]].width // 8
    if net.op == "bytes":
        return net.attrs[0], net.attrs[0] + net.attrs[1]
    if net.op == "flag":
        return net.attrs[0], net.attrs[0] + 1
    unit, length, *offsets = net.attrs
    limit = nets[net.args[0]].width // unit
    start, stop = max(0, min(offsets)), min(limit, max(offsets) + length)
    return (start, stop) if start < stop else (0, 1)
