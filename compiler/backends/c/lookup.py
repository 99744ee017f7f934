"""Blocks whose rules are looked up: what they ask of the scheduler, and the statements that find and fire their rules.

One idea: a block's tables need columns of their keys and words of their conditions, whatever the event is; rules
of the residue are tested and join by their number. Then the lanes of each rule are put together and fired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sevenm.compiler.backends.c import bit_vectors_text, recursive_flow_text
from sevenm.compiler.backends.c.classifier import Classifier
from sevenm.compiler.backends.c.classifiers import Lookup, lookup
from sevenm.compiler.backends.c.lookups import given
from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.recursive_flow import RecursiveFlow
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.passes.cost import AUTO, Choice
from sevenm.compiler.passes.rows import Condition
from sevenm.compiler.passes.shapes import Shape
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Block, Plan
from sevenm.compiler.plan.ops import Node


@dataclass(frozen=True, slots=True)
class LookedUp:
    """``whens`` are the conditions of the block's rules, without the default of an ``all`` block."""

    block: Block
    choice: Choice
    whens: tuple[int, ...]
    made: Classifier
    types: tuple[CType, ...]
    """What the classifier's keys are, in the graph that it was made for."""

    def under(self, shape: Shape) -> LookedUp:
        """The same in the graph of a shape."""
        conditions = tuple(
            tuple(tuple(2 * shape.of[lit // 2] + (lit & 1) for lit in clause) for clause in condition)
            for condition in self.made.conditions
        )
        made = replace(self.made, keys=tuple(shape.of[key] for key in self.made.keys), conditions=conditions)
        return replace(self, whens=tuple(shape.of[when] for when in self.whens), made=made)

    @property
    def asks(self) -> Iterator[int]:
        """Nodes that are needed whatever the event is."""
        yield from self.made.keys
        yield from (literal // 2 for condition in self.made.conditions for clause in condition for literal in clause)
        yield from (self.whens[rule] for rule in self.choice.rows.residue)

    @property
    def events(self) -> str:
        """Array of a word for each rule."""
        return f"{self.made.prefix}_events"

    @property
    def touched(self) -> str:
        """Array of a bit for each rule of an ``all`` block."""
        return f"{self.made.prefix}_touched"

    @property
    def per_rule(self) -> tuple[str, ...]:
        """The arrays that each thread has of its own. Statements take them from ``c``: to find a thread's own takes a
        call, for every use."""
        return (self.events,) if self.block.mode == "first" else (self.events, self.touched)

    def fired(self, rule: int) -> str:
        """C expression: the events that a rule, counted from the start of the block, fires on."""
        if self.block.mode == "first":
            return f"eqk_u16(c->rule, {rule}) & c->live"
        return f"c->{self.events}[{rule}]"

    def find(self, scheduler: Scheduler) -> Iterator[str]:
        """The statements that find the rules of 64 events."""
        columns = []
        for key, ctype in zip(self.made.keys, self.types, strict=True):
            scheduler.demand(key)
            columns.append(given(scheduler, key, ctype))
        words = [_word(scheduler, condition) for condition in self.made.conditions]
        first, events, touched = self.block.mode == "first", f"c->{self.events}", f"c->{self.touched}"
        yield self.made.call(columns, words, *(["c->rule"] if first else ["c->live", events, touched]))
        for rule in self.choice.rows.residue:
            scheduler.demand(self.whens[rule])
            when = scheduler.word(self.whens[rule])
            if first:
                yield f"or_rule(c->rule, {when}, {rule});"
            else:
                yield f"add_rule({events}, {touched}, {when} & c->live, {rule});"

    def fire(self) -> str:
        """The statement that fires them."""
        events, rules = f"c->{self.events}", len(self.whens)
        if self.block.mode == "first":
            return f"fire_found(c, {events}, {rules}, {self.block.start});"
        return f"fire_touched(c, {events}, c->{self.touched}, {-(-rules // 64)}, {self.block.start});"


def choices(plan: Plan, explicit: Explicit, wish: str = AUTO) -> list[tuple[Choice, LookedUp | None]]:
    """For every block what was chosen, and what it takes if its rules are looked up. Raises ChoiceError."""
    out: list[tuple[Choice, LookedUp | None]] = []
    for number, block in enumerate(plan.blocks):
        rules = plan.rules[block.start : block.stop]
        last = block.mode == "all" and bool(rules) and rules[-1].default
        whens = tuple(explicit.node[rule.when] for rule in (rules[:-1] if last else rules))
        found = lookup(block.name, block.mode, explicit.graph.nodes, whens, wish)
        looked_up = None
        if found.tables is not None:
            made = _classifier(block, f"lookup_{number}", explicit.graph.nodes, found, len(whens))
            types = tuple(type_of(explicit.graph[key]) for key in made.keys)
            looked_up = LookedUp(block, found.choice, whens, made, types)
        out.append((found.choice, looked_up))
    return out


def _classifier(block: Block, prefix: str, nodes: Sequence[Node], found: Lookup, rules: int) -> Classifier:
    keys = found.choice.rows.keys
    if isinstance(found.tables, RecursiveFlow):
        return recursive_flow_text.classifier(block.name, prefix, nodes, keys, found.tables, rules)
    assert found.tables is not None
    return bit_vectors_text.classifier(block.name, block.mode, prefix, nodes, keys, found.tables, rules)


def _word(scheduler: Scheduler, condition: Condition) -> str:
    """C expression of the events for which every clause holds."""
    parts = []
    for clause in condition:
        literals = []
        for literal in clause:
            scheduler.demand(literal // 2)
            literals.append(f"{'~' * (literal & 1)}{scheduler.word(literal // 2)}")
        parts.append(literals[0] if len(literals) == 1 else f"({' | '.join(literals)})")
    return " & ".join(parts) or "ALL"
