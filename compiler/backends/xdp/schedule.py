"""The order of a prefilter's statements, and which values are kept in memory between them.

One idea: the machine has ten registers and little stack, and the compiler keeps whatever may be of use. So values come
in the order in which they are needed, a few at a time, and between these parts the compiler has to forget what is not
in memory. A place in memory is used again when its value is not needed any more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sevenm.compiler.backends.xdp import operations
from sevenm.compiler.backends.xdp.target import NoPrefilter, computes, is_wide
from sevenm.compiler.passes.visibility import Explicit, explicit_visibility
from sevenm.compiler.plan import Plan

PART = 12
"""Values that are computed before the compiler has to forget them."""
FORGET = '__asm__ volatile("" ::: "memory");'
FORGET_BUT = '__asm__ volatile("" : "+r"({}) :: "memory");'


@dataclass(slots=True)
class Part:
    """Statements; ``wanted``: the value that then lets a packet through, if there is one."""

    lines: list[str]
    wanted: str | None = None


class Emitter:
    """Values in the order in which they are needed, in parts of PART of them at most. What another part needs is kept
    in memory, so that none has more values at hand than the machine has room for."""

    def __init__(self, plan: Plan, window: int) -> None:
        self.window = window
        self.explicit: Explicit = explicit_visibility(plan)
        self.nodes = self.explicit.graph.nodes
        roots = [self.explicit.node[ref] for ref in (plan.rules[0].when, plan.punt)]
        self.terms = list(dict.fromkeys(t for root in roots for t in self._terms(root)))
        self.part_of: dict[int, int] = {}
        self.shared: dict[int, int] = {}
        self.words = 0

    def _terms(self, ref: int) -> tuple[int, ...]:
        return self.nodes[ref].args if self.nodes[ref].op == "any" else (ref,)

    def _operands(self, ref: int) -> tuple[int, ...]:
        access = self.explicit.accesses.get(ref)
        args = self.nodes[ref].args if access is None else (access.at, access.inside)
        return tuple(a for a in args if self.nodes[a].op != "const")

    def run(self) -> tuple[list[Part], int]:
        places: list[tuple[list[int], int | None]] = []
        for term in self.terms:
            if self.nodes[term].op == "const":
                if self.nodes[term].lo:
                    raise NoPrefilter("the rules together want every packet")
                continue
            order = self._order(term)
            for start in range(0, max(1, len(order)), PART):
                some = order[start : start + PART]
                self.part_of.update(dict.fromkeys(some, len(places)))
                places.append((some, term if start + PART >= len(order) else None))
        self._place(places)
        parts = []
        for number, (order, wanted) in enumerate(places):
            lines = [line for ref in order for line in self._statement(ref)]
            parts.append(Part(lines, None if wanted is None else self._text(wanted, number)))
        return parts, self.words

    def _place(self, places: Sequence[tuple[Sequence[int], int | None]]) -> None:
        """A place in memory for each value that a later part needs, until the last part that does."""
        last: dict[int, int] = {}
        for number, (order, term) in enumerate(places):
            needed = [operand for ref in order for operand in self._operands(ref)]
            for ref in [*needed, *(() if term is None else (term,))]:
                if self.part_of[ref] != number:
                    last[ref] = number
        free: dict[int, list[int]] = {1: [], 2: []}
        done: defaultdict[int, list[int]] = defaultdict(list)
        for number, (order, _) in enumerate(places):
            for ref in done[number]:
                free[self._size(ref)].append(self.shared[ref])
            for ref in order:
                if ref in last:
                    size = self._size(ref)
                    if not free[size]:
                        free[size].append(self.words)
                        self.words += size
                    self.shared[ref] = free[size].pop()
                    done[last[ref] + 1].append(ref)

    def _size(self, ref: int) -> int:
        """Words of its value."""
        return 2 if is_wide(self.nodes[ref]) else 1

    def _order(self, term: int) -> list[int]:
        """Nodes that the term needs and no earlier one did, operands first."""
        order: list[int] = []
        seen: set[int] = set()
        stack = [(term, False)]
        while stack:
            ref, ready = stack.pop()
            if ready:
                order.append(ref)
            elif ref not in self.part_of and ref not in seen:
                seen.add(ref)
                stack.append((ref, True))
                stack += [(a, False) for a in reversed(self._operands(ref))]
        return order

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
        if node.op in ("all", "any") and len(node.args) > PART:
            lines = self._long(ref)
        if ref in self.shared:
            at = self.shared[ref]
            lines.append(f"work->words[{at}] = (u64)v{ref};")
            if wide:
                lines.append(f"work->words[{at + 1}] = (u64)(v{ref} >> 64);")
        return lines

    def _long(self, ref: int) -> list[str]:
        """A conjunction or disjunction of many, some at a time."""
        node, sign = self.nodes[ref], "&" if self.nodes[ref].op == "all" else "|"
        texts = [self._text(a, self.part_of[ref]) for a in node.args]
        some = [f" {sign} ".join(texts[at : at + PART]) for at in range(0, len(texts), PART)]
        first, *others = some
        return [
            f"u64 v{ref} = {first};",
            *(line for t in others for line in (FORGET_BUT.format(f"v{ref}"), f"v{ref} {sign}= {t};")),
        ]
