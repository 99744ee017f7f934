"""Recursive flow classification in C against a linear scan of the rows in NumPy: sets that make grids of one group and
of four, leaves of one list, of several, and tables of what wins."""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler.backends.c import recursive_flow
from sevenm.compiler.backends.c.bit_vectors import TooLarge
from sevenm.compiler.backends.c.recursive_flow import LIST_MAX, NEAR_MAX, RecursiveFlow, build
from sevenm.compiler.backends.c.recursive_flow_text import classifier
from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.passes.interval_sets import Intervals
from sevenm.compiler.passes.rows import Condition, Row, Rows
from sevenm.compiler.plan.graph import Graph
from tests.compiler.test_classify import BACKEND, CHUNKS, FLAGS, C, column_bytes, compiler, key_nodes, scan

EVENTS = 64 * CHUNKS
NOTHING: Condition = ()


@dataclass(frozen=True)
class Case:
    """Rows over keys, and what their tables are. ``rules``: how many numbers there are."""

    name: str
    g: Graph
    rows: Rows
    flow: RecursiveFlow

    @property
    def rules(self) -> int:
        return 1 + max(row.rule for row in self.rows.rows)


def prefix(rng: random.Random, width: int, lengths: Sequence[int], bases: Sequence[int]) -> Intervals:
    """An aligned block of values near one of the bases."""
    length = rng.choice(lengths)
    size = 1 << width - length
    first = (rng.choice(bases) + rng.randrange(1 << width // 4)) % (1 << width) // size * size
    return ((first, first + size - 1),)


def whole(g: Graph, key: int) -> Intervals:
    return ((g[key].lo, g[key].hi),)


def five_tuples(rng: random.Random, count: int, open_share: float, conditions: int) -> tuple[Graph, Rows]:
    """Rows like those of a firewall: two addresses, each open in some rows, two ports and a protocol."""
    g = Graph()
    src, dst = (g.load(g.const(0), at, 4) for at in (0, 4))
    sport, dport = (g.load(g.const(0), at, 2) for at in (8, 10))
    proto = g.load(g.const(0), 12, 1)
    ports = [((p, p),) for p in (22, 53, 80, 443)] + [((0, 1023),), ((1024, 65535),), ((80, 80), (8080, 8083))]
    bases = [rng.getrandbits(32) for _ in range(12)]
    held: list[Condition] = [((2,),), ((2,), (4,)), ((2,), (5,)), ((6, 8),), ((2,), (4,), (9,))][:conditions] or [
        NOTHING
    ]
    rows = []
    for rule in range(count):
        sets = {key: whole(g, key) for key in (src, dst, sport, dport, proto)}
        for key in (src, dst):
            if rng.random() > open_share:
                sets[key] = prefix(rng, 32, (8, 20, 24, 28, 32, 32), bases)
        if rng.random() < 0.7:
            sets[dport] = rng.choice(ports)
        if rng.random() < 0.1:
            sets[sport] = rng.choice(ports)
        if rng.random() < 0.6:
            sets[proto] = rng.choice([((6, 6),), ((17, 17),)])
        rows.append(Row(rule, tuple(sets.values()), rng.choice(held)))
    rows.sort(key=lambda row: sum(part[-1][1] - part[0][0] for part in row.sets[:2]))  # the open ones take last
    rows = [replace(row, rule=at) for at, row in enumerate(rows)]
    return g, Rows((src, dst, sport, dport, proto), tuple(rows), (), ())


def long_leaves(rng: random.Random, long: int, hosts: int) -> tuple[Graph, Rows]:
    """``long`` rules that differ in the port alone stand before as many hosts with one rule each."""
    g = Graph()
    src, dst = (g.load(g.const(0), at, 4) for at in (0, 4))
    port = g.load(g.const(0), 8, 2)
    one = ((7, 7),)
    rows = [Row(at, (one, one, ((3 * at, 3 * at + 1),)), NOTHING) for at in range(long)]
    for rule in range(long, long + hosts):
        sets = ((100 + 2 * rule, 100 + 2 * rule),), ((50 + 3 * rule, 50 + 3 * rule),), whole(g, port)
        rows.append(Row(rule, sets, NOTHING))
    rng.shuffle(rows)
    rows = [replace(row, rule=at) for at, row in enumerate(rows)]
    return g, Rows((src, dst, port), tuple(rows), (), ())


def of_any_type(rng: random.Random, first: int, second: int, other: int) -> tuple[Graph, Rows]:
    """Keys of these numbers among ``key_nodes``, the third with few sets; some rules have two rows."""
    g = Graph()
    keys = [key_nodes(g)[at] for at in (first, second, other)]
    rows: list[Row] = []
    for rule in range(90):
        for _ in range(rng.choice([1, 1, 2])):
            sets = []
            for at, key in enumerate(keys):
                lo, hi = g[key].lo, g[key].hi
                start = rng.choice([lo, hi - 9, 0, rng.randint(lo, hi)]) if at < 2 else rng.choice([lo, 0, hi - 9])
                open_here = [hi - lo] if at == rule % 3 else []
                sets.append(((start, min(hi, start + rng.choice([0, 1, (hi - lo) >> 12, *open_here]))),))
            rows.append(Row(rule, tuple(sets), NOTHING))
    return g, Rows(tuple(keys), tuple(rows), (), ())


def cases() -> list[Case]:
    rng = random.Random(1999)
    made = {
        "one group": five_tuples(rng, 120, 0.1, 3),
        "four groups": five_tuples(rng, 900, 0.5, 5),
        "one condition": five_tuples(rng, 60, 0.3, 1),
        "open": five_tuples(rng, 250, 0.8, 0),
        "chained": long_leaves(rng, 40, 150),
        "direct": long_leaves(rng, 20, 30),
        "addresses": five_tuples(rng, 40, 0.2, 0),
        "u64, s128": of_any_type(rng, 3, 9, 7),
        "s32, u128": of_any_type(rng, 7, 4, 6),
        "s16, u8": of_any_type(rng, 6, 0, 1),
        "part of a word": of_any_type(rng, 10, 11, 5),
    }
    g, rows = made["addresses"]
    bare = tuple(replace(row, sets=(*row.sets[:2], *(whole(g, key) for key in rows.keys[2:]))) for row in rows.rows)
    made["addresses"] = g, replace(rows, rows=bare)
    grouped = {"four groups": (16,)}
    near = {"direct": NEAR_MAX, "addresses": NEAR_MAX, "one condition": NEAR_MAX}
    return [
        Case(name, g, rows, build(g.nodes, rows, grouped.get(name, recursive_flow.NARROW), near.get(name, 0)))
        for name, (g, rows) in made.items()
    ]


def values_of(rng: random.Random, case: Case) -> list[list[int]]:
    """One column for each key. Most events are at the edges of one row, or just beside them."""
    columns: list[list[int]] = [[] for _ in case.rows.keys]
    for _ in range(EVENTS):
        row = rng.choice(case.rows.rows)
        for column, key, part in zip(columns, case.rows.keys, row.sets, strict=True):
            lo, hi = case.g[key].lo, case.g[key].hi
            value = rng.choice(rng.choice(part)) + rng.choice([0, 0, 0, 0, -1, 1])
            column.append(min(max(value if rng.random() < 0.95 else rng.randint(lo, hi), lo), hi))
    return columns


class Compiled:
    """All of the cases as one library."""

    def __init__(self, cases: Sequence[Case], folder: Path, flags: Sequence[str]) -> None:
        self.made = [
            classifier("test", f"b{at}", case.g.nodes, case.rows.keys, case.flow, case.rules)
            for at, case in enumerate(cases)
        ]
        text = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
        for name in ("engine_lanes.h", "classify.h", "classify_leaves.h"):
            text += (BACKEND / name).read_text()
        for at, (case, made) in enumerate(zip(cases, self.made, strict=True)):
            columns = [f"(const {type_of(case.g[k]).name} *)keys[{i}] + 64 * chunk" for i, k in enumerate(made.keys)]
            words = [f"when[chunk * {len(made.conditions)} + {i}]" for i in range(len(made.conditions))]
            text += made.text + (
                f"void run{at}(const void *const *keys, const u64 *when, u16 *rule, unsigned chunk)\n"
                f"{{ (void)when; {made.call(columns, words, 'rule + 64 * chunk')} }}\n"
            )
        source = folder / "recursive.c"
        source.write_text(text)
        warnings = ("-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-variable", "-Werror")
        command = [compiler(), *C, "-fPIC", "-shared", *warnings, *flags, str(source), "-o", f"{source}.so"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[:2000]
        self.library = ctypes.CDLL(f"{source}.so")

    def rules(
        self, at: int, case: Case, columns: list[list[int]], holds: dict[Condition, NDArray[np.bool_]]
    ) -> NDArray[np.uint16]:
        made = self.made[at]
        words = np.zeros((CHUNKS, max(1, len(made.conditions))), np.uint64)
        for number, condition in enumerate(made.conditions):
            packed = np.packbits(holds[condition].reshape(CHUNKS, 64), axis=1, bitorder="little")
            words[:, number] = packed.view(np.uint64)[:, 0]
        given = [column_bytes(columns[case.rows.keys.index(key)], type_of(case.g[key]).bits) for key in made.keys]
        room = [aligned(len(data)) for data in given]
        for data, array in zip(given, room, strict=True):
            array[:] = np.frombuffer(data, np.uint8)
        pointers = (ctypes.c_void_p * len(room))(*(array.ctypes.data for array in room))
        rule = aligned(2 * EVENTS).view(np.uint16)
        run = getattr(self.library, f"run{at}")
        for chunk in range(CHUNKS):
            run(pointers, ctypes.c_void_p(words.ctypes.data), ctypes.c_void_p(rule.ctypes.data), chunk)
        return rule


def aligned(size: int) -> NDArray[np.uint8]:
    room = np.zeros(size + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + size]


def truths(rng: random.Random, rows: Rows) -> dict[Condition, NDArray[np.bool_]]:
    """Of each condition where it holds. Conditions hang together through their literals."""
    literals = {literal // 2 for condition in rows.features for clause in condition for literal in clause}
    of = {ref: np.array([rng.random() < 0.6 for _ in range(EVENTS)]) for ref in sorted(literals)}
    out = {}
    for condition in {*rows.features, NOTHING}:
        clauses = [np.logical_or.reduce([of[lit // 2] ^ bool(lit & 1) for lit in clause]) for clause in condition]
        out[condition] = np.logical_and.reduce([*clauses, np.ones(EVENTS, np.bool_)])
    return out


@pytest.fixture(scope="module")
def sets() -> list[Case]:
    return cases()


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("name", ["native", "portable", "sanitized"])
def test_the_first_row_is_that_of_a_linear_scan(name: str, sets: list[Case], tmp_path: Path) -> None:
    flags = ["-O1" if flag == "-O2" else flag for flag in FLAGS[name]]
    if name == "sanitized":
        flags = ["-O1", "-march=native", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
        sets = [case for case in sets if case.name in ("four groups", "chained", "direct")]
    built = Compiled(sets, tmp_path, flags)
    rng = random.Random(3)
    for at, case in enumerate(sets):
        columns, holds = values_of(rng, case), truths(rng, case.rows)
        wanted = scan(case.rows, columns, holds)
        assert np.array_equal(built.rules(at, case, columns, holds), wanted), case.name
        assert len(np.unique(wanted)) > 8, f"{case.name}: the events match too few rules to tell"


def test_every_form_of_tables_is_among_the_sets(sets: list[Case]) -> None:
    groups = [group for case in sets for group in case.flow.groups]
    assert {len(case.flow.groups) for case in sets} >= {1, 4}
    assert {(group.direct, group.chained) for group in groups if not group.direct} == {(False, False), (False, True)}
    assert any(group.direct for group in groups)
    assert any(not case.flow.predicates.axes for case in sets)
    assert any(case.flow.gate for case in sets)
    by_name = {case.name: case.flow for case in sets}
    assert [group.chained for group in by_name["chained"].groups] == [True]
    assert by_name["four groups"].narrow is not None


def swapped(flow: RecursiveFlow) -> RecursiveFlow:
    """The first two rules of every leaf the other way round."""
    groups = [replace(g, leaves=tuple((*leaf[1::-1], *leaf[2:]) for leaf in g.leaves)) for g in flow.groups]
    return replace(flow, groups=tuple(groups))


def shifted(flow: RecursiveFlow) -> RecursiveFlow:
    """Every interval of the first key starts one later."""
    return replace(flow, starts=((flow.starts[0][0], *(s + 1 for s in flow.starts[0][1:])), flow.starts[1]))


def shortened(flow: RecursiveFlow) -> RecursiveFlow:
    """Leaves end where their first list does."""
    groups = [replace(g, leaves=tuple(leaf[:LIST_MAX] for leaf in g.leaves)) for g in flow.groups]
    return replace(flow, groups=tuple(groups))


def one_group_less(flow: RecursiveFlow) -> RecursiveFlow:
    return replace(flow, groups=flow.groups[:-1])


@pytest.mark.needs("compiler")
def test_the_scan_tells_wrong_tables(sets: list[Case], tmp_path: Path) -> None:
    by_name = {case.name: case for case in sets}
    faults: list[tuple[str, Callable[[RecursiveFlow], RecursiveFlow]]] = [
        ("four groups", swapped), ("one group", shifted), ("chained", shortened), ("four groups", one_group_less),
    ]  # fmt: skip
    wrong = [replace(by_name[name], flow=fault(by_name[name].flow)) for name, fault in faults]
    built = Compiled(wrong, tmp_path, ["-O0", "-march=native"])
    rng = random.Random(3)
    for at, case in enumerate(wrong):
        columns, holds = values_of(rng, case), truths(rng, case.rows)
        found = built.rules(at, case, columns, holds)
        assert not np.array_equal(found, scan(case.rows, columns, holds)), faults[at]


def test_the_same_rows_give_the_same_text() -> None:
    def text() -> str:
        g, rows = five_tuples(random.Random(5), 200, 0.4, 3)
        return classifier("same", "b0", g.nodes, rows.keys, build(g.nodes, rows), 200).text

    assert text() == text()


def test_cells_of_different_rows_are_told_apart_without_a_hash() -> None:
    """The leaf of every cell is that of the rows that cover it, looked up one by one."""
    g, rows = five_tuples(random.Random(6), 60, 0.3, 2)
    flow = build(g.nodes, rows)
    assert len(flow.groups) == 1
    group = flow.groups[0]
    a, b = flow.keys
    for i, x in enumerate(flow.starts[0]):
        for j, y in enumerate(flow.starts[1]):
            covering = {row.rule for row in rows.rows if inside(x, row.sets[a]) and inside(y, row.sets[b])}
            leaf = group.leaves[group.grid[group.classes[0][i], group.classes[1][j]]]
            assert {rule for _, rule in leaf} <= covering
            assert bool(leaf) == bool(covering)
            if covering:
                assert leaf[0][1] == min(covering)


def inside(value: int, part: Intervals) -> bool:
    return any(lo <= value <= hi for lo, hi in part)


@pytest.mark.parametrize(
    ("bound", "value", "words"),
    [
        ("CELLS_MAX", 50, "cells, and at most 50 are filled"),
        ("ROWS_MAX", 10, "120 rows, and at most 10 are numbered"),
        ("INTERVALS_MAX", 10, "intervals, and at most 10 are numbered"),
        ("RECTANGLES_MAX", 10, "rectangles of two keys, and at most 10 are drawn"),
        ("PREDICATES_MAX", 10, "predicates beside its addresses, and at most 10 are numbered"),
        ("GROUP_PREDICATES", 3, "predicates in one group, and at most 3 are numbered"),
        ("CELL_CLASSES_MAX", 10, "different cells in one group, and at most 10 are listed"),
        ("LEAVES_MAX", 10, "lists of rules in one group, and at most 10 are numbered"),
        ("TABLE_MAX", 10, "classes of predicates, and at most 10 entries are"),
    ],
)
def test_what_grows_past_its_bound_is_refused(
    bound: str, value: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    g, rows = five_tuples(random.Random(7), 120, 0.1, 3)
    build(g.nodes, rows)
    monkeypatch.setattr(recursive_flow, bound, value)
    with pytest.raises(TooLarge, match=words):
        build(g.nodes, rows)


def test_one_key_makes_no_grid() -> None:
    g = Graph()
    key = g.load(g.const(0), 0, 4)
    rows = Rows((key,), tuple(Row(at, (((at, at),),), NOTHING) for at in range(9)), (), ())
    with pytest.raises(TooLarge, match="its rows differ in fewer than two keys"):
        build(g.nodes, rows)
