"""Order of the host back end's statements: those that one condition guards stand together, behind one test.

One idea: statements stay in the order they were made in, except that guarded ones wait until something needs them;
then all of that guard that can run, run. Without guards nothing moves.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

TOKEN = re.compile(r"\$[cwr][^$]*\$")
"""What a statement reads or writes: a column, a word, an array of words."""


@dataclass(frozen=True, slots=True)
class Statement:
    """C text with tokens. ``defines`` is the word it computes, as a node number: then ``text`` is an expression.
    ``writes`` are the tokens it writes. It may be skipped where the C condition ``when`` does not hold."""

    text: str
    defines: int | None = None
    writes: tuple[str, ...] = ()
    when: str = ""


@dataclass(slots=True)
class _Order:
    statements: Sequence[Statement]
    needs: list[list[int]]
    """Statements that must run before."""
    users: list[list[int]] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    """Statements that have yet to run before; -1 when it has run itself."""
    ready: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    out: list[Statement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = [[] for _ in self.statements]
        self.waits = [len(needs) for needs in self.needs]
        for at, needs in enumerate(self.needs):
            for need in needs:
                self.users[need].append(at)
            if not needs:
                self._offer(at)

    def _offer(self, at: int) -> None:
        if self.statements[at].when:
            heappush(self.ready[self.statements[at].when], at)

    def run(self, at: int) -> None:
        self.out.append(self.statements[at])
        self.waits[at] = -1
        for user in self.users[at]:
            self.waits[user] -= 1
            if not self.waits[user]:
                self._offer(user)

    def reach(self, goal: int) -> None:
        """Runs an unguarded statement, and before it what it needs."""
        while self.waits[goal] > 0:
            missing = self._missing(goal)
            free = [at for at in missing if not self.statements[at].when and not self.waits[at]]
            for at in free:
                self.run(at)
            if not free:
                when = next(self.statements[at].when for at in missing if not self.waits[at])
                while self.ready[when]:
                    self.run(heappop(self.ready[when]))
        if not self.waits[goal]:
            self.run(goal)

    def _missing(self, goal: int) -> list[int]:
        found: set[int] = set()
        stack = [goal]
        while stack:
            fresh = [at for at in self.needs[stack.pop()] if self.waits[at] >= 0 and at not in found]
            found.update(fresh)
            stack += fresh
        return sorted(found)


def arrange(statements: Sequence[Statement]) -> list[Statement]:
    """The statements, reordered. Every token has one writer, or several in order; readers see the last one's."""
    writers: defaultdict[str, list[int]] = defaultdict(list)
    for at, statement in enumerate(statements):
        for token in statement.writes:
            writers[token].append(at)
    needs: list[list[int]] = []
    for at, statement in enumerate(statements):
        before: set[int] = set()
        for token in (*TOKEN.findall(statement.text), *TOKEN.findall(statement.when), *statement.writes):
            earlier = [w for w in writers[token] if w < at] if token in statement.writes else writers[token]
            before.update(earlier[-1:])
        needs.append(sorted(before))
    order = _Order(statements, needs)
    for at, statement in enumerate(statements):
        if not statement.when:
            order.reach(at)
    return order.out
