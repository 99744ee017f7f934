"""Blocks to C: which rules fire, where conditions stand as words of 64 events; and the ports that depend on the event.

One idea: ``free`` holds the events that no rule of the block has taken yet. In a ``first`` block each rule takes from
it, in an ``all`` block only the ``default`` rule does. After every SEGMENT rules of a ``first`` block stands a cut:
what only later rules need is skipped where every event was taken. Nothing is written for a rule that does not fire, so
what an engine writes does not grow with its rules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from sevenm.compiler.backends.c.guards import ALWAYS, Guard, meet
from sevenm.compiler.backends.c.lookup import LookedUp
from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.passes.visibility import Explicit
from sevenm.compiler.plan import Block, Plan, Rule

CHUNK = 64
SEGMENT = 32
"""Rules of a ``first`` block between two cuts."""
NAME_MAX = 80


def comment_text(name: str) -> str:
    """A name that can stand in a C comment: no end of comment, line or trigraph in it, at most NAME_MAX characters."""
    return re.sub(r"[^A-Za-z0-9_.:#@+ -]", "_", name)[:NAME_MAX]


def fired_max(plan: Plan) -> int:
    """Most entries of sm_fired that one chunk can have: in a ``first`` block every event has one rule at most."""
    sizes = ((block.stop - block.start, block.mode) for block in plan.blocks)
    return sum(min(size, CHUNK) if mode == "first" else size for size, mode in sizes)


Made = Callable[[Mapping[int, Guard], Sequence[Sequence[int]]], Scheduler]
"""A scheduler for roots and cuts."""


def resolved(plan: Plan, explicit: Explicit, lookups: Mapping[int, LookedUp], made: Made) -> Scheduler:
    """A scheduler that was told everything: what decides punts, then each block, then the rest of the chunk's words.
    ``lookups``: the blocks whose rules are looked up."""
    return _Resolver(plan, explicit, lookups, made).run()


class _Resolver:
    def __init__(self, plan: Plan, explicit: Explicit, lookups: Mapping[int, LookedUp], made: Made) -> None:
        self.plan, self.node, self.lookups = plan, explicit.node, lookups
        self.cuts: dict[int, int] = {}
        """Rules before which a cut stands, each with the node number of the cut."""
        self.guards: dict[int, Guard] = {}
        """Where each rule can still fire."""
        roots = dict.fromkeys((self.node[ref] for ref in (plan.punt, plan.malformed, plan.truncated)), ALWAYS)
        roots.update((self.node[ref], ALWAYS) for state in plan.states for ref in state.roots)
        needs: list[list[int]] = []
        for number, block in enumerate(plan.blocks):
            guard: Guard = ALWAYS
            tested = range(block.start, block.stop)
            if number in lookups:
                roots.update(dict.fromkeys(lookups[number].asks, ALWAYS))
                tested = range(block.start + len(lookups[number].whens), block.stop)
                asked = [ref for rule in plan.rules[block.start : tested.start] for ref in rule.operands]
                roots.update(dict.fromkeys((self.node[ref] for ref in asked), ALWAYS))
            for row in tested:
                if block.mode == "first" and row > block.start and (row - block.start) % SEGMENT == 0:
                    self.cuts[row] = len(explicit.graph.nodes) + len(needs)
                    guard = frozenset([frozenset([2 * self.cuts[row] + 1])])
                    needs.append([self.node[rule.when] for rule in plan.rules[row - SEGMENT : row]])
                    if row - SEGMENT in self.cuts:
                        needs[-1].append(self.cuts[row - SEGMENT])
                self.guards[row] = guard
                for ref in (plan.rules[row].when, *plan.rules[row].operands):
                    new = self.node[ref]
                    roots[new] = meet(roots[new], guard) if new in roots else guard
        self.scheduler = made(roots, needs)

    def run(self) -> Scheduler:
        self._flag("punt", self.plan.punt)
        if self.scheduler.graph.value(self.node[self.plan.punt]) is None:
            self.scheduler.say("c->live &= ~c->chunk->punt;")
        for number, block in enumerate(self.plan.blocks):
            self._block(block, self.lookups.get(number))
        self._flag("malformed", self.plan.malformed)
        self._flag("truncated", self.plan.truncated)
        for state in range(len(self.plan.states)):
            self.scheduler.step(state)
        return self.scheduler

    def _flag(self, name: str, root: int) -> None:
        self.scheduler.demand(self.node[root])
        word = self.scheduler.word(self.node[root])
        self.scheduler.say(f"c->chunk->{name} = {word if word == '0' else f'{word} & c->live'};")

    def _block(self, block: Block, lookup: LookedUp | None) -> None:
        first = block.mode == "first"
        defaulted = block.stop > block.start and self.plan.rules[block.stop - 1].default
        self.scheduler.say(f"/* block {comment_text(block.name)}: {'first' if first else 'all'} */")
        if first or defaulted:
            self.scheduler.say("c->free = c->live;")
        start = block.start
        if lookup is not None:
            self._looked_up(block, lookup)
            start += len(lookup.whens)
        for row in range(start, block.stop):
            if row in self.cuts:
                self.scheduler.say("~c->free", defines=self.cuts[row])
            rule = self.plan.rules[row]
            self.scheduler.demand(self.node[rule.when])
            when = self.scheduler.word(self.node[rule.when])
            lines = [f"/* rule {row}: {comment_text(rule.name)} */"]
            if first or rule.default:
                fires = f"take(c, {when}, {row})"
            else:
                fires = f"fire(c, {when} & c->live, {row})"
                lines += [f"c->free &= ~{when};"] * defaulted
            lines += self._aimed(fires, rule) if rule.operands else [f"{fires};"]
            self.scheduler.say("\n".join(lines), self.guards[row])

    def _looked_up(self, block: Block, lookup: LookedUp) -> None:
        for text in lookup.find(self.scheduler):
            self.scheduler.say(text)
        for at, rule in enumerate(self.plan.rules[block.start : block.start + len(lookup.whens)]):
            if rule.operands:
                self.scheduler.say("\n".join(self._aimed(lookup.fired(at), rule)))
        self.scheduler.say(lookup.fire())

    def _aimed(self, fires: str, rule: Rule) -> list[str]:
        """Fires the rule, and adds the ports that its events ask for."""
        lines = ["{", f"    u64 fired = {fires};"]
        for operand in rule.operands:
            ref = self.node[operand]
            self.scheduler.demand(ref)
            port = self.scheduler.graph.value(ref)
            if port is None:
                lines.append(f"    aim(c, fired, {self.scheduler.column(ref, type_of(self.scheduler.nodes[ref]))});")
            else:
                lines.append(f"    aim_at(c, fired, {port});")
        return [*lines, "}"]
