"""The order of a prefilter's statements, which values are kept in memory between them, and what a packet skips.

One idea: the machine has ten registers and little stack, and the compiler keeps whatever may be of use. So values
come in parts, a few at a time, operands first, and between parts the compiler has to forget what is not in memory. The
values of a part are needed under one guard (``sevenm.compiler.backends.c.guards``), and it is skipped where that does
not hold: what lies in their places then is from earlier, and changes no value that is computed, as long as it is within
their bounds. So a place is used again when its value is not needed any more: a skipped value's by others of the same
bounds.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.c.guards import ALWAYS, Guard, guards
from sevenm.compiler.backends.xdp import operations
from sevenm.compiler.backends.xdp.target import NoPrefilter, computes, is_wide
from sevenm.compiler.passes.visibility import Explicit, explicit_visibility
from sevenm.compiler.plan import Plan

PART = 12
"""Values that are computed before the compiler has to forget them."""
RANGES = 4
"""Ranges of a set that are compared before the compiler has to forget, likewise."""
SKIPPED_MIN = 16
"""Instructions, about, that are put behind a test."""
LOAD_COST = 8
FORGET = '__asm__ volatile("" ::: "memory");'
FORGET_BUT = '__asm__ volatile("" : {} :: "memory");'


@dataclass(slots=True)
class Part:
    """Statements. ``when``: a condition for them, None for always; ``wanted``: the value that then lets a packet
    through, if there is one."""

    lines: list[str]
    when: str | None
    wanted: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Nodes of one part, operands first; ``term`` is the one that lets a packet through after it."""

    guard: Guard
    nodes: list[int]
    term: int | None


