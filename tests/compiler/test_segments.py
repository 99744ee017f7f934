"""Tables that are searched in segments, in the generated C against the reference: every kind of key and width, few and
many segments, edit after edit, at every level of instructions."""

from __future__ import annotations

import platform
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sevenm.boundary import Level
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.plan import Plan, Table
from sevenm.compiler.reference import Memories
from sevenm.host.batch import EventBatch
from sevenm.host.engine import segment as one_segment
from sevenm.host.engine import segments as all_segments
from sevenm.host.engine.code import VARIABLE
from sevenm.host.engine.context import Contents
from sevenm.host.engine.objects import build_object, load_object, object_name
from sevenm.host.engine.table_rows import SegmentedRows
from sevenm.sim.plan_contents import contents_of
from sevenm.sim.random_tables import near_keys, random_match, random_table, with_random_rows
from sevenm.tables import Change, Row
from tests.compiler.driven import SANITIZED
from tests.compiler.test_host_c_levels import LEVELS, WRAPS, build
from tests.compiler.test_lookups import BUILDS, KINDS, WIDTHS, Builder, compiled, look_up, packed, same
from tests.conftest import SOAK
from tests.host.test_objects import levels_here

pytestmark = pytest.mark.needs("compiler")

ROWS = 200


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Most rows of a segment, one after the other: all rows in one, and many segments. All but three are searched."""

    def set_one(most: int) -> int:
        monkeypatch.setattr(one_segment, "SEGMENT_ROWS", most)
        monkeypatch.setattr(one_segment, "SCANNED_ROWS", 3)
        monkeypatch.setattr(all_segments, "JOINED_ROWS", most // 2)
        return most

    return map(set_one, (4096, 24))


def batch_near(rng: random.Random, tables: Sequence[Table], widths: Sequence[int], n: int) -> EventBatch:
    """Events whose fields are keys around the ends of rows."""
    keys = zip(*(near_keys(rng, table, n) for table in tables), strict=True)
    return EventBatch.from_bytes(packed([sum(row, ()) for row in keys], widths))


def planned(rng: random.Random, shapes: Sequence[Sequence[tuple[str, int]]], rows: int) -> tuple[Plan, list[int]]:
    """A Plan that looks at all that its tables say, and the widths of their keys."""
    builder, tables, widths = Builder(), [], []
    for number, keys in enumerate(shapes):
        table = random_table(rng, keys, rows, number % 3, f"t{number}")
        tables.append(Table(table.name, table.keys, table.values, 4 * rows, table.rows))
        widths += look_up(builder, number, table)
    return builder.plan(tables), widths


def searched(contents: Contents) -> int:
    """Segments that are not compared row by row."""
    segments = [
        part for table in contents.tables if isinstance(table, SegmentedRows) for part in table.segments.segments
    ]
    return sum(len(part.rows) > one_segment.SCANNED_ROWS for part in segments)


@pytest.mark.parametrize("build_name", BUILDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_width_beside_another_key(
    build_name: str, kind: str, sizes: Iterator[int], tmp_path: Path
) -> None:
    rng = random.Random(f"{build_name} {kind}")
    plan, widths = planned(rng, [[(kind, width), ("range", 5)] for width in WIDTHS], ROWS)
    engine = compiled(plan, tmp_path, BUILDS[build_name])
    for _ in sizes:
        plan = plan.with_rows([with_random_rows(rng, table, ROWS) for table in plan.tables])
        assert searched(contents_of(plan, engine)) >= len(WIDTHS)
        for n, rows in ((1, ROWS), (64, 40), (150, 0)):
            same(plan, engine, contents_of(plan, engine), batch_near(rng, plan.tables, widths, n), Memories(plan))
            plan = plan.with_rows([with_random_rows(rng, table, rng.choice([3, rows])) for table in plan.tables])


def random_change(rng: random.Random, table: Table) -> Change:
    """Some rows go or get other values, others come, at some place."""
    gone = rng.sample(table.rows, min(len(table.rows), rng.choice([0, 1, 1, 2, 30])))
    stay = [row for row in table.rows if row not in gone]
    keys = {tuple(random_match(rng, key) for key in table.keys) for _ in range(rng.choice([0, 1, 1, 2, 40]))}
    fresh = sorted(keys - {row.keys for row in stay})
    rng.shuffle(fresh)
    values = [tuple(rng.randint(c.lo, c.hi) for c in table.values) for _ in fresh]
    before = rng.choice(stay).keys if stay and rng.random() < 0.8 else None
    return Change([row.keys for row in gone], [Row(*pair) for pair in zip(fresh, values, strict=True)], before)


SHAPES = (
    (("range", 32), ("range", 32), ("range", 16), ("range", 16), ("ternary", 8)),
    (("ternary", 16),),
    (("ternary", 128), ("exact", 8)),
    (("lpm", 32), ("range", 16)),
    (("exact", 16), ("lpm", 128)),
    (("exact", 9), ("exact", 48)),
)


@pytest.mark.parametrize("seed", range(30 if SOAK else 1))
def test_edit_after_edit_is_as_the_reference_has_it(seed: int, sizes: Iterator[int], tmp_path: Path) -> None:
    """Rows come and go until segments were divided, joined and emptied; each generation is compared, and earlier ones
    again after later ones were made."""
    rng = random.Random(seed)
    plan, widths = planned(rng, SHAPES, 60)
    engine = compiled(plan, tmp_path)
    for most in sizes:
        contents, numbers = contents_of(plan, engine), set()
        kept = [(plan, contents)]
        for _ in range(60 if SOAK else 25):
            edit = {number: random_change(rng, table) for number, table in enumerate(plan.tables) if rng.random() < 0.7}
            edit = {n: c for n, c in edit.items() if len(plan.tables[n].rows) + len(c.insert) <= plan.tables[n].most}
            contents = contents.with_rows(edit)
            tables = list(plan.tables)
            for number, change in edit.items():
                tables[number] = tables[number].with_rows(tables[number].changed(tables[number].rows, change))
            plan = plan.with_rows(tables)
            assert [table.rows for table in contents.tables] == [table.rows for table in plan.tables]
            same(plan, engine, contents, batch_near(rng, plan.tables, widths, 90), Memories(plan))
            numbers.add(int(contents.tables[0].arrays["n"]))
            kept.append((plan, contents))
        assert len(numbers) > 3 or most > 100, "segments were divided and joined"
        for earlier, as_it_was in rng.sample(kept, 6):
            same(earlier, engine, as_it_was, batch_near(rng, earlier.tables, widths, 90), Memories(earlier))
        older, as_it_was = kept[2]
        again = as_it_was.with_rows({0: Change([older.tables[0].rows[0].keys])})
        assert again.tables[0].rows == older.tables[0].rows[1:], "an earlier generation can be edited again"


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_says_the_same(level: Level, sizes: Iterator[int], tmp_path: Path) -> None:
    """Between pages that cannot be touched: a segment that ends too early is read past its end."""
    rng = random.Random(str(level))
    plan, widths = planned(rng, SHAPES, ROWS)
    engine = build(level, tmp_path, plan)
    for _ in sizes:
        for n in (1, 200):
            assert engine.check(batch_near(rng, plan.tables, widths, n), level).fired.any()


@pytest.mark.needs("simde")
def test_what_is_read_is_defined(sizes: Iterator[int], tmp_path: Path) -> None:
    rng = random.Random(7)
    plan, widths = planned(rng, SHAPES, ROWS)
    engine = build(Level.AVX512, tmp_path, plan, *SANITIZED, *WRAPS)
    for _ in sizes:
        assert engine.check(batch_near(rng, plan.tables, widths, 200), Level.AVX512).fired.any()


def test_an_object_of_several_levels_says_the_same(
    sizes: Iterator[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, machine = random.Random(8), platform.machine()
    plan, widths = planned(rng, SHAPES, ROWS)
    source, path = emit(plan).encode(), tmp_path / object_name(machine)
    path.write_bytes(build_object(source, machine))
    for _ in sizes:
        for level in levels_here():
            monkeypatch.setenv(VARIABLE, level.name.lower())
            engine = load_object(path, source, plan.structure, len(plan.rules))
            assert engine.level is level
            same(plan, engine, contents_of(plan, engine), batch_near(rng, plan.tables, widths, 200), Memories(plan))
            engine.close()


FAULTS = {
    "the first key of an interval": ("edge[at[i] + step] <= x[i]", "edge[at[i] + step] < x[i]"),
    "a vector's next word": ("popcountll(*at & before)", "popcountll(*at & before >> 1)"),
    "the last vector": ("v < vectors; v++", "v + 1 < vectors; v++"),
    "the last word of rows": (
        "open->words[i] = ALL >> (64 - words);",
        "open->words[i] = ALL >> (64 - words) >> 1;",
    ),
    "a later segment wins": ("live &= ~settle_first(", "(void)settle_first("),
    "the byte below": ("8 * (u32)__builtin_ctz(left)", "8 * (u32)__builtin_ctz(left) / 2"),
    "another segment's values": ("(row[i] - 1) / SM_SEGMENT_ROWS]", "0]"),
    "the next column": ("column * segment->rows", "column * (segment->rows - 1)"),
    "a row further": ("number + 64 *", "number + 1 + 64 *"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_search_is_noticed(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_segment, "SEGMENT_ROWS", 100)
    monkeypatch.setattr(one_segment, "SCANNED_ROWS", 64)
    rng = random.Random(3)
    plan, widths = planned(rng, [SHAPES[1], SHAPES[0], SHAPES[2]], 250)
    right, wrong = FAULTS[fault]
    source = emit(plan)
    assert right in source
    batch = batch_near(rng, plan.tables, widths, 400)
    engine = compiled(plan, tmp_path)
    same(plan, engine, contents_of(plan, engine), batch, Memories(plan))
    broken = compiled(plan, tmp_path, source=source.replace(right, wrong))
    with pytest.raises(AssertionError):
        same(plan, broken, contents_of(plan, broken), batch, Memories(plan))
