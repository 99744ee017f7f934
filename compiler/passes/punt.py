"""Pass: a Plan for a target that sees only the first bytes of an event, and knows when that was not enough.

One idea: the graph stays as it is, but for the count of captured bytes, which ends one past the window; so an event
that fits into the window is decided as ever. For longer ones a second look at the graph asks of each node whether what
the target computes is right all the same: a field that lies inside is, a comparison of the end with something inside
is, and ``0 and unknown`` is 0. Where what a rule says depends on an unknown after all, the new Plan's ``punt`` is 1:
not mine to decide. For every event that is not punted the new Plan gives the answers of the old one, which the
reference can evaluate like any Plan, and tests do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sevenm.compiler.plan import Name, Names, Plan, prune
from sevenm.compiler.plan.graph import REBUILD, Graph
from sevenm.compiler.plan.names import name as named
from sevenm.compiler.plan.ops import OPS, Node
from sevenm.compiler.refusal import Refused

PRECISE_RULES = 64
"""In larger blocks a rule punts whenever a value that it reads is unknown, even if another one decides: the condition
is shared by all rules on that value then, instead of being nearly as large as the rules."""


class StatePunts(Refused):
    """State would be written by events that are punted, and decided too late; it lives on the host."""


@dataclass(frozen=True, slots=True)
class _View:
    """``low`` is what the target computes, and ``exact`` a condition for that being right in an event longer than the
    window. Where there is a ``bound``, neither ``low`` nor the right value is below it in such an event. ``always`` is
    the value if there is only one that can be known there."""

    low: int
    exact: int
    bound: int | None = None
    always: int | None = None


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
        unknown = [self._unknown(root) for root in (plan.malformed, plan.truncated, plan.punt, *plan.operands)]
        for block in plan.blocks:
            unknown += self._block(range(block.start, block.stop), block.mode == "first")
        low = [view.low for view in self.views]
        beyond = g.lt(g.const(self.window), g.captured(self.window + 1))
        condition = g.any(g.all(beyond, g.any(*unknown)), low[plan.punt])
        nodes, new = prune(g.nodes, [condition, *(low[root] for root in plan.roots)])
        at = [new.get(ref, 0) for ref in low]
        rules = tuple(rule.renumbered(at) for rule in plan.rules)
        out = replace(
            plan, nodes=nodes, rules=rules, malformed=at[plan.malformed], truncated=at[plan.truncated],
            punt=new[condition], states=tuple(s.renumbered(at) for s in plan.states),
            names=Names.collect(self._names()).renumbered(new),
        )  # fmt: skip
        out.check()
        return out

    def _names(self) -> list[tuple[int, Name]]:
        """Those of the Plan, and for what is known of a named value its name and "known" or "least"."""
        out = []
        for ref, one in self.plan.names.pairs():
            view = self.views[ref]
            out.append((view.low, one))
            if one.kind != "rule" and view.exact not in (self.g.true, self.g.false):
                out.append((view.exact, named("header", f"{one.text} known")))
            if one.kind != "rule" and view.bound is not None:
                out.append((view.bound, named("header", f"{one.text} least")))
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
                before.append(g.all(self._far(view), view.exact))
        return out

    # Views

    def _far(self, view: _View) -> int:
        """A condition where it is known, in an event longer than the window."""
        g, node = self.g, self.g[view.low]
        if view.always is not None:
            return g.const(view.always)
        if node.op == "lt":
            a, b = (g[x] for x in node.args)
            if a.op == "captured" and b.hi <= self.window + 1:
                return g.false
            if b.op == "captured" and a.hi <= self.window:
                return g.true
        return view.low

    def _either(self, *ways: int) -> int:
        """One of the conditions holds: without those that say more than another, and without what another denies."""
        g = self.g
        flat = {t for way in ways for t in (g[way].args if g[way].op == "any" else (way,))}
        out = []
        for term in sorted(flat):
            args = g[term].args if g[term].op == "all" else ()
            if not any(a in flat or (g[a].op == "any" and flat.issuperset(g[a].args)) for a in args):
                out.append(g.all(*(a for a in args if g.invert(a) not in flat)) if args else term)
        return g.any(*out)

    def _least(self, view: _View) -> int | None:
        """What the value is not below."""
        return view.low if view.exact == self.g.true else view.bound

    def _view(self, ref: int, node: Node) -> _View:
        g = self.g
        args = [self.views[a] for a in node.args]
        if node.op == "captured":
            return self._captured(node)
        if node.op == "load":
            return self._load(node, args[0])
        low = REBUILD[node.op](g, [a.low for a in args], node.attrs)
        exact = g.all(*(a.exact for a in args))
        if exact == g.true and node.op != "not":
            return _View(low, g.true)
        if ref in self.coarse:
            return _View(low, exact)
        case = _CASES.get(node.op)
        return _View(low, exact) if case is None else case(self, node, args, low, exact)

    def _captured(self, node: Node) -> _View:
        g, beyond = self.g, self.window + 1
        low = g.captured(min(node.attrs[0], beyond))
        return _View(low, g.true) if node.attrs[0] <= beyond else _View(low, g.false, g.const(beyond))

    def _load(self, node: Node, base: _View) -> _View:
        g = self.g
        disp, count, little = node.attrs
        low = g.load(base.low, disp, count, bool(little))
        inside = g.le(g.add(base.low, g.const(disp + count)), g.const(self.window))
        return _View(low, g.all(base.exact, inside))

    def _not(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        (x,) = args
        far = self.g.value(self._far(x))
        return _View(low, exact, always=None if far is None else 1 - far)

    def _all(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g = self.g
        return _View(low, self._either(exact, *(g.all(a.exact, g.invert(self._far(a))) for a in args)))

    def _any(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g = self.g
        return _View(low, self._either(exact, *(g.all(a.exact, self._far(a)) for a in args)))

    def _mux(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        """With an unknown condition the value is still not below the smaller arm."""
        g, (c, t, f) = self.g, args
        far = self._far(c)
        exact = g.all(c.exact, self._either(g.all(far, t.exact), g.all(g.invert(far), f.exact)))
        if t.exact == f.exact:
            exact = g.all(c.exact, t.exact)
        least = [self._least(t), self._least(f)]
        if None in least or (t.bound is None and f.bound is None):
            return _View(low, exact)
        one, two = (x for x in least if x is not None)
        return _View(low, exact, g.mux(g.lt(one, two), one, two))

    def _lt(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (a, b) = self.g, args
        if a.bound is not None and b.bound is None:
            not_less = g.invert(g.lt(a.bound, b.low))
            always = 0 if a.exact == g.false else None
            return _View(low, g.all(b.exact, self._either(a.exact, not_less)), always=always)
        if b.bound is not None and a.bound is None:
            always = 1 if b.exact == g.false else None
            return _View(low, g.all(a.exact, self._either(b.exact, g.lt(a.low, b.bound))), always=always)
        return _View(low, exact)

    def _eq(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (a, b) = self.g, args
        if (a.bound is None) == (b.bound is None):
            return _View(low, exact)
        bounded, other = (a, b) if b.bound is None else (b, a)
        assert bounded.bound is not None, "one of the two has a bound"
        return _View(low, g.all(other.exact, self._either(bounded.exact, g.lt(other.low, bounded.bound))))

    def _member(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        g, (x,) = self.g, args
        above = g.false if x.bound is None else g.lt(g.const(node.attrs[-1]), x.bound)
        return _View(low, g.any(exact, above))

    def _monotone(self, node: Node, args: Sequence[_View], low: int, exact: int) -> _View:
        """Operations that do not fall when an operand grows, where no operand is negative."""
        least = [self._least(a) for a in args]
        known = [x for x in least if x is not None and self.g[x].lo >= 0]
        if len(known) < len(args) or all(a.bound is None for a in args):
            return _View(low, exact)
        return _View(low, exact, REBUILD[node.op](self.g, known, node.attrs))


_CASES: dict[str, Callable[[_Pass, Node, Sequence[_View], int, int], _View]] = {
    "not": _Pass._not,
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