class Emitter:
    """The statements of a Plan with one rule: its condition, or the Plan's ``punt``, lets a packet through."""

    def __init__(self, plan: Plan, window: int) -> None:
        self.window = window
        self.explicit: Explicit = explicit_visibility(plan)
        self.nodes = self.explicit.graph.nodes
        roots = [self.explicit.node[ref] for ref in (plan.rules[0].when, plan.punt)]
        every = dict.fromkeys(t for root in roots for t in self._terms(root))
        if any(self.nodes[t].lo for t in every):
            raise NoPrefilter("the rules together want every packet")
        self.terms = [term for term in every if self.nodes[term].op != "const"]
        self.guards = guards(
            self.nodes, self._reach(self.terms, self._operands), dict.fromkeys(self.terms, ALWAYS), self._operands,
            self._cost, SKIPPED_MIN,
        )  # fmt: skip
        self.part_of: dict[int, int] = {}
        self.shared: dict[int, int] = {}
        self.words = 0

    def run(self) -> tuple[list[Part], int]:
        """The parts in order, and the words of memory that they need."""
        places: list[_Place] = []
        for term in self.terms:
            for guard, some in self._together(self._reach([term], self._before, self.part_of)):
                self.part_of.update(dict.fromkeys(some, len(places)))
                places.append(_Place(guard, some, None))
            places.append(_Place(ALWAYS, [], term))
        self._keep(places)
        return [self._part(number, place) for number, place in enumerate(places)], self.words

    # What is needed, and in which order

    def _terms(self, ref: int) -> tuple[int, ...]:
        return self.nodes[ref].args if self.nodes[ref].op == "any" else (ref,)

    def _operands(self, ref: int) -> tuple[int, ...]:
        access = self.explicit.accesses.get(ref)
        return self.nodes[ref].args if access is None else (access.at, access.inside)

    def _before(self, ref: int) -> list[int]:
        """What is computed before the node: its operands, and what guards it."""
        literals = sorted({literal // 2 for conjunction in self.guards[ref] for literal in conjunction})
        return [a for a in (*self._operands(ref), *literals) if self.nodes[a].op != "const"]

    def _cost(self, ref: int) -> int:
        """About the instructions of a node."""
        node = self.nodes[ref]
        if node.op == "const":
            return 0
        each = 4 if any(is_wide(self.nodes[a]) for a in (ref, *self._operands(ref))) else 1
        if ref in self.explicit.accesses:
            return LOAD_COST * each
        return each * (len(node.attrs) if node.op == "member" else max(1, len(node.args)))

    def _reach(
        self, roots: Iterable[int], before: Callable[[int], Sequence[int]], done: Container[int] = ()
    ) -> list[int]:
        """Nodes that the roots need and that are not done, each after what comes before it."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [(root, False) for root in roots]
        while stack:
            ref, ready = stack.pop()
            if ready:
                order.append(ref)
            elif ref not in done and ref not in seen:
                seen.add(ref)
                stack.append((ref, True))
                stack += [(a, False) for a in reversed(before(ref))]
        return order

    def _together(self, order: Sequence[int]) -> list[tuple[Guard, list[int]]]:
        """The same nodes in parts of one guard: of the guard at hand as long as it has nodes that can be computed."""
        waits = {ref: sum(a not in self.part_of for a in set(self._before(ref))) for ref in order}
        users: defaultdict[int, list[int]] = defaultdict(list)
        for ref in order:
            for operand in set(self._before(ref)):
                users[operand].append(ref)
        ready: defaultdict[Guard, deque[int]] = defaultdict(deque)
        for ref in order:
            if not waits[ref]:
                ready[self.guards[ref]].append(ref)
        out: list[tuple[Guard, list[int]]] = []
        while ready:
            guard = out[-1][0] if out and out[-1][0] in ready else max(ready, key=lambda g: len(ready[g]))
            if not out or out[-1][0] != guard or len(out[-1][1]) == PART:
                out.append((guard, []))
            ref = ready[guard].popleft()
            out[-1][1].append(ref)
            for user in users[ref]:
                waits[user] -= 1
                if not waits[user]:
                    ready[self.guards[user]].append(user)
            if not ready[guard]:
                del ready[guard]
        return out

    # Memory

    def _keep(self, places: Sequence[_Place]) -> None:
        """A place in memory for each value that a later part needs, for as long as one does."""
        last: dict[int, int] = {}
        for number, place in enumerate(places):
            needed = [a for ref in place.nodes for a in self._before(ref)]
            for ref in [*needed, *(() if place.term is None else (place.term,))]:
                if self.part_of[ref] != number:
                    last[ref] = number
        free: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        done: defaultdict[int, list[int]] = defaultdict(list)
        for number, place in enumerate(places):
            for ref in done[number]:
                free[self._pool(ref)].append(self.shared[ref])
            for ref in place.nodes:
                if ref in last:
                    pool = free[self._pool(ref)]
                    if not pool:
                        pool.append(self.words)
                        self.words += 2 if is_wide(self.nodes[ref]) else 1
                    self.shared[ref] = pool.pop()
                    done[last[ref] + 1].append(ref)

    def _pool(self, ref: int) -> tuple[int, ...]:
        """Values of one pool have the same places, one after the other."""
        node = self.nodes[ref]
        return (node.lo, node.hi) if self.guards[ref] else (is_wide(node),)

    # Text

    def _part(self, number: int, place: _Place) -> Part:
        lines = [line for ref in place.nodes for line in self._statement(ref)]
        literals = sorted({literal for conjunction in place.guard for literal in conjunction})
        tests = [f"{self._text(x // 2, number)}{' ^ 1' if x & 1 else ''}" for x in literals]
        when = " & ".join(f"({test})" if " " in test else test for test in tests) or None
        return Part(lines, when, None if place.term is None else self._text(place.term, number))

    def _text(self, ref: int, number: int) -> str:
        """The value of a node, in a part."""
        node = self.nodes[ref]
        if node.op == "const":
            return operations.literal(node.attrs[0], is_wide(node))
        if self.part_of[ref] == number:
            return f"v{ref}"
        at = self.shared[ref]
        return f"PAIR(work->words[{at + 1}], work->words[{at}])" if is_wide(node) else f"work->words[{at}]"

    def _statement(self, ref: int) -> list[str]:
        node, number = self.nodes[ref], self.part_of[ref]
        wide = is_wide(node)
        access = self.explicit.accesses.get(ref)
        if access is not None:
            inside = None if self.nodes[access.inside].lo == 1 else self._text(access.inside, number)
            fixed = self.explicit.graph.value(access.at)
            text = operations.load(access, inside, self._text(access.at, number), fixed, self.window)
        else:
            args = [self.nodes[a] for a in node.args]
            if not computes(node, args):
                raise NoPrefilter(f"{node.op} of {node.lo} to {node.hi} is not computed by this target")
            text = operations.expression(node, args, [self._text(a, number) for a in node.args])
        lines = [f"const {'wide' if wide else 'u64'} v{ref} = {text};"]
        lines = self._long(ref) or lines
        if ref in self.shared:
            at = self.shared[ref]
            lines.append(f"work->words[{at}] = (u64)v{ref};")
            if wide:
                lines.append(f"work->words[{at + 1}] = (u64)(v{ref} >> 64);")
        return lines

    def _long(self, ref: int) -> list[str]:
        """A node with many operands or ranges, some at a time; nothing for any other."""
        node, name, number = self.nodes[ref], f"v{ref}", self.part_of[ref]
        if node.op in ("all", "any"):
            texts = [self._text(a, number) for a in node.args]
            return _piecewise(name, texts, PART, "&" if node.op == "all" else "|")
        if node.op != "member" or len(node.attrs) <= 2 * RANGES:
            return []
        # The value that is compared goes through the same barriers, so that no comparison comes before its turn.
        operand, (low, high) = self._text(node.args[0], number), (f"low{ref}", f"high{ref}")
        wide = is_wide(self.nodes[node.args[0]])
        copies = [f"u64 {low} = (u64){operand};", *([f"u64 {high} = (u64)({operand} >> 64);"] if wide else [])]
        copy = f"PAIR({high}, {low})" if wide else low
        terms, sign, whole = operations.member_terms(node, [self.nodes[node.args[0]]], [copy])
        held = [low, high] if wide else [low]
        return [*copies, *_piecewise(name, terms, RANGES, sign, held), f"{name} = {whole.format(name)};"]


def _piecewise(name: str, terms: Sequence[str], each: int, sign: str, held: Sequence[str] = ()) -> list[str]:
    """All terms joined, so many at a time; ``held`` are variables that they read. Nothing if once is enough."""
    if len(terms) <= each:
        return []
    first, *others = [f" {sign} ".join(terms[at : at + each]) for at in range(0, len(terms), each)]
    forget = FORGET_BUT.format(", ".join(f'"+r"({one})' for one in (name, *held)))
    return [f"u64 {name} = {first};", *(line for text in others for line in (forget, f"{name} {sign}= {text};"))]
