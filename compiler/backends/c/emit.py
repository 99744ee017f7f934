"""Host back end: a Plan to one C11 file that matches events in batches.

One idea: fields become columns, predicates become bit masks. ``host_c_program`` orders the work, ``host_c_storage``
gives the values places, ``engine_lanes.h`` holds the operations (AVX-512, AVX2 or portable, chosen when the C is
compiled), and this file and ``engine.c.j2`` put the text together. The same Plan gives the same text.

The file needs gcc or clang on a 64-bit little-endian machine (``__int128``). It exports ``sm_match`` and
``sm_info``; see the head of the template for their contract.
"""

from __future__ import annotations

import re
from pathlib import Path

import jinja2

from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.storage import ARENA_STACK_BYTES_MAX, place
from sevenm.compiler.passes.visibility import explicit_visibility
from sevenm.compiler.plan import Plan

_HERE = Path(__file__).parent
_NAME_MAX = 80


def emit(plan: Plan) -> str:
    """The engine's C text. Raises RangeError if the Plan was not checked and a value leaves 128 bits."""
    explicit = explicit_visibility(plan)
    scheduler = Scheduler(explicit)
    _rules(plan, scheduler, explicit.roots)
    program = scheduler.finish()
    layout = place(program)
    span = max(scheduler.span, scheduler.fixed_span)
    slot = -(-span // 64) * 64
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string((_HERE / "engine.c.j2").read_text()).render(
        name=comment_text(plan.name),
        digest=plan.digest,
        rules=plan.rules,
        counts={"loads": len(explicit.accesses), "statements": len(program.statements)},
        fixed_span=scheduler.fixed_span,
        span=span,
        slot=slot,
        lanes=(_HERE / "engine_lanes.h").read_text(),
        tables=program.tables,
        size=any(node.op == "size" for node in plan.nodes),
        pools=[{"type": name, "count": count} for name, count in layout.pools.items()],
        words=layout.words,
        results=[{"name": name, "count": count} for name, count in program.results],
        fetch=layout.fetch,
        blank=layout.blank,
        stages=layout.stages,
        regions=any(s.when for s in program.statements),
        arena_static=layout.arena_bytes(program, slot) > ARENA_STACK_BYTES_MAX,
    )


def comment_text(name: str) -> str:
    """A name that can stand in a C comment: no end of comment, line or trigraph in it, at most 80 characters."""
    return re.sub(r"[^A-Za-z0-9_.:#@+ -]", "_", name)[:_NAME_MAX]


def _rules(plan: Plan, scheduler: Scheduler, roots: tuple[int, ...]) -> None:
    """One row per rule, blocks resolved; then the rows for malformed and truncated events."""
    for block in plan.blocks:
        defaulted = block.stop > block.start and plan.rules[block.stop - 1].default
        chained = block.mode == "first" or defaulted
        scheduler.say(f"/* block {comment_text(block.name)}: {'first' if block.mode == 'first' else 'all'} */")
        if chained:
            scheduler.say("c->taken = 0;")
        for row in range(block.start, block.stop):
            rule = plan.rules[row]
            scheduler.demand(roots[row])
            when = scheduler.word(roots[row])
            waits = chained and (block.mode == "first" or rule.default)
            text = [
                f"/* rule {row}: {comment_text(rule.name)} */",
                f"row[{row} * SM_WORDS] = {when} & live{' & ~c->taken' if waits else ''};",
            ]
            if chained and row < block.stop - 1:
                text.append(f"c->taken |= row[{row} * SM_WORDS];")
            scheduler.say("\n".join(text))
    for name, root, offset in (
        ("malformed", roots[len(plan.rules)], "SM_RULES"),
        ("truncated", roots[len(plan.rules) + 1], "SM_RULES + 1"),
    ):
        scheduler.demand(root)
        scheduler.say(f"row[({offset}) * SM_WORDS] = {scheduler.word(root)} & live; /* {name} */")
