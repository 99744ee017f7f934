"""XDP back end: a Plan to one C file for clang's BPF target, which drops what no rule wants before it is received.

One idea: an event that no rule fires on leaves nothing behind but its place in the counts, so it may as well be dropped
where it arrives, and counted there. Which events those are is a condition of the same graph; it is weakened to what the
target can compute (``relax``) and to the bytes that it looks at (``sevenm.compiler.passes.punt``), and where the target
cannot tell, the packet is received, and decided by the host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import jinja2

from sevenm.boundary import SIZE_MAX
from sevenm.compiler.backends.c.resolve import comment_text
from sevenm.compiler.backends.xdp.relax import relax
from sevenm.compiler.backends.xdp.schedule import FORGET, Emitter
from sevenm.compiler.backends.xdp.target import WINDOWS, NoPrefilter
from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.plan import Block, Plan, Rule, prune
from sevenm.compiler.plan.graph import Graph, rebuild
from sevenm.compiler.plan.ops import RangeError

TEMPLATE = Path(__file__).parent / "prefilter.c.j2"
WORK_BYTES = 32768
"""Room to work in: the bytes of the window, and values that are used in several places."""


@dataclass(frozen=True, slots=True)
class Prefilter:
    """``text``: C. ``plan``: what it computes, a Plan of one rule, ``wanted``; it or ``punt`` lets a packet through.
    ``weak``: rules that let through more than they want, with the reason."""

    text: str
    plan: Plan
    window: int
    weak: dict[str, str]


def emit(plan: Plan) -> Prefilter:
    """The prefilter of the Plan with the rows that its tables have now. Raises NoPrefilter."""
    if plan.source != "packet":
        raise NoPrefilter("the rules are on records, and XDP sees packets")
    first, lacks = relax(plan)
    second, more = relax(inline_tables(first))
    reasons = [a or b for a, b in zip(lacks, more, strict=False)]
    names = [f"{plan.blocks[rule.block].name}.{rule.name}" for rule in plan.rules]
    names += [rule.name for rule in first.rules[len(names) :]]
    for name, rule, why in zip(names, second.rules, reasons, strict=False):
        if second.nodes[rule.when].lo == 1:
            raise NoPrefilter(f"{name} wants every packet" + (f", or depends on {why}" if why else ""))
    wanted = _merged(second)
    if wanted.nodes[wanted.rules[0].when].lo == 1:
        raise NoPrefilter("the rules together want every packet")
    window = next((w for w in WINDOWS if w >= wanted.reach), WINDOWS[-1])
    try:
        seen = punt(wanted, window)
    except RangeError as error:
        raise NoPrefilter(f"the limits of what is looked at cannot be computed: {error}") from error
    parts, words = Emitter(seen, window).run()
    if window + 16 + 8 * words > WORK_BYTES:
        raise NoPrefilter(
            f"{words:,} values have to be kept, and there is room for {(WORK_BYTES - window - 16) // 8:,}"
        )
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False, trim_blocks=True
    )
    text = environment.from_string(TEMPLATE.read_text()).render(
        name=comment_text(plan.name),
        digest=plan.digest,
        size_max=SIZE_MAX,
        window=window,
        parts=parts,
        words=words,
        forget=FORGET,
    )
    return Prefilter(text, seen, window, {n: why for n, why in zip(names, reasons, strict=False) if why is not None})


def _merged(plan: Plan) -> Plan:
    """All rules as one."""
    g = Graph()
    new = rebuild(g, plan.nodes)
    when = g.any(*(new[rule.when] for rule in plan.rules))
    nodes, at = prune(g.nodes, [g.false, when])
    out = replace(
        plan, nodes=nodes, malformed=at[g.false], truncated=at[g.false], punt=at[g.false],
        rules=(Rule("wanted", 0, at[when]),), blocks=(Block("wanted", "all", 0, 1),),
    )  # fmt: skip
    out.check()
    return out
