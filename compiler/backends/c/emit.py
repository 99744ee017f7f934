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
from sevenm.compiler.backends.c.naming import Names, fixed_names
from sevenm.compiler.backends.c.operations import REFUSES
from sevenm.compiler.backends.c.resolve import comment_text, fired_max, resolved
from sevenm.compiler.backends.c.storage import ARENA_STACK_BYTES_MAX, place
from sevenm.compiler.passes.visibility import explicit_visibility
from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused

_HERE = Path(__file__).parent
LANES = "engine_lanes.h"
BOUNDARY = "sm_boundary.h"


class CannotEmit(Refused):
    """The Plan asks for what this back end does not do; the message says what."""


def emit(plan: Plan) -> str:
    """The engine's C text, with everything it needs. Raises CannotEmit, and RangeError if the Plan was not checked and
    a value leaves 128 bits."""
    text = generated(plan)
    for name, body in ((BOUNDARY, boundary.c_header()), (LANES, (_HERE / LANES).read_text())):
        text = text.replace(f'#include "{name}"\n', body)
    return text


def generated(plan: Plan) -> str:
    """The part that depends on the Plan; it includes LANES and BOUNDARY."""
    refused = sorted({node.op for node in plan.nodes} & REFUSES)
    if refused:
        raise CannotEmit(f"the host engine has no {' and no '.join(refused)}; use the reference")
    template = (_HERE / "engine.c.j2").read_text()
    explicit = explicit_visibility(plan)
    names = Names(plan, explicit, fixed_names(template, (_HERE / LANES).read_text(), boundary.c_header()))
    scheduler = resolved(plan, explicit, names)
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
        leaves={node.op for node in explicit.graph.nodes},
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
