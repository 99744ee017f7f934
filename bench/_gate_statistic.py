"""Two sides measured in turn, and whether one is slower by more than chance and a tolerance explain.

Each round is A B B A, so that a machine that gets slower or faster in the meantime does so for both; a round gives one
ratio, the geometric mean of its two pairs. Whether the median ratio lies above 1 + tolerance is asked of Wilcoxon's
signed-rank test (Wilcoxon 1945) on the logarithms of the ratios less that of 1 + tolerance, one-sided, with the exact
distribution: it assumes of noise only that it is as likely to favour either side. Of several measures each is tested at
the level divided by their number (Bonferroni), so that the level is of the whole gate.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""How likely at most a gate fails that should not."""
Measure = Callable[[], float]
"""A time, in any unit: less is better."""


@dataclass(frozen=True)
class Verdict:
    """``ratios``: NEW by OLD, one for each round. ``p``: how likely such ratios are if NEW is slower by no more than
    the tolerance. ``level``: the p below which NEW is slower."""

    old: tuple[float, ...]
    new: tuple[float, ...]
    ratios: tuple[float, ...]
    tolerance: float
    p: float
    level: float

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def slower(self) -> bool:
        return self.ratio > 1 + self.tolerance and self.p < self.level


def rounds_needed(measures: int) -> int:
    """With fewer, the test could not fail whatever was measured: the least p of n rounds is 2**-n."""
    return math.floor(math.log2(measures / LEVEL)) + 1


def signed_rank_p(differences: Sequence[float]) -> float:
    """One-sided p of the exact signed-rank test that the differences lie above 0. Differences of 0 are left out
    (Wilcoxon), equal sizes share the mean of their ranks."""
    given = sorted((d for d in differences if d), key=abs)
    ranks: list[int] = []  # doubled, so that shared ranks are whole
    while len(ranks) < len(given):
        size = abs(given[len(ranks)])
        equal = sum(abs(d) == size for d in given)
        ranks += [2 * len(ranks) + equal + 1] * equal
    above = sum(rank for rank, difference in zip(ranks, given, strict=True) if difference > 0)
    ways = [1] + [0] * sum(ranks)  # of signs, by the sum of the ranks above 0
    for rank in ranks:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    return sum(ways[above:]) / 2 ** len(ranks)


def judge(old: Sequence[float], new: Sequence[float], tolerance: float, measures: int) -> Verdict:
    """``old``, ``new``: two times of each round, one after the other. Raises ValueError for a time not above 0."""
    if min((*old, *new)) <= 0:
        raise ValueError("a measured time is not above 0: give it more to do")
    logs = [math.log(b / a) for a, b in zip(old, new, strict=True)]
    rounds = [(first + second) / 2 for first, second in zip(logs[::2], logs[1::2], strict=True)]
    p = signed_rank_p([log - math.log1p(tolerance) for log in rounds])
    return Verdict(tuple(old), tuple(new), tuple(map(math.exp, rounds)), tolerance, p, LEVEL / measures)


def compare(measures: Mapping[str, tuple[Measure, Measure]], rounds: int, tolerance: float) -> dict[str, Verdict]:
    """Of each measure OLD and NEW, every round all measures. The first round of all warms up and is not counted."""
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in measures}
    for number in range(rounds + 1):
        for name, sides in measures.items():
            made: tuple[list[float], list[float]] = ([], [])
            for side in (0, 1, 1, 0):
                made[side].append(sides[side]())
            if number:
                for side in (0, 1):
                    times[name][side].extend(made[side])
    return {name: judge(old, new, tolerance, len(measures)) for name, (old, new) in times.items()}
