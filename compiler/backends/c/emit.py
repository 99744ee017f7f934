"""Host back end: a Plan to one C11 file that matches events in batches.

One idea: fields become columns, predicates become bit masks. ``resolve`` says what is asked, ``program`` orders the
work, ``storage`` gives the values places, ``engine_lanes.h`` holds the operations (AVX-512, AVX2, NEON or plain C,
chosen when the C is compiled), and this file and ``engine.c.j2`` put the text together. The same Plan gives the same
text.

The file needs gcc or clang on a 64-bit little-endian machine (``__int128``). It exports what
``sevenm.boundary.ENGINE_INTERFACE`` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import jinja2

from sevenm import boundary
from sevenm.compiler.backends.c.lookup import LookedUp, choices
from sevenm.compiler.backends.c.lookups import is_ranges
from sevenm.compiler.backends.c.naming import Names, fixed_names
from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.resolve import comment_text, fired_max, resolved
from sevenm.compiler.backends.c.shaped import PARTS, STRAYS_MAX, ShapedScheduler, shapes_for
from sevenm.compiler.backends.c.states import recurrent
from sevenm.compiler.backends.c.storage import Written, pool_order, written
from sevenm.compiler.passes.cost import AUTO, Choice
from sevenm.compiler.passes.shapes import Shape, shape_text
from sevenm.compiler.passes.visibility import Explicit, explicit_visibility
from sevenm.compiler.plan import Plan
from sevenm.compiler.refusal import Refused

_HERE = Path(__file__).parent
LANES, AVX2 = "engine_lanes.h", "engine_avx2.h"
LOOKUPS = "engine_lookups.h"
SEGMENTS = "engine_segments.h"
CLASSIFY, LEAVES = "classify.h", "classify_leaves.h"
WINDOWS = "engine_windows.h"
BOUNDARY = "sm_boundary.h"
COMPARED_MAX = 16_384
"""Rules of a block that are compared one after the other: past it compilers take minutes, and gigabytes of memory."""
FIXED = (LANES, AVX2, WINDOWS, LOOKUPS, SEGMENTS, CLASSIFY, LEAVES)
"""What is the same in every engine, in the order in which it is needed."""


class CannotEmit(Refused):
    """The Plan asks for what this back end does not do; the message says what."""


def emit(plan: Plan, classifier: str = AUTO) -> str:
    """The engine's C text, with everything it needs. ``classifier``: how rules are looked up in every block, AUTO for
    what costs least. Raises CannotEmit, ChoiceError if the classifier cannot be had, and RangeError if the Plan was not
    checked and a value leaves 128 bits."""
    text = generated(plan, classifier)
    for name, body in ((BOUNDARY, boundary.c_header()), *((name, _text(name)) for name in FIXED)):
        text = text.replace(f'#include "{name}"\n', body)
    return text


def explained_shape(plan: Plan, classifier: str = AUTO) -> str:
    """For which packets there is a program of its own, as lines of text; or that there is none, and why."""
    explicit = explicit_visibility(plan)
    try:
        classified = _classified(plan, explicit, classifier)
    except CannotEmit as refused:
        return f"no shape: {refused}"
    general = _general(plan, explicit, Names(plan, explicit, set()), classified)
    shapes = shapes_for(plan, explicit, len(general.program.statements))
    return f"no shape: {shapes}" if isinstance(shapes, str) else "\nsecond ".join(map(shape_text, shapes))


def explained(plan: Plan, classifier: str = AUTO) -> list[Choice]:
    """For every block how its rules are looked up, what it costs, and what else there was to choose from."""
    return [choice for choice, _ in choices(plan, explicit_visibility(plan), classifier)]


def generated(plan: Plan, classifier: str = AUTO) -> str:
    """The part that depends on the Plan; it includes BOUNDARY, LANES, LOOKUPS if it has tables or state, SEGMENTS for
    tables that are no ranges, and CLASSIFY where the rules of a block are classified."""
    again = recurrent(plan)
    if again is not None:
        raise CannotEmit(
            f"state {again.name}: what it keeps depends on what it kept before, which the host engine does not "
            "evaluate; --engine reference runs it"
        )
    template = _text("engine.c.j2")
    explicit = explicit_visibility(plan)
    fixed = fixed_names(template, _text("shape.c.j2"), *(_text(name) for name in FIXED), boundary.c_header())
    names = Names(plan, explicit, fixed)
    classifiers = _classified(plan, explicit, classifier)
    general = _general(plan, explicit, names, classifiers)
    found = shapes_for(plan, explicit, len(general.program.statements))
    shapes = [] if isinstance(found, str) else found
    taken = fixed | names.of_file | set(general.layout.words)
    shaped = [_shaped(plan, shape, classifiers, taken) for shape in shapes]
    parts = [general, *shaped]
    slot = -(-max(max(p.scheduler.slot, p.scheduler.fixed_span) for p in parts) // 64) * 64
    scheduler, program, layout = general.scheduler, general.program, general.layout
    pools = {t: max(p.layout.pools.get(t, 0) for p in parts) for p in parts for t in p.layout.pools}
    words = [word for part in parts for word in part.layout.words]
    results = [result for part in parts for result in part.program.results]
    stages = [stage for part in parts for stage in part.layout.stages]
    leaves = {node.op for node in explicit.graph.nodes} | ({"time"} if plan.states else set())
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
        tables=[table for part in parts for table in part.program.tables],
        functions=[function for part in parts for function in part.program.functions],
        lookups=bool(plan.tables),
        segments=not all(map(is_ranges, plan.tables)),
        n_tables=len(plan.tables),
        n_states=len(plan.states),
        states=scheduler.states.sizes(),
        classifiers=[one.made.text for one in classifiers.values()],
        fill=[one.made.fill for one in classifiers.values()],
        classified_modes={one.block.mode for one in classifiers.values()},
        per_rule=[name for one in classifiers.values() for name in one.per_rule],
        never_0=[(one.events, len(one.whens)) for one in classifiers.values() if one.block.mode == "first"],
        leaves=leaves,
        pools=[{"type": name, "count": count} for name, count in sorted(pools.items(), key=pool_order)],
        words=words,
        results=[{"name": name, "count": count} for name, count in results],
        fetch=layout.fetch,
        fetch_names=layout.fetch_names,
        repeat=layout.repeat,
        stages=layout.stages,
        shapes=len(shaped),
        shape="" if not shaped else environment.from_string(_text("shape.c.j2")).render(
            shapes=[part.layout.stages for part in shaped], general=len(layout.stages), leaves=leaves,
            ports=bool(plan.operands), records=plan.source == "record", strays_max=STRAYS_MAX, parts=PARTS,
            zeros=-(-max(shape.usual for shape in shapes) // 64) * 64,
        ),
        reaches=sorted({kind for kind in ("reach(", "reach_u8(", "reach_u16(", "reach_u32(") if any(
            kind in line for stage in stages for line in stage)}),
        ports=bool(plan.operands),
    )  # fmt: skip


def _classified(plan: Plan, explicit: Explicit, classifier: str) -> dict[int, LookedUp]:
    """The blocks whose rules are looked up. Raises CannotEmit where too many are not."""
    found = choices(plan, explicit, classifier)
    for choice, looked_up in found:
        if looked_up is None and choice.rules > COMPARED_MAX:
            closed = "; ".join(f"{way.name}: {way.closed}" for way in choice.ways if way.closed)
            raise CannotEmit(
                f"block {choice.block}: its {choice.rules} rules can only be compared one after the other, and at most "
                f"{COMPARED_MAX} are ({closed or 'as asked for'}); write them as rows of a table, or in several blocks"
            )
    return {number: looked_up for number, (_, looked_up) in enumerate(found) if looked_up is not None}


def _general(plan: Plan, explicit: Explicit, names: Names, lookups: Mapping[int, LookedUp]) -> Written:
    """The program for all events."""
    return written(resolved(plan, explicit, lookups, partial(Scheduler, plan, explicit, names)), names)


def _shaped(plan: Plan, shape: Shape, lookups: Mapping[int, LookedUp], taken: set[str]) -> Written:
    """The program for events that have the shape, whose names are then taken."""
    names = Names(plan, shape.explicit, taken)
    under = {number: one.under(shape) for number, one in lookups.items()}
    made = resolved(plan, shape.explicit, under, partial(ShapedScheduler, plan, shape, names))
    out = written(made, names)
    taken |= names.of_file | set(out.layout.words)
    return out


def _text(name: str) -> str:
    return (_HERE / name).read_text()
