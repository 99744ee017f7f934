"""Host back end: a Plan to one C11 file that matches events in batches.

One idea: fields become columns, predicates become bit masks. ``resolve`` says what is asked, ``program`` orders the
work, ``storage`` gives the values places, ``engine_lanes.h`` holds the operations (AVX-512, AVX2 or portable, chosen
when the C is compiled), and this file and ``engine.c.j2`` put the text together. The same Plan gives the same text.

The file needs gcc or clang on a 64-bit little-endian machine (``__int128``). It exports what
``sevenm.boundary.ENGINE_INTERFACE`` says.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from sevenm import boundary
from sevenm.compiler.backends.c.lookup import choices
from sevenm.compiler.backends.c.naming import Names, fixed_names
from sevenm.compiler.backends.c.resolve import comment_text, fired_max, resolved
from sevenm.compiler.backends.c.states import recurrent
from sevenm.compiler.backends.c.storage import ARENA_STACK_BYTES_MAX, place
from sevenm.compiler.passes.cost import AUTO, Choice
from sevenm.compiler.passes.visibility import explicit_visibility
from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused

_HERE = Path(__file__).parent
LANES = "engine_lanes.h"
LOOKUPS = "engine_lookups.h"
CLASSIFY, LEAVES = "classify.h", "classify_leaves.h"
BOUNDARY = "sm_boundary.h"


class CannotEmit(Refused):
    """The Plan asks for what this back end does not do; the message says what."""


def emit(plan: Plan, classifier: str = AUTO) -> str:
    """The engine's C text, with everything it needs. ``classifier``: how rules are looked up in every block, AUTO for
    what costs least. Raises CannotEmit, ChoiceError if the classifier cannot be had, and RangeError if the Plan was not
    checked and a value leaves 128 bits."""
    text = generated(plan, classifier)
    for name, body in (
        (BOUNDARY, boundary.c_header()),
        *((name, _text(name)) for name in (LANES, LOOKUPS, CLASSIFY, LEAVES)),
    ):
        text = text.replace(f'#include "{name}"\n', body)
    return text


def explained(plan: Plan, classifier: str = AUTO) -> list[Choice]:
    """For every block how its rules are looked up, what it costs, and what else there was to choose from."""
    return [choice for choice, _ in choices(plan, explicit_visibility(plan), classifier)]


def generated(plan: Plan, classifier: str = AUTO) -> str:
    """The part that depends on the Plan; it includes BOUNDARY, LANES, LOOKUPS if it has tables or state, and CLASSIFY
    where the rules of a block are classified."""
    again = recurrent(plan)
    if again is not None:
        raise CannotEmit(
            f"state {again.name}: what it keeps depends on what it kept before, which the host engine does not "
            "evaluate; --engine reference runs it"
        )
    template = (_HERE / "engine.c.j2").read_text()
    explicit = explicit_visibility(plan)
    fixed = (_text(name) for name in (LANES, LOOKUPS, CLASSIFY, LEAVES))
    names = Names(plan, explicit, fixed_names(template, *fixed, boundary.c_header()))
    found = enumerate(classified for _, classified in choices(plan, explicit, classifier))
    classifiers = {number: classified for number, classified in found if classified is not None}
    scheduler = resolved(plan, explicit, names, classifiers)
    program = scheduler.finish()
    layout = place(program, scheduler.nodes, names)
    slot = -(-max(scheduler.slot, scheduler.fixed_span) // 64) * 64
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(template).render(
        name=comment_text(plan.name),
        structure=plan.structure,
        rules=[(row, comment_text(rule.name)) for row, rule in enumerate(plan.rules)],
        fired_max=fired_max(plan),
        counts={"loads": len(explicit.accesses), "statements": len(program.statements)},
        fixed_span=scheduler.fixed_span,
        slot=slot,
        captured=(scheduler.captured.name, explicit.captured),
        tables=program.tables,
        functions=program.functions,
        lookups=bool(plan.tables),
        n_tables=len(plan.tables),
        n_states=len(plan.states),
        states=scheduler.states.sizes(),
        classifiers=[one.made.text for one in classifiers.values()],
        classified_modes={one.block.mode for one in classifiers.values()},
        leaves={node.op for node in explicit.graph.nodes} | ({"time"} if plan.states else set()),
        pools=[{"type": name, "count": count} for name, count in layout.pools.items()],
        words=layout.words,
        results=[{"name": name, "count": count} for name, count in program.results],
        fetch=layout.fetch,
        fetch_names=layout.fetch_names,
        repeat=layout.repeat,
        stages=layout.stages,
        reaches=sorted({kind for kind in ("reach(", "reach_u8(", "reach_u16(", "reach_u32(") if any(
            kind in line for stage in layout.stages for line in stage)}),
        regions=any(s.when for s in program.statements),
        ports=bool(plan.operands),
        arena_static=layout.arena_bytes(program, slot) > ARENA_STACK_BYTES_MAX,
    )  # fmt: skip


def _text(name: str) -> str:
    return (_HERE / name).read_text()
