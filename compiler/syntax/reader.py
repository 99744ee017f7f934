"""Reads a source with the grammar's tables and builds its syntax tree on the way: an LALR parser's inner loop.

One idea: the parser asks for a word at a time and builds as it goes, so that there is no list of words, and no tree of
the parse beside the one that is built. An operand goes through a dozen rules that leave it as it is (term, sum,
comparison, …): where such a chain ends depends on two states and the next word only, and is looked up the second time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sevenm.compiler.syntax.builder import Builder
from sevenm.compiler.syntax.tables import Rule, Tables, load
from sevenm.compiler.syntax.words import Scanners, Unreadable, Words


class Reader:
    """What was found out while reading with the tables: it holds for every source."""

    def __init__(self, tables: Tables) -> None:
        self.tables, self._scanners = tables, Scanners(tables)
        self._passed: dict[tuple[int, int, str], int] = {}

    def read(self, text: str, start: str, builder: Builder) -> Any:
        """What the builder makes of the source. Raises Unreadable."""
        states, rules, passed = self.tables.states, self.tables.rules, self._passed
        heard = {one.name: getattr(builder, one.name, None) for one in self.tables.terminals}
        words = Words(self._scanners, text)
        state, last = self.tables.starts[start]
        stack: list[int] = [state]
        values: list[Any] = []
        token = words.next(state)
        while True:
            action = states[state].actions.get(token.type)
            if action is None:
                raise Unreadable
            if action >= 0:
                hear = heard[token.type]
                values.append(token if hear is None else hear(token))
                stack.append(action)
                token = words.next(action)
            elif rules[~action].passes:
                key = (stack[-2], state, token.type)
                if key not in passed:
                    passed[key] = self._pass(*key)
                stack[-1] = passed[key]
            else:
                rule = rules[~action]
                values.append(_apply(rule, values, builder))
                if rule.size:
                    del stack[-rule.size :]
                stack.append(states[stack[-1]].goto[rule.origin])
                if stack[-1] == last:
                    return values[-1]
            state = stack[-1]

    def _pass(self, below: int, state: int, kind: str) -> int:
        """The state after all rules that leave one value as it is, where that word comes next."""
        action = self.tables.states[state].actions.get(kind, 0)
        while action < 0 and self.tables.rules[~action].passes:
            state = self.tables.states[below].goto[self.tables.rules[~action].origin]
            action = self.tables.states[state].actions.get(kind, 0)
        return state


@cache
def reader() -> Reader:
    return Reader(load())


def _apply(rule: Rule, values: list[Any], builder: Builder) -> Any:
    """Takes the rule's values and gives what becomes of them."""
    parts: list[Any] = []
    if rule.size:
        parts = values[-rule.size :]
        del values[-rule.size :]
    if rule.spread:
        first, *others = parts
        # A list is the value of one rule only, and may grow: a block of rules is one that grew rule by rule.
        parts = first if 0 in rule.spread else [first]
        for at, other in enumerate(others, 1):
            if at in rule.spread:
                parts += other
            else:
                parts.append(other)
    if rule.builds is None:
        return parts
    return parts[0] if rule.unwraps and len(parts) == 1 else getattr(builder, rule.builds)(parts)
