"""Boolean functions as AND gates and inverters, of which equal ones can be made one.

One idea: what the Plan says is built first. What the Verilog does is built on top, cell by cell, and every bit that a
cell puts out is compared with what says the same on many sample packets among the Plan's gates: if the two are proved
equal, the Plan's literal goes on in its place. So each proof is about the few gates since the last ones that were
proved, which makes them lemmas of one another, and in the end two bits are equal where they are the same literal. A
bit of which nothing was decided goes on as it is, which is safe.

A literal is 2 * gate, plus 1 if it is inverted. Gate 0 is constant, so literal 0 is false and 1 is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

FALSE, TRUE = 0, 1
INPUT = -1
"""Operand of a gate that is an input."""
TRIED_MAX = 2
"""Gates that one bit is compared with."""
PENDING_MAX = 16
"""Assignments that told gates apart, kept until all gates are evaluated on them."""

Judge = Callable[["Gates", int, int], "bool | Sequence[int] | None"]
"""Whether two literals are equal: True, None if that is not known, or the inputs that are 1 where they differ."""


class Gates:
    """``samples`` is how many sample assignments there are; an input says with one bit for each what it is there.
    ``judge`` proves two literals equal."""

    def __init__(self, samples: int, judge: Judge) -> None:
        self._all = (1 << samples) - 1
        self._samples = samples
        self._judge = judge
        self.left: list[int] = [INPUT]
        self.right: list[int] = [INPUT]
        self.signatures: list[int] = [0]
        self.inputs: list[int] = []
        self.merged = 0
        """Bits that were proved equal to older ones."""
        self.undecided = 0
        """Pairs that look equal and were not decided."""
        self._made: dict[tuple[int, int], int] = {}
        self._alike: dict[int, list[int]] = {}
        """Gates by what they say on the samples, the oldest first."""
        self._known = 0
        """Gates that others are compared with: those before this one."""
        self._merged: dict[int, int] = {}
        self._pending: list[frozenset[int]] = []
        self._random = Random(len(self.left))

    def __len__(self) -> int:
        return len(self.left)

    def input(self, signature: int) -> int:
        """A new input; ``signature`` has the bit of each sample."""
        self.left.append(INPUT)
        self.right.append(INPUT)
        self.signatures.append(signature & self._all)
        self.inputs.append(len(self.left) - 1)
        return 2 * self.inputs[-1]

    def unknown(self) -> int:
        """A new input that may be anything, and is noise on the samples."""
        return self.input(self._random.getrandbits(self._samples))

    def signature(self, literal: int) -> int:
        signature = self.signatures[literal >> 1]
        return signature ^ self._all if literal & 1 else signature

    # functions of two or three literals

    def both(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        found = self._made.get((a, b))
        if found is None:
            found = self._made[a, b] = self._new(a, b)
        return found

    def either(self, a: int, b: int) -> int:
        return self.both(a ^ 1, b ^ 1) ^ 1

    def differ(self, a: int, b: int) -> int:
        """Exclusive or; inversions are taken outside, so that it is built once for all of them."""
        turned = (a ^ b) & 1
        a, b = a & ~1, b & ~1
        return self.either(self.both(a, b ^ 1), self.both(a ^ 1, b)) ^ turned

    def choose(self, condition: int, then: int, other: int) -> int:
        if condition & 1:
            condition, then, other = condition ^ 1, other, then
        if then == other:
            return then
        if then == other ^ 1:
            return self.differ(condition, other)
        return self.either(self.both(condition, then), self.both(condition ^ 1, other))

    def all(self, literals: Iterable[int]) -> int:
        """A balanced tree, of the oldest gates first."""
        terms = sorted(set(literals) - {TRUE})
        while len(terms) > 1:
            terms = sorted(
                self.both(terms[i], terms[i + 1]) if i + 1 < len(terms) else terms[i] for i in range(0, len(terms), 2)
            )
        return terms[0] if terms else TRUE

    def any(self, literals: Iterable[int]) -> int:
        return self.all(x ^ 1 for x in literals) ^ 1

    def _new(self, a: int, b: int) -> int:
        self.left.append(a)
        self.right.append(b)
        self.signatures.append(self.signature(a) & self.signature(b))
        return 2 * len(self.left) - 2

    # what is equal

    def remember(self) -> None:
        """From now on bits are compared with the gates that there are."""
        self._known = len(self.left)
        self._classify()

    def merge(self, literal: int) -> int:
        """The literal, or the older one that it is proved equal to."""
        gate = literal >> 1
        if gate < self._known:
            return literal
        if gate not in self._merged:
            self._merged[gate] = self._find(gate)
        return self._merged[gate] ^ (literal & 1)

    def _find(self, gate: int) -> int:
        turned = self.signatures[gate] & 1
        alike = self._alike.get(self._normal(gate), ())
        for other in alike[: TRIED_MAX if alike[:1] != [0] else 1]:
            literal = 2 * other + (turned ^ (self.signatures[other] & 1))
            answer = self._judge(self, 2 * gate, literal)
            if answer is True:
                self.merged += 1
                return literal
            if answer is None:
                self.undecided += 1
            elif answer is not False:
                self._pending.append(frozenset(answer))
        if len(self._pending) >= PENDING_MAX:
            self._refine()
        return 2 * gate

    def _normal(self, gate: int) -> int:
        """The signature, inverted if it begins with 1."""
        signature = self.signatures[gate]
        return signature ^ self._all if signature & 1 else signature

    def _refine(self) -> None:
        """Evaluates all gates on the assignments found, as further samples."""
        columns = self._pending
        self._pending = []
        count = len(columns)
        words = self.evaluate(
            {gate: sum((gate in column) << i for i, column in enumerate(columns)) for gate in self.inputs}, count
        )
        for gate, word in enumerate(words):
            self.signatures[gate] |= word << self._samples
        self._samples += count
        self._all = (1 << self._samples) - 1
        self._classify()

    def _classify(self) -> None:
        self._alike = {}
        for gate in range(self._known):
            self._alike.setdefault(self._normal(gate), []).append(gate)

    def evaluate(self, inputs: dict[int, int], count: int) -> list[int]:
        """What each gate is on ``count`` assignments at once; ``inputs`` has the bits of the inputs that are not 0."""
        ones = (1 << count) - 1
        out = [0] * len(self.left)
        for gate in range(1, len(self.left)):
            a, b = self.left[gate], self.right[gate]
            if a == INPUT:
                out[gate] = inputs.get(gate, 0)
            else:
                out[gate] = (out[a >> 1] ^ (ones if a & 1 else 0)) & (out[b >> 1] ^ (ones if b & 1 else 0))
        return out
