"""The statements for events that have a shape: the specialised graph, after a test that sends all others away.

One idea: the same scheduler over another graph. What stands at fixed places in it is read in windows before anything
else, then the shape is tested, and only a chunk that has it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sevenm.compiler.backends.c.forms import Program
from sevenm.compiler.backends.c.guards import ALWAYS, Guard
from sevenm.compiler.backends.c.loads import Read, gathers, is_fixed, near_others, reads
from sevenm.compiler.backends.c.naming import Names
from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.regions import Statement
from sevenm.compiler.backends.c.windows import WINDOW_MAX, Window, windows
from sevenm.compiler.passes.saturation import NARROW
from sevenm.compiler.passes.shapes import Shape, record_shape, shape_of
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Plan

STATEMENTS_MAX = 800
"""Statements of a general program that gets a second one beside it: compiling takes time."""
SECOND_STATEMENTS_MAX = 400
"""Statements of one that gets a third: whoever never sees a tag pays for it each time that rules are compiled."""
PARTS = 4
"""Pieces in which the first lines of the next chunk are asked for."""
STRAYS_MAX = 16
"""Strays of a chunk of 64, past which the general program decides all of it."""


def shapes_for(plan: Plan, explicit: Explicit, statements: int) -> list[Shape] | str:
    """The shapes of which there is a program of its own each, or why there is none: that of the usual headers, and the
    one with the first optional header inserted. ``statements``: of the general program."""
    first = _first_shape(plan, explicit, statements)
    if isinstance(first, str):
        return first
    if plan.source == "record" or statements > SECOND_STATEMENTS_MAX:
        return [first]
    second = shape_of(explicit, [explicit.node[root] for root in plan.roots], inserted=1)
    return [first] if second is None else [first, second]


def _first_shape(plan: Plan, explicit: Explicit, statements: int) -> Shape | str:
    if plan.states:
        return "rules look at earlier events"
    if explicit.captured > NARROW:
        return f"rules tell more than {NARROW} captured bytes apart"
    if statements > STATEMENTS_MAX:
        return f"the program has {statements} statements, more than the {STATEMENTS_MAX} that are compiled twice"
    roots = [explicit.node[root] for root in plan.roots]
    if plan.source == "record":
        return record_shape(explicit, roots, plan.layouts[0].size) or "no field is read"
    return shape_of(explicit, roots) or "no field would come to a fixed place"


class ShapedScheduler(Scheduler):
    """A scheduler for the graph of a shape. ``least``: captured bytes that its windows need."""

    def __init__(
        self, plan: Plan, shape: Shape, names: Names, roots: Mapping[int, Guard], cuts: Sequence[Sequence[int]] = ()
    ) -> None:
        self.shape, self.least = shape, shape.least
        super().__init__(plan, shape.explicit, names, {**roots, shape.test: ALWAYS}, cuts)

    def finish(self) -> Program:
        """The program, with the fetching of the next chunk spread over it."""
        program = super().finish()
        made = program.statements
        start = next(at for at, statement in enumerate(made) if "strays" in statement.writes) + 1
        for part in reversed(range(PARTS)):
            at = start + (len(made) - start) * part // PARTS
            while at < len(made) and made[at].when:
                at += 1
            made.insert(at, Statement(f"fetch_ahead(c, {part});"))
        return program

    def _find_beside(self) -> set[int]:
        """Those that a window reads, besides."""
        return super()._find_beside() | near_others(self.nodes, self._reachable, self.accesses)

    def _free_loads(self) -> set[int]:
        """Besides those that come with others: all that the windows have."""
        return super()._free_loads() | {
            ref for ref in self._reachable if ref in self.accesses and self._is_fetched(ref)
        }

    def _is_fetched(self, ref: int) -> bool:
        access = self.accesses[ref]
        return is_fixed(self.nodes, access) and access.disp + access.read <= self.shape.least

    def _fetch(self, loads: Sequence[int]) -> None:
        if not loads:
            return
        found, rest = windows(loads, self.accesses, self.shape.usual)
        single = reads(rest, self.accesses)
        self.least = max([self.least, *(window.end for window in found)])
        self.statement(f"c->strays = too_short(c, {self.least});", [], ("strays", "rules"), guard=ALWAYS)
        for window in found:
            self._read_window(window)
        for batch in gathers(single):
            lines = [f"    {self._raw(read)}[i] = {read.text}(p + {read.disp});" for read in batch]
            text = "\n".join(["EACH {", "    const u8 *p = (const u8 *)c->at[i];", *lines, "}"])
            self.statement(text, [], tuple(self._raw(read) for read in batch), guard=ALWAYS)
        self.demand(self.shape.test)
        strays = f"c->strays = (c->strays | ~({self.word(self.shape.test)})) & c->live;"
        text = f"{strays}\nif (c->strays | c->looking)\n    return;"
        self.statement(text, [self.shape.test], ("strays", "rules"), guard=ALWAYS)

    def _read_window(self, window: Window) -> None:
        columns = [None if read is None else self._raw(read) for read in window.words]
        text = f"read_window(c->at, {window.disp}, {', '.join(c or 'NULL' for c in columns)});"
        self.statement(text, [], tuple(c for c in columns if c is not None), guard=ALWAYS)

    def _gather(self, batch: list[Read], guard: Guard) -> None:
        """Windows where several words are wanted: each costs less than a loop for one field."""
        base = batch[0].at
        found, rest = windows([ref for read in batch for ref in read.loads], self.accesses, batch[-1].disp + WINDOW_MAX)
        for window in found:
            columns = [None if read is None else self._raw(read) for read in window.words]
            reach, start = self._reached(base, window.disp, window.end)
            text = [
                f"moved = {reach};",
                f"EACH c->from[i] = c->{start};",
                f"read_window(c->from, {window.disp}, {', '.join(c or 'NULL' for c in columns)});",
                "lead_back(c, moved);",
            ]
            self.statement("\n".join(text), [], tuple(c for c in columns if c is not None), guard=guard)
        for left in gathers(reads(rest, self.accesses)):
            super()._gather(left, guard)
