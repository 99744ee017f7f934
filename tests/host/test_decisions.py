"""Rows of bits, and what follows from the rules' actions."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.compiler.plan import Block, Plan, Rule
from sevenm.compiler.reference import decide
from sevenm.host.engine.decisions import Decisions, pack, unpack, words


@dataclass(frozen=True)
class Acts:
    deliver: tuple[int, ...] = ()
    count: tuple[int, ...] = ()
    forward: int = 0
    drop: bool = False


@given(st.integers(0, 5), st.integers(0, 200), st.randoms(use_true_random=False))
def test_packing_is_undone_by_unpacking(rows: int, n: int, random: object) -> None:
    flags = np.random.default_rng(rows * 1000 + n).random((rows, n)) < 0.3
    packed = pack(flags)
    assert packed.shape == (rows, words(n))
    assert np.array_equal(unpack(packed, n), flags)
    for row in range(rows):
        for i in range(n):
            assert bool(int(packed[row, i // 64]) >> (i % 64) & 1) == flags[row, i]


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 300])
def test_the_arrays_are_those_of_the_reference_model(n: int) -> None:
    rng = np.random.default_rng(n)
    acts = [Acts((0, 63), (0,), 0b101), Acts((1,), (), 0x8000), Acts(drop=True, forward=2), Acts()]
    fired, bad, cut = rng.random((4, n)) < 0.4, rng.random(n) < 0.1, rng.random(n) < 0.1
    rules = tuple(Rule(f"r{i}", 0, 0, a.deliver, a.count, a.forward, a.drop) for i, a in enumerate(acts))
    plan = Plan("p", "packet", (), rules, (Block("b", "all", 0, 4),), 0, 0)
    expected = decide(plan, fired, bad, cut)
    found = Decisions.from_flags(fired, bad, cut, acts)
    for name in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == getattr(expected, name).dtype


def test_a_bit_past_the_last_event_is_refused() -> None:
    rows = np.zeros((3, 2), np.uint64)
    rows[1, 1] = 1 << 6
    assert len(Decisions(rows, 71, [Acts()])) == 71
    with pytest.raises(ValueError, match="a bit past the last of 70 events is set"):
        Decisions(rows, 70, [Acts()])


def test_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows must be contiguous \(3, 1\) uint64, not \(2, 1\) uint64"):
        Decisions(np.zeros((2, 1), np.uint64), 5, [Acts()])
