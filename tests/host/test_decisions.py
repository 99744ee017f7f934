"""Sparse decisions, and what follows from the rules' actions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sevenm.compiler.plan import Block, Plan, Rule
from sevenm.compiler.reference import decide
from sevenm.host.engine.actions import ActionTable, Sparse, pack, popcount, unpack, words
from sevenm.host.engine.decisions import CHUNK_DTYPE, FIRED_DTYPE, Decisions


@dataclass(frozen=True)
class Acts:
    deliver: tuple[int, ...] = ()
    count: tuple[int, ...] = ()
    forward: int = 0
    drop: bool = False


ACTS = [Acts((0, 63), (0,), 0b101), Acts((1,), (), 0x8000), Acts(drop=True, forward=2), Acts((63,))]


@given(st.integers(0, 5), st.integers(0, 200), st.randoms(use_true_random=False))
def test_packing_is_undone_by_unpacking(rows: int, n: int, random: object) -> None:
    flags = np.random.default_rng(rows * 1000 + n).random((rows, n)) < 0.3
    packed = pack(flags)
    assert packed.shape == (rows, words(n))
    assert np.array_equal(unpack(packed, n), flags)
    for row in range(rows):
        for i in range(n):
            assert bool(int(packed[row, i // 64]) >> (i % 64) & 1) == flags[row, i]
        assert popcount(packed[row]).sum() == flags[row].sum()


def random_flags(n: int, rules: int = 4) -> tuple[NDArray[np.bool_], ...]:
    rng = np.random.default_rng(n)
    return rng.random((rules, n)) < 0.4, rng.random(n) < 0.1, rng.random(n) < 0.1, rng.random(n) < 0.2


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 300])
def test_the_arrays_are_those_of_the_reference_model(n: int) -> None:
    fired, bad, cut, _ = random_flags(n)
    rules = tuple(Rule(f"r{i}", 0, 0, a.deliver, a.count, a.forward, a.drop) for i, a in enumerate(ACTS))
    plan = Plan("p", "packet", (), rules, (Block("b", "all", 0, 4),), 0, 0)
    expected = decide(plan, fired, bad, cut)
    found = Decisions.from_flags(fired, bad, cut, ACTS)
    for name in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    assert len(found) == n and not found.punt.any()


@pytest.mark.parametrize("n", [0, 1, 64, 300])
def test_rows_are_a_view_and_a_source(n: int) -> None:
    fired, bad, cut, punt = random_flags(n)
    found = Decisions.from_flags(fired, bad, cut, ACTS, punt=punt)
    assert np.array_equal(unpack(found.rows, n), np.concatenate((fired, bad[None], cut[None])))
    again = Decisions.from_rows(found.rows, n, ACTS, punt=pack(punt[None])[0])
    assert np.array_equal(again.chunks, found.chunks)
    assert np.array_equal(again.fired_entries, found.fired_entries)
    assert np.array_equal(unpack(found.rows_of([2, 0]), n), fired[[2, 0]])
    assert np.array_equal(found.matched([1, 3]), fired[1] | fired[3])
    assert not found.matched([]).any()


def test_entries_are_as_many_as_what_fired_whatever_number_of_rules_there_is() -> None:
    n, rules = 640, [Acts((0,))] * 5000
    fired = np.zeros((5000, n), np.bool_)
    fired[np.arange(n) % 5000, np.arange(n)] = np.arange(n) % 10 == 0
    none = np.zeros(n, np.bool_)
    found = Decisions.from_flags(fired, none, none, rules)
    assert len(found.fired_entries) == 64
    assert found.chunks["fired"].tolist() == [7, 6, 7, 6, 6, 7, 6, 7, 6, 6]


def test_the_first_rule_of_a_channel_is_the_lowest() -> None:
    fired, bad, cut, _ = random_flags(200)
    found = Decisions.from_flags(fired, bad, cut, ACTS)
    for channel, rules in ((0, [0]), (1, [1]), (63, [0, 3]), (7, [])):
        expected = [min((r for r in rules if fired[r, i]), default=-1) for i in range(200)]
        assert found.first_rule(channel).tolist() == expected


def test_dynamic_ports_are_added_and_dropped_events_go_nowhere() -> None:
    fired = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]], np.bool_)
    none = np.zeros(3, np.bool_)
    found = Decisions.from_flags(fired, none, none, ACTS, ports=np.array([8, 16, 32], np.uint16))
    assert found.forward.tolist() == [0b1101, 16, 0]


def test_punted_events_are_answered_by_another_engine() -> None:
    """What the second engine says stands in the place of the first, bit for bit; the punt stays to be counted."""
    n = 200
    fired, bad, cut, punt = random_flags(n)
    ports = np.arange(n).astype(np.uint16)
    whole = Decisions.from_flags(fired, bad, cut, ACTS, ports=ports)
    seen = Decisions.from_flags(fired & ~punt, bad & ~punt, cut & ~punt, ACTS, punt=punt, ports=ports * ~punt)
    answers = Decisions.from_flags(fired[:, punt], bad[punt], cut[punt], ACTS, ports=ports[punt])
    found = seen.answered(answers)
    for name in ("fired", "malformed", "truncated", "drop", "forward", "channels"):
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name
    assert np.array_equal(found.punt, punt)
    with pytest.raises(ValueError, match=f"^{punt.sum()} events were punted, but 200 answered$"):
        seen.answered(whole)


def test_the_table_of_the_same_rules_is_made_once() -> None:
    rules = [Acts((1,)), Acts()]
    assert ActionTable.of(rules) is ActionTable.of(rules)
    assert ActionTable.of(list(rules)) is not ActionTable.of(rules)
    reached = ActionTable.of(ACTS).deliver.reached(
        Sparse(np.array([0, 3, 2]), np.array([5, 5, 0]), np.array([1, 2, 4], np.uint64))
    )
    assert [column.tolist() for column in reached] == [[0, 63], [5, 5], [1, 3]]


def entries(*rows: tuple[int, int]) -> NDArray[np.void]:
    out = np.zeros(len(rows), FIRED_DTYPE)
    for i, (rule, events) in enumerate(rows):
        out[i]["rule"], out[i]["events"] = rule, events
    return out


def chunked(*fired: int, malformed: int = 0) -> NDArray[np.void]:
    out = np.zeros(len(fired), CHUNK_DTYPE)
    out["fired"] = fired
    out["malformed"][-1:] = malformed
    return out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((chunked(0, malformed=1 << 6), entries(), 6), "a bit past the last of 6 events is set"),
        ((chunked(0, 1), entries((0, 1 << 6)), 70), "a bit past the last of 70 events is set"),
        ((chunked(0), entries(), 65), "chunks must be (2,) sm_chunk for 65 events, not (1,)"),
        ((chunked(2), entries((0, 1)), 5), "the chunks have 2 entries of fired rules, but there are 1"),
        ((chunked(1), entries((4, 1)), 5), "rule 4 fired, but there are 4"),
        ((chunked(1), np.zeros(1, np.uint64), 5), "fired must be 1-D of sm_fired, not 1-D of uint64"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, Any, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Decisions(*arguments, ACTS)


def test_rows_and_ports_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^rows must be \(3, 1\) uint64, not \(2, 1\) uint64$"):
        Decisions.from_rows(np.zeros((2, 1), np.uint64), 5, [Acts()])
    with pytest.raises(ValueError, match=r"^ports must be \(5,\) uint16, not \(4,\) uint16$"):
        Decisions(chunked(0), entries(), 5, ACTS, np.zeros(4, np.uint16))
