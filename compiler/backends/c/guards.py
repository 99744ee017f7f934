"""Pass: what a chunk of events need not compute, because a condition around it holds for none of them.

One idea: a value is needed only where its users need it. The arm of a mux is needed where the mux is and its
condition chooses that arm; an operand of ``all`` where the ``all`` is and the cheaper operands before it hold; of
``any``, where they do not. A back end that works on many events at once may skip a node for a chunk if one of the
conjunctions of its guard holds for no event of the chunk.

Guards are made so that skipping changes no value that is computed. If a node is computed, then each operand is
computed too, or the operand's guard failed on the very condition that makes the node ignore it in every event. So a
computed node has the same values as if nothing were skipped, and intervals hold, also of addresses.

A guard's literals never depend on the node they guard: on some way from the roots down to a literal, every operand
comes before those that it guards, so what the literal needs is needed without it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sevenm.compiler.plan.ops import Node

Conjunction = frozenset[int]
"""Literals that hold together: 2 * node, plus 1 where the node is to be 0."""
Guard = frozenset[Conjunction]
"""A chunk needs a node only if each of the conjunctions holds for one of its events (not always the same one)."""

ALWAYS: Guard = frozenset()
LITERALS_MAX = 16
"""Literals that one use adds; more would cost more than they spare."""
CONJUNCTIONS_MAX = 3
"""Conjunctions in a node's guard."""
CANDIDATES_MAX = 64
"""Guards that are considered, those with the most work first."""
COST_MAX = 1 << 20
"""Limit of a sum over a cone, in which shared nodes count again and again."""


def guards(
    nodes: Sequence[Node], order: Sequence[int], roots: Mapping[int, Guard], operands: Callable[[int], Sequence[int]],
    cost: Callable[[int], int], least: int,
) -> dict[int, Guard]:  # fmt: skip
    """The guard of each node of ``order`` (operands before users; all that ``roots`` need). A root is needed under the
    guard that stands with it, whose literals must not depend on what only that root needs. ``cost`` is what a node
    costs a chunk; guards of nodes that cost less than ``least`` together are given up."""
    total: dict[int, int] = {}
    for ref in order:
        total[ref] = min(COST_MAX, cost(ref) + sum(total[a] for a in operands(ref)))
    need = dict(roots)
    for ref in reversed(order):
        guard = need[ref] = _bounded(need[ref])
        for operand, extra in _uses(nodes, ref, operands(ref), total):
            here = _widest([*guard, extra]) if extra else guard
            known = need.get(operand)
            need[operand] = here if known is None else meet(known, here)
    return _worthwhile(nodes, need, order, operands, cost, least)


def meet(a: Guard, b: Guard) -> Guard:
    """The guard of what is needed under either guard."""
    return a if a == b else _widest(x & y for x in a for y in b)


def _widest(conjunctions: Iterable[Conjunction]) -> Guard:
    """Without those that another implies."""
    found = {c for c in conjunctions if c}
    return frozenset(c for c in found if not any(c < other for other in found))


def _bounded(guard: Guard) -> Guard:
    if len(guard) <= CONJUNCTIONS_MAX:
        return guard
    return frozenset(sorted(guard, key=lambda c: (-len(c), sorted(c)))[:CONJUNCTIONS_MAX])


def _uses(
    nodes: Sequence[Node], ref: int, operands: Sequence[int], total: Mapping[int, int]
) -> Iterator[tuple[int, Conjunction]]:
    """Operands, each with what must hold beside the node's own guard."""
    node = nodes[ref]
    if node.op == "mux":
        yield operands[0], frozenset()
        yield operands[1], _literals(nodes, operands[0], True)
        yield operands[2], _literals(nodes, operands[0], False)
    elif node.op in ("all", "any"):
        before: Conjunction = frozenset()
        for operand in sorted(operands, key=lambda a: (total[a], a)):
            yield operand, before
            if len(before) < LITERALS_MAX:
                before |= _literals(nodes, operand, node.op == "all")
    else:
        yield from ((operand, frozenset()) for operand in operands)


def _literals(nodes: Sequence[Node], ref: int, holds: bool) -> Conjunction:
    """Literals that say together that a condition holds, or does not."""
    out: set[int] = set()
    stack = [(ref, holds)]
    while stack:
        ref, holds = stack.pop()
        node = nodes[ref]
        if node.op == "not":
            stack.append((node.args[0], not holds))
        elif node.op == ("all" if holds else "any") and len(node.args) <= LITERALS_MAX:
            stack.extend((a, holds) for a in node.args)
        else:
            out.add(2 * ref + (not holds))
    return frozenset(out)


def _worthwhile(
    nodes: Sequence[Node], need: Mapping[int, Guard], order: Sequence[int],
    operands: Callable[[int], Sequence[int]], cost: Callable[[int], int], least: int,
) -> dict[int, Guard]:  # fmt: skip
    """Few guards, each of which spares enough: a node gets the strongest that its own implies, and what its operands
    are computed under as far as its own implies that too."""
    own: defaultdict[Guard, int] = defaultdict(int)
    for ref in order:
        own[need[ref]] += cost(ref)
    candidates = [g for g in own if g and all(_selective(nodes, c) for c in g)]
    candidates = sorted(candidates, key=lambda g: (-own[g], _sortable(g)))[:CANDIDATES_MAX]
    best = dict.fromkeys(own, ALWAYS)
    for candidate in sorted(candidates, key=lambda g: (-sum(map(len, g)), _sortable(g))):
        fresh = [g for g, chosen in best.items() if not chosen and implies(g, candidate)]
        if sum(own[g] for g in fresh) >= least:
            best.update(dict.fromkeys(fresh, candidate))
    out: dict[int, Guard] = {}
    for ref in order:
        guard = need[ref]
        held = {c for a in operands(ref) for c in out[a]} if guard else set()
        out[ref] = _widest([*best[guard], *(c for c in held if any(c <= o for o in guard))])
    return out


def implies(strong: Guard, weak: Guard) -> bool:
    """Whether a chunk that needs what ``strong`` guards also needs what ``weak`` guards."""
    return all(any(c <= other for other in strong) for c in weak)


def _selective(nodes: Sequence[Node], conjunction: Conjunction) -> bool:
    """Not only about visible bytes: those are there nearly always."""
    return not all(
        nodes[lit // 2].op == "lt" and any(nodes[a].op == "captured" for a in nodes[lit // 2].args)
        for lit in conjunction
    )


def _sortable(guard: Guard) -> list[list[int]]:
    return sorted(sorted(c) for c in guard)
