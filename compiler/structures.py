"""Where the structures of two Plans differ, for people: what makes an edit more than rows.

One idea: what a rule asks is its part of the graph, whatever its nodes are numbered; so rules are compared by a
digest of all that they are made of, and named as their authors named them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

from .plan import Plan, Table


def differences(old: Plan, new: Plan) -> list[str]:
    """A line for each part that is not the same; none for Plans of one structure."""
    if old.structure == new.structure:
        return []
    return [*_parts(old, new)] or ["what is asked of an event before the rules"]


def _parts(old: Plan, new: Plan) -> Iterator[str]:
    if old.source != new.source or [x.size for x in old.layouts] != [x.size for x in new.layouts]:
        yield f"events: {_events(old)}, now {_events(new)}"
        return
    yield from _tables(old, new)
    if [state.name for state in old.states] != [state.name for state in new.states]:
        yield "state: other tables of state"
    for what in ("channels", "counters"):
        before, after = len(getattr(old, what)), len(getattr(new, what))
        if before != after:
            yield f"{what}: {before}, now {after}"
    if [(b.mode, b.layout) for b in old.blocks] != [(b.mode, b.layout) for b in new.blocks]:
        yield "blocks: others, or in another order"
    yield from _rules(old, new)


def _events(plan: Plan) -> str:
    return f"records of {plan.layouts[0].size} bytes" if plan.source == "record" else "packets"


def _tables(old: Plan, new: Plan) -> Iterator[str]:
    """By their places, which is what a card knows them by; by their names where there are more or fewer of them."""
    pairs = list(zip(old.tables, new.tables, strict=False))
    if len(old.tables) != len(new.tables):
        before, after = ({table.name: table for table in plan.tables} for plan in (old, new))
        yield from (f"table {name} is new" for name in after if name not in before)
        yield from (f"table {name} is gone" for name in before if name not in after)
        pairs = [(before[name], after[name]) for name in after if name in before]
    for one, two in pairs:
        if one.shape() != two.shape():
            yield f"table {two.name}: {_shape(one)}, now {_shape(two)}"


def _shape(table: Table) -> str:
    keys = ", ".join(f"{key.kind} of {key.width} bits" for key in table.keys)
    return f"{keys} to {len(table.values)} values, max {table.most}"


def _rules(old: Plan, new: Plan) -> Iterator[str]:
    by_name = len(old.tables) != len(new.tables)
    before, after = _meanings(old, by_name), _meanings(new, by_name)
    if len(before) == len(after):
        for rule, one, two in zip(new.rules, before, after, strict=True):
            if one != two:
                yield f"rule {rule.name} asks or does something else"
        return
    gone, come = Counter(before), Counter(after)
    for plan, mine, others, what in ((new, after, gone, "is new"), (old, before, come, "is gone")):
        left = others.copy()
        for rule, meaning in zip(plan.rules, mine, strict=True):
            if left[meaning]:
                left[meaning] -= 1
            else:
                yield f"rule {rule.name} {what}"


def _meanings(plan: Plan, by_name: bool) -> Sequence[str]:
    """For each rule a digest of its block, condition and actions; tables in it by their names, or else their places."""
    nodes: list[str] = []
    for node in plan.nodes:
        attrs: tuple[object, ...] = node.attrs
        if by_name and node.op in ("hit", "value"):
            attrs = (plan.tables[node.attrs[0]].name, *node.attrs[1:])
        nodes.append(_digest(node.op, attrs, [nodes[a] for a in node.args]))
    out = []
    for rule in plan.rules:
        actions = [(a.kind, a.target, None if a.operand is None else nodes[a.operand]) for a in rule.actions]
        out.append(_digest(rule.block, nodes[rule.when], actions, rule.default))
    return out


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
