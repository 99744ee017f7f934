"""Whether two literals are equal, asked of as few gates as will do.

One idea: two gates that are equal are mostly so for a reason that lies close above what was merged before. So the
question is asked of the nearest gates first, whatever comes into them: if they are equal for every value of that, they
are equal. Few values are tried all at once, as the bits of long integers; more are a question for z3. Only if that does
not do, more gates are looked at, and in the end all of them, down to the inputs: then an answer is a counterexample.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import z3

from .gates import INPUT, Gates

SIZES = (16, 120, 700)
"""Gates in the windows that are tried, one after the other."""
WHOLE_MAX = 2500
"""Gates above the inputs that are all looked at on the way."""
TRIED_BITS = 14
"""Inputs of a window whose values are all tried."""
CONFLICTS = 400
"""Conflicts after which z3 gives up a question on the way; a limit that load does not change."""
CONFLICTS_LAST = 1_000_000
"""The same for what is left in the end."""


class OutOfTime(Exception):
    """The budget is used up."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Bits (literals, lowest first) that are never anything but one of these values; proved, and stated beside every
    question in which the bits occur."""

    bits: tuple[int, ...]
    values: tuple[int, ...]


@dataclass(slots=True)
class Judge:
    """``deadline`` is of ``time.monotonic``. The rest counts what was asked."""

    deadline: float
    facts: list[Fact] = field(default_factory=list)
    asks: bool = True
    """Whether anything is asked: without, nothing is known to be equal but what is the same gate."""
    conflicts: int = CONFLICTS
    whole_max: int = WHOLE_MAX
    tried: int = 0
    asked: int = 0
    unknown: int = 0
    seconds: float = 0.0
    _of_gate: dict[int, list[Fact]] = field(default_factory=dict)

    def state(self, fact: Fact) -> None:
        """Adds a fact, which has to be proved."""
        self.facts.append(fact)
        for literal in fact.bits:
            self._of_gate.setdefault(literal >> 1, []).append(fact)

    def __call__(self, gates: Gates, a: int, b: int) -> bool | Sequence[int] | None:
        if not self.asks:
            return None
        for size in SIZES:
            window = _Window(gates, (a >> 1, b >> 1), size)
            answer = self._ask(gates, window, a, b)
            if answer is True or window.is_whole:
                return answer
        window = _Window(gates, (a >> 1, b >> 1), self.whole_max)
        return self._ask(gates, window, a, b) if window.is_whole else None

    def _ask(self, gates: Gates, window: _Window, a: int, b: int) -> bool | Sequence[int] | None:
        facts = self._known(window)
        if len(window.leaves) <= TRIED_BITS:
            self.tried += 1
            return _try_all(gates, window, facts, a, b)
        if time.monotonic() > self.deadline:
            raise OutOfTime
        self.asked += 1
        start = time.monotonic()
        answer = _ask_z3(gates, window, facts, a, b, self.conflicts, max(1, int(1000 * (self.deadline - start))))
        self.seconds += time.monotonic() - start
        if answer is None:
            self.unknown += 1
        return answer

    def _known(self, window: _Window) -> list[Fact]:
        """Facts about bits that are all there."""
        found: dict[int, Fact] = {}
        for gate in window.members & self._of_gate.keys():
            for fact in self._of_gate[gate]:
                found[id(fact)] = fact
        return [f for f in found.values() if all(x < 2 or x >> 1 in window.members for x in f.bits)]


class _Window:
    """The ``size`` newest gates above some roots: ``gates`` in the order they were made, and ``leaves``, what comes
    into them."""

    def __init__(self, gates: Gates, roots: Sequence[int], size: int) -> None:
        heap = [-root for root in set(roots)]
        heapq.heapify(heap)
        seen = set(heap)
        inner: list[int] = []
        leaves: list[int] = []
        left, right = gates.left, gates.right
        while heap:
            gate = -heapq.heappop(heap)
            if gate == 0:
                continue
            if left[gate] == INPUT or len(inner) >= size:
                leaves.append(gate)
                continue
            inner.append(gate)
            for operand in (left[gate] >> 1, right[gate] >> 1):
                if -operand not in seen:
                    seen.add(-operand)
                    heapq.heappush(heap, -operand)
        self.gates = inner[::-1]
        self.leaves = leaves
        self.members = {*inner, *leaves}
        self.is_whole = all(left[leaf] == INPUT for leaf in leaves)


def _try_all(gates: Gates, window: _Window, facts: Sequence[Fact], a: int, b: int) -> bool | Sequence[int]:
    """On every value of what comes in at once: bit i of a word is for the value i."""
    size = 1 << len(window.leaves)
    ones = (1 << size) - 1
    words = {0: 0}
    for number, leaf in enumerate(window.leaves):
        run = 1 << number
        # 2**number zeros, then as many ones, over and over.
        words[leaf] = ones // ((1 << 2 * run) - 1) * (((1 << run) - 1) << run)
    left, right = gates.left, gates.right
    for gate in window.gates:
        x, y = left[gate], right[gate]
        words[gate] = (words[x >> 1] ^ (ones if x & 1 else 0)) & (words[y >> 1] ^ (ones if y & 1 else 0))

    def word(literal: int) -> int:
        return words[literal >> 1] ^ (ones if literal & 1 else 0)

    differ = word(a) ^ word(b)
    for fact in facts:
        if not differ:
            break
        allowed = 0
        for value in fact.values:
            here = ones
            for number, literal in enumerate(fact.bits):
                here &= word(literal) ^ (0 if value >> number & 1 else ones)
            allowed |= here
        differ &= allowed
    if not differ:
        return True
    found = (differ & -differ).bit_length() - 1
    return [leaf for number, leaf in enumerate(window.leaves) if found >> number & 1]


def _ask_z3(
    gates: Gates, window: _Window, facts: Sequence[Fact], a: int, b: int, conflicts: int, limit_ms: int
) -> bool | Sequence[int] | None:
    """As clauses; None if there is no answer in time."""
    number = {gate: i + 1 for i, gate in enumerate((*window.leaves, *window.gates))}
    one = len(number) + 1
    number[0] = one
    lines = [f"-{one} 0"]

    def name(literal: int) -> int:
        n = number[literal >> 1]
        return -n if literal & 1 else n

    for gate in window.gates:
        g, x, y = number[gate], name(gates.left[gate]), name(gates.right[gate])
        lines.append(f"-{g} {x} 0\n-{g} {y} 0\n{g} {-x} {-y} 0")
    count = one
    for fact in facts:
        chosen = []
        for value in fact.values:
            count += 1
            chosen.append(count)
            for place, literal in enumerate(fact.bits):
                bit = name(literal)
                lines.append(f"-{count} {bit if value >> place & 1 else -bit} 0")
        lines.append(" ".join(map(str, chosen)) + " 0")
    x, y = name(a), name(b)
    lines.append(f"{x} {y} 0\n{-x} {-y} 0")
    clauses = sum(line.count("\n") + 1 for line in lines)
    solver = z3.SolverFor("QF_FD")
    solver.set("timeout", limit_ms)
    solver.set("max_conflicts", conflicts)
    solver.from_string(f"p cnf {count} {clauses}\n" + "\n".join(lines) + "\n")
    answer = solver.check()
    if answer == z3.unsat:
        return True
    if answer != z3.sat:
        return None
    model = solver.model()
    ones = {int(d.name()[2:]) for d in model.decls() if z3.is_true(model[d])}
    return [leaf for leaf in window.leaves if number[leaf] in ones]
