"""Pass: a Plan for a target that sees only the first bytes of an event, and knows when that was not enough.

One idea: evaluate the graph with values that may be unknown. Each node becomes what the target can compute (``low``)
and whether that is right (``exact``), both nodes again. Of a saturated count the target still knows a lower bound, so
comparisons with what lies below it are decided; ``0 and unknown`` is 0. Where what a rule says depends on an unknown
after all, the new Plan's ``punt`` is 1: not mine to decide. For every event that is not punted the new Plan gives the
answers of the old one, which the reference can evaluate like any Plan, and tests do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sevenm.compiler.plan import Plan, prune
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.ops import OPS, Node

PRECISE_RULES = 64
"""In larger blocks a rule punts whenever a value that it reads is unknown, even if another one decides: the condition
is shared by all rules on that value then, instead of being nearly as large as the rules."""


class StatePunts(ValueError):
    """State would be written by events that are punted, and decided too late; it lives on the host."""


@dataclass(frozen=True, slots=True)
class _View:
    """``low`` is the value where ``exact`` is 1. With a ``floor``, where ``exact`` is 0, value >= low >= floor."""

    low: int
    exact: int
    floor: int | None = None


def punt(plan: Plan, window: int) -> Plan:
    """The Plan as a target with ``window`` visible bytes computes it. Raises StatePunts, naming the state, where state
    would depend on what is not seen."""
    if window < 1:
        raise ValueError(f"a window has at least 1 byte, not {window}")
    return _Pass(plan, window).run()


class _Pass:
    def __init__(self, plan: Plan, window: int) -> None:
        self.plan, self.window, self.g = plan, window, Graph()
        self.views: list[_View] = []
        large = {b for b, block in enumerate(plan.blocks) if block.stop - block.start > PRECISE_RULES}
        self.coarse = {rule.when for rule in plan.rules if rule.block in large}

    def run(self) -> Plan:
        g, plan = self.g, self.plan
        for ref, node in enumerate(plan.nodes):
            self.views.append(self._view(ref, node))
        for state in plan.states:
            if any(self.views[root].exact != g.true for root in state.roots):
                raise StatePunts(
                    f"state {state.name} depends on bytes past the first {self.window}, which this target does not see"
                )
        punts = [self._unknown(root) for root in (plan.malformed, plan.truncated, plan.punt, *plan.operands)]
        for block in plan.blocks:
            punts += self._block(range(block.start, block.stop), block.mode == "first")
        punts.append(self.views[plan.punt].low)
        low = [view.low for view in self.views]
        condition = g.any(*punts)
        nodes, new = prune(g.nodes, [condition, *(low[root] for root in plan.roots)])
        at = [new.get(ref, 0) for ref in low]
        rules = [
            replace(
                rule,
                when=at[rule.when],
                actions=tuple(
                    a if a.operand is None else replace(a, operand=at[a.operand]) for a in rule.actions
                ),
            )
            for rule in plan.rules
        ]  # fmt: skip
        named = {ref: new[node] for ref, node in enumerate(low) if node in new}
        out = replace(
            plan, nodes=nodes, rules=tuple(rules), malformed=at[plan.malformed], truncated=at[plan.truncated],
            punt=new[condition], states=tuple(s.renumbered(at) for s in plan.states),
            names=plan.names.renumbered(named),
        )  # fmt: skip
        out.check()
        return out

    def _unknown(self, ref: int) -> int:
        return self.g.invert(self.views[ref].exact)

    def _block(self, rows: range, first: bool) -> list[int]:
        """Where a rule's condition is unknown, and no earlier one of a ``first`` block is known to hold."""
        g = self.g
        out: list[int] = []
        before: list[int] = []
        precise = len(rows) <= PRECISE_RULES
        for row in rows:
            view = self.views[self.plan.rules[row].when]
            unknown = g.invert(view.exact)
            if unknown != g.false:
                out.append(g.all(unknown, g.invert(g.any(*before))) if first and precise else unknown)
            if first and precise:
                before.append(g.all(view.low, view.exact))
        return out

    # Views

    def _least(self, view: _View) -> int | None:
        """What the value is nowhere below, if ``low`` is a lower bound."""
        return self.g[view.low].lo if view.exact == self.g.true else view.floor

    def _bounded(self, view: _View) -> bool:
        """Whether there is a lower bound that says more than ``exact`` does."""
        return view.exact != self.g.true and view.floor is not None

    def _view(self, ref: int, node: Node) -> _View:
        g = self.g
        args = [self.views[a] for a in node.args]
        if node.op == "captured":
            return self._captured(node)
        if node.op == "load":
            return self._load(node, args[0])
        low = REBUILD[node.op](g, [a.low for a in args], node.attrs)
        exact = g.all(*(a.exact for a in args))
        if exact == g.true:
            return _View(low, g.true)
        if ref in self.coarse:
            return _View(low, exact)
        case = _CASES.get(node.op)
        return _View(low, exact) if case is None else case(self, node, args, low, exact)

    def _captured(self, node: Node) -> _View:
        g, beyond = self.g, self.window + 1
        low = g.captured(min(node.attrs[0], beyond))
        if node.attrs[0] <= beyond:
            return _View(low, g.true)
        return _View(low, g.lt(low, g.const(beyond)), beyond)

    def _load(self, node: Node, base: _View) -> _View:
        g = self.g
        disp, count, little = node.attrs
        low = g.load(base.low, disp, count, bool(little))
        if g[base.low].hi + disp + count <= self.window:
            return _View(low, base.exact)
        inside = g.le(g.add(base.low, g.const(disp + count)), g.const(self.window))
        whole = g.lt(g.captured(self.window + 1), g.const(self.window + 1))
        return _View(low, g.all(base.exact, g.any(inside, whole)))

    def _all(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g = self.g
        return _View(low, g.any(exact, *(g.all(a.exact, g.invert(a.low)) for a in args)))

    def _any(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g = self.g
        return _View(low, g.any(exact, *(g.all(a.exact, a.low) for a in args)))

    def _mux(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        """With an unknown condition the value is still not below the smaller arm."""
        g, (c, t, f) = self.g, args
        chosen = g.mux(c.low, t.exact, f.exact)
        arms = [self._least(arm) for arm in (t, f) if c.exact != g.true or arm.exact != g.true]
        floors = [floor for floor in arms if floor is not None]
        if len(floors) < len(arms):
            return _View(low, g.all(c.exact, chosen))
        if c.exact != g.true:
            low = g.mux(c.exact, low, g.mux(g.lt(t.low, f.low), t.low, f.low))
        return _View(low, g.all(c.exact, chosen), min(floors))

    def _lt(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (a, b) = self.g, args
        if a.floor is not None and g[b.low].hi <= a.floor:
            return _View(low, b.exact)
        if b.floor is not None and g[a.low].hi < b.floor:
            return _View(low, a.exact)
        ways = [exact]
        if self._bounded(a):
            ways.append(g.all(b.exact, g.invert(low)))
        if self._bounded(b):
            ways.append(g.all(a.exact, low))
        return _View(low, g.any(*ways))

    def _eq(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (a, b) = self.g, args
        ways = [exact]
        if self._bounded(a):
            ways.append(g.all(b.exact, g.lt(b.low, a.low)))
        if self._bounded(b):
            ways.append(g.all(a.exact, g.lt(a.low, b.low)))
        return _View(low, g.any(*ways))

    def _member(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (x,) = self.g, args
        above = g.lt(g.const(node.attrs[-1]), x.low) if self._bounded(x) else g.false
        return _View(low, g.any(exact, above))

    def _monotone(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        """Operations that do not fall when an operand grows, where no operand is negative."""
        bounded = all(self._least(a) is not None and self.g[a.low].lo >= 0 for a in args)
        return _View(low, exact, self.g[low].lo if bounded else None)


_CASES: dict[str, Callable[[_Pass, Node, Sequence[_View], int, int], _View]] = {
    "all": _Pass._all,
    "any": _Pass._any,
    "mux": _Pass._mux,
    "lt": _Pass._lt,
    "eq": _Pass._eq,
    "member": _Pass._member,
    "add": _Pass._monotone,
    "mul": _Pass._monotone,
    "div": _Pass._monotone,
}
"""Operations of which more is known than that they are exact where all operands are."""
if not set(_CASES) <= set(OPS):
    raise NotImplementedError("the punt pass has a case for an operation that there is not")
