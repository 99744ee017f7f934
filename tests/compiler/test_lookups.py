"""Tables and states of the generated C against the reference: every kind and width, every build, batch after batch."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sevenm.compiler import reference
from sevenm.compiler.backends.c.emit import CannotEmit, emit
from sevenm.compiler.plan import Block, Cell, Plan, Rule, State, Table, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.reference import Memories
from sevenm.host.batch import EventBatch
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.context import Contents
from sevenm.sim.plan_contents import contents_of
from sevenm.sim.random_tables import near_keys, random_table, with_random_rows
from tests.conftest import SOAK

pytestmark = pytest.mark.needs("compiler")

BUILDS = {
    "portable": ["-O1", "-DSM_PORTABLE"],
    "native": ["-O2", "-ftree-vectorize", "-march=native"],
    "sanitized": ["-O1", "-g", "-march=native", "-fsanitize=undefined", "-fno-sanitize-recover=all"],
}
KINDS = ("exact", "lpm", "ternary", "range")
WIDTHS = (1, 3, 8, 9, 12, 16, 17, 31, 32, 33, 48, 64, 65, 100, 127, 128)


def compiler() -> str:
    return next(c for c in ("gcc", "clang", "cc") if shutil.which(c))


def compiled(plan: Plan, folder: Path, flags: Sequence[str] = ("-O1",), source: str | None = None) -> CompiledEngine:
    """The engine, compiled with warnings as errors."""
    path = folder / f"engine{len(list(folder.iterdir()))}.c"
    path.write_text(emit(plan) if source is None else source)
    command = [compiler(), "-std=c11", "-Wall", "-Wextra", "-Werror", *flags, "-shared", "-fPIC", "-fvisibility=hidden"]
    done = subprocess.run([*command, str(path), "-o", str(path.with_suffix(".so"))], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    engine = CompiledEngine(path.with_suffix(".so"), False)
    engine.check(plan.structure, len(plan.rules))
    return engine


class Builder:
    """A graph over events that are packed key after key, with rules for the bits of what is looked at."""

    def __init__(self) -> None:
        self.g = Graph()
        self.conditions: list[int] = []
        self.at = 0

    def field(self, width: int) -> int:
        """The next field of an event, in whole bytes."""
        count = (width + 7) // 8
        self.at += count
        return self.g.bits(self.g.load(self.g.false, self.at - count, count), 0, width)

    def look_at(self, ref: int) -> None:
        """A rule for each bit of the value, or for its lowest, its highest and a few between."""
        width = self.g[ref].width
        bits = {*range(width)[:5], *range(width)[::13], *range(width)[-2:]}
        self.conditions += [self.g.bits(ref, bit, 1) for bit in sorted(bits)]

    def plan(self, tables: Sequence[Table] = (), states: Sequence[State] = ()) -> Plan:
        roots = [*self.conditions, self.g.false, *(ref for state in states for ref in state.roots)]
        nodes, new = prune(self.g.nodes, roots)
        of = [new.get(ref, -1) for ref in range(len(self.g.nodes))]
        rules = tuple(Rule(f"r{row}", 0, of[ref]) for row, ref in enumerate(self.conditions))
        none = of[self.g.false]
        plan = Plan(
            "test", "packet", nodes, rules, (Block("b", "all", 0, len(rules)),), none, none, none,
            tables=tuple(tables), states=tuple(state.renumbered(of) for state in states),
        )  # fmt: skip
        plan.check()
        return plan


def same(plan: Plan, engine: CompiledEngine, contents: Contents, batch: EventBatch, memories: Memories) -> None:
    """The engine fires the rules that the reference fires."""
    events = batch.events
    said = reference.evaluate(
        plan, batch.buffer, events["offset"], events["cap_len"], events["wire_len"], events["ts_ns"], batch.source,
        memories,
    )  # fmt: skip
    found = engine.run(batch, plan.rules, contents.context)
    wrong = np.argwhere(found.fired != said.fired)
    assert wrong.tolist() == []


def packed(fields: Sequence[tuple[int, ...]], widths: Sequence[int]) -> list[bytes]:
    return [b"".join(v.to_bytes((w + 7) // 8, "big") for v, w in zip(row, widths, strict=True)) for row in fields]


# Tables


def look_up(builder: Builder, number: int, table: Table) -> list[int]:
    """Looks at everything that the table says of the next fields; the widths of these."""
    keys = [builder.field(key.width) for key in table.keys]
    builder.look_at(builder.g.hit(number, keys))
    for at, column in enumerate(table.values):
        builder.look_at(builder.g.value_of(number, at, keys, column.lo, column.hi))
    return [key.width for key in table.keys]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("kind", KINDS)
def test_one_key_of_every_kind_and_width(build: str, kind: str, tmp_path: Path) -> None:
    """Few rows are compared, more are searched; new rows need no other engine. Tables without values only hit."""
    rng = random.Random(f"{build} {kind}")
    builder, tables, widths = Builder(), [], []
    for number, width in enumerate(WIDTHS):
        table = random_table(rng, [(kind, width)], rng.choice([0, 1, 30]), number % 2, f"t{width}")
        table = Table(table.name, table.keys, table.values, 400, table.rows)
        tables.append(table)
        widths += look_up(builder, number, table)
    plan = builder.plan(tables)
    engine = compiled(plan, tmp_path, BUILDS[build])
    contents, memories = contents_of(plan, engine), Memories(plan)
    for n in (1, 64, 65, 200):
        keys = zip(*(near_keys(rng, table, n) for table in plan.tables), strict=True)
        batch = EventBatch.from_bytes(packed([sum(row, ()) for row in keys], widths))
        same(plan, engine, contents, batch, memories)
        other = [with_random_rows(rng, table, rng.choice([3, 40, 400])) for table in plan.tables]
        plan = plan.with_rows(other)
        contents = contents.with_rows({number: table.content() for number, table in enumerate(other)})


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("seed", range(40 if SOAK else 2))
def test_several_keys(build: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(f"{build} {seed}")
    builder, tables, widths = Builder(), [], []
    for number in range(6):
        kinds = [rng.choice(KINDS[::2] + KINDS[3:]) for _ in range(rng.choice([2, 2, 3, 8]))]
        if rng.random() < 0.5:
            kinds[rng.randrange(len(kinds))] = "lpm"
        table = random_table(rng, [(kind, rng.choice(WIDTHS)) for kind in kinds], 60, rng.randrange(4), f"t{number}")
        tables.append(table)
        widths += look_up(builder, number, table)
    plan = builder.plan(tables)
    engine = compiled(plan, tmp_path, BUILDS[build])
    for n in (63, 150):
        keys = zip(*(near_keys(rng, table, n) for table in plan.tables), strict=True)
        batch = EventBatch.from_bytes(packed([sum(row, ()) for row in keys], widths))
        same(plan, engine, contents_of(plan, engine), batch, Memories(plan))
        plan = plan.with_rows([with_random_rows(rng, table, 30) for table in plan.tables])


def test_every_column_of_values_and_keys_that_are_constants_or_conditions(tmp_path: Path) -> None:
    rng = random.Random(1)
    builder = Builder()
    wide = random_table(rng, [("range", 16)], 40, 8, "wide")
    flags = random_table(rng, [("exact", 1), ("exact", 8)], 100, 1, "flags")
    widths = look_up(builder, 0, wide)
    x = builder.field(8)
    low, hi = flags.values[0].lo, flags.values[0].hi
    for keys in ([builder.g.lt(x, builder.g.const(100)), x], [builder.g.true, builder.g.const(3)]):
        builder.look_at(builder.g.value_of(1, 0, keys, low, hi))
    for constant in (0, 1, 65535):
        builder.look_at(builder.g.hit(0, [builder.g.const(constant)]))
    plan = builder.plan([wide, flags])
    engine = compiled(plan, tmp_path)
    rows = [(*keys, rng.randrange(256)) for keys in near_keys(rng, wide, 130)]
    batch = EventBatch.from_bytes(packed(rows, [*widths, 8]))
    same(plan, engine, contents_of(plan, engine), batch, Memories(plan))


def test_an_edit_of_rows_leaves_the_engine_as_it_is() -> None:
    rng = random.Random(2)
    builder = Builder()
    table = random_table(rng, [("lpm", 32), ("range", 16)], 50, 2)
    look_up(builder, 0, table)
    plan = builder.plan([table])
    assert emit(plan) == emit(plan.with_rows([with_random_rows(rng, table, 20)]))


FAULTS_OF_TABLES = {
    "the last row is left out": ("r < segment->rows", "r + 1 < segment->rows"),
    "the last row that matches": ("live &= ~lanes;", ";"),
    "a range without its first key": ("edge[row[i] + step - 1] <= key[i]", "edge[row[i] + step - 1] < key[i]"),
    "the next column": ("(size_t)column * (table->rows + 1)", "(size_t)column * table->rows"),
    "a mask that is not applied": ("(T)(key[i] & mask) == value", "((void)mask, key[i] == value)"),
}


@pytest.mark.parametrize("fault", FAULTS_OF_TABLES)
def test_a_fault_in_a_look_up_is_noticed(fault: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    builder = Builder()
    tables = [
        random_table(rng, [("range", 16)], 60, 2, "a"),
        random_table(rng, [("ternary", 16), ("range", 8)], 30, 2, "b"),
        random_table(rng, [("exact", 8), ("exact", 4)], 20, 1, "c"),
    ]
    widths = [width for number, table in enumerate(tables) for width in look_up(builder, number, table)]
    plan = builder.plan(tables)
    right, wrong = FAULTS_OF_TABLES[fault]
    source = emit(plan)
    assert right in source
    keys = zip(*(near_keys(rng, table, 400) for table in tables), strict=True)
    batch = EventBatch.from_bytes(packed([sum(row, ()) for row in keys], widths))
    engine = compiled(plan, tmp_path)
    same(plan, engine, contents_of(plan, engine), batch, Memories(plan))
    broken = compiled(plan, tmp_path, source=source.replace(right, wrong))
    with pytest.raises(AssertionError):
        same(plan, broken, contents_of(plan, broken), batch, Memories(plan))


# State


def random_state(rng: random.Random, builder: Builder, number: int, keys: Sequence[int]) -> tuple[State, list[int]]:
    """A small state over next fields, all of which is looked at; the widths of the fields."""
    g, widths = builder.g, [rng.choice([1, 4, 9, 16, 32, 64, 128]) for _ in keys]
    apart = rng.random() < 0.5
    read = tuple(g.bits(builder.field(width), 0, min(width, most)) for width, most in zip(widths, keys, strict=True))
    fields, write = list(widths), read
    if apart:
        write = tuple(g.bits(builder.field(w), 0, min(w, most)) for w, most in zip(widths, keys, strict=True))
        fields += widths
    cells, following = [], []
    for at, (width, signed) in enumerate(
        rng.sample([(1, 0), (7, 1), (16, 0), (33, 1), (64, 0), (127, 0), (128, 1)], 2)
    ):
        x = builder.field(width)
        fields.append(width)
        x = g.signed(x, width) if signed else x
        cells.append(Cell(f"c{at}", g[x].lo, g[x].hi, rng.choice([g[x].lo, g[x].hi, 0])))
        following.append(x)
    cells.append(Cell("seen", 0, 1))
    following.append(g.true)
    when = g.lt(builder.field(8), g.const(rng.choice([60, 200])))
    ttl = rng.choice([0, 1, 7, 40])
    state = State(
        f"s{number}", 1 << rng.randrange(3), rng.choice([1, 2, 3, 4]), ttl, tuple(cells), tuple(widths), read, write,
        when, tuple(following),
    )  # fmt: skip
    builder.look_at(g.known(number))
    for at, cell in enumerate(cells):
        builder.look_at(g.old(number, at, cell.lo, cell.hi))
    return state, [*fields, 8]


def random_times(rng: random.Random, n: int, start: int) -> list[int]:
    """Mostly forward in small steps, sometimes not at all, sometimes back."""
    times, now = [], start
    for _ in range(n):
        now = max(0, now + rng.choice([0, 0, 1, 1, 2, 7, 8, 41, -1, -20]))
        times.append(now)
    return times


def random_events(rng: random.Random, widths: Sequence[int], n: int) -> list[bytes]:
    """Fields of few values, so that keys come again."""
    rows = [tuple(rng.choice([rng.randrange(6), rng.randrange(1 << w)]) % (1 << w) for w in widths) for _ in range(n)]
    return packed(rows, widths)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("seed", range(40 if SOAK else 2))
def test_states_keep_what_earlier_events_left(build: str, seed: int, tmp_path: Path) -> None:
    """Many small batches, so that what is kept goes from one call to the next, and sets that are too small for it."""
    rng = random.Random(f"{build} {seed}")
    builder, states, widths = Builder(), [], []
    for number in range(3):
        state, fields = random_state(rng, builder, number, [[3], [2, 4], []][(number + seed) % 3])
        states.append(state)
        widths += fields
    plan = builder.plan((), states)
    engine = compiled(plan, tmp_path, BUILDS[build])
    contents, memories, now = contents_of(plan, engine), Memories(plan), 0
    for n in (1, 64, 65, 3, 200, 127, 128):
        times = random_times(rng, n, now)
        now = times[-1]
        same(plan, engine, contents, EventBatch.from_bytes(random_events(rng, widths, n), times), memories)
    for counts, memory in zip(contents.memory.counts(), memories.states, strict=True):
        assert (counts.name, counts.evicted) == (memory.state.name, memory.evicted)
        assert (counts.backwards, counts.clock_ns) == (memories.backwards, memories.clock_ns)
    assert sum(memory.evicted for memory in memories.states) > 0
    assert memories.backwards > 0


def keyed(ttl_ns: int = 10, ways: int = 2) -> tuple[Plan, Builder]:
    """The last second byte by first byte, in one set; written where the third byte is not 0."""
    builder = Builder()
    key, x, when = builder.field(8), builder.field(8), builder.field(8)
    g = builder.g
    state = State(
        "last", 1, ways, ttl_ns, (Cell("x", 0, 255, 9),), (8,), (key,), (key,), g.lt(g.false, when), (x,)
    )  # fmt: skip
    builder.look_at(g.known(0))
    builder.look_at(g.old(0, 0, 0, 255))
    return builder.plan((), [state]), builder


FAULTS_OF_STATES = {
    "an entry is too old a moment too soon": ("now - entry->written_ns <=", "now - entry->written_ns <"),
    "the highest of the oldest goes": ("written_ns < oldest->written_ns", "written_ns <= oldest->written_ns"),
    "the newest goes": ("written_ns < oldest->written_ns", "written_ns > oldest->written_ns"),
    "time goes back": ("        state->backwards++;", "        state->backwards++, state->clock_ns = time;"),
    "an expired entry is evicted": ("state->evicted += (u64)young_last(oldest, now);", "(void)now, state->evicted++;"),
    "what was written is read": ("known |= UINT64_C(1) << i;", "known |= UINT64_C(1) << i; entry->cell_0 = next_0[i];"),
}  # fmt: skip


@pytest.mark.parametrize("fault", [None, *FAULTS_OF_STATES])
def test_a_fault_in_a_state_is_noticed(fault: str | None, tmp_path: Path) -> None:
    plan, _ = keyed()
    source = emit(plan)
    if fault is not None:
        right, wrong = FAULTS_OF_STATES[fault]
        assert right in source
        source = source.replace(right, wrong)
    engine = compiled(plan, tmp_path, source=source)
    contents, memories, rng = contents_of(plan, engine), Memories(plan), random.Random(4)

    def run() -> None:
        times = random_times(rng, 2000, 0)
        events = [bytes([rng.randrange(4), rng.randrange(256), rng.randrange(3)]) for _ in times]
        same(plan, engine, contents, EventBatch.from_bytes(events, times), memories)
        assert contents.memory.counts()[0].evicted == memories.states[0].evicted

    if fault is None:
        run()
    else:
        with pytest.raises(AssertionError):
            run()


def test_age_ends_after_the_time_to_live_and_not_before(tmp_path: Path) -> None:
    plan, _ = keyed(ttl_ns=10)
    engine = compiled(plan, tmp_path)
    contents = contents_of(plan, engine)
    batch = EventBatch.from_bytes([b"\1\5\1", b"\1\6\0", b"\1\7\0"], [100, 110, 111])
    fired = engine.run(batch, plan.rules, contents.context).fired
    assert fired[0].tolist() == [False, True, False]
    assert [sum(int(bit) << at for at, bit in enumerate(fired[1:, event])) for event in range(3)] == [9, 5, 9]


def test_a_state_goes_on_with_other_rows_and_can_be_cleared(tmp_path: Path) -> None:
    plan, _ = keyed(ttl_ns=0)
    engine = compiled(plan, tmp_path)
    contents = contents_of(plan, engine)

    def known() -> bool:
        return bool(engine.run(EventBatch.from_bytes([b"\1\5\1"], [1]), plan.rules, contents.context).fired[0, 0])

    assert not known()
    assert known()
    contents = contents.with_rows({})
    assert known()
    contents.memory.clear()
    assert not known()


def test_one_state_may_depend_on_another(tmp_path: Path) -> None:
    builder = Builder()
    g = builder.g
    key, x = builder.field(8), builder.field(8)
    first = State("first", 4, 2, 0, (Cell("x", 0, 255),), (8,), (key,), (key,), g.true, (x,))
    old = g.old(0, 0, 0, 255)
    second = State("second", 4, 2, 5, (Cell("y", 0, 510),), (8,), (old,), (x,), g.known(0), (g.add(old, x),))
    builder.look_at(g.known(1))
    builder.look_at(g.old(1, 0, 0, 510))
    plan = builder.plan((), [first, second])
    engine = compiled(plan, tmp_path)
    contents, memories, rng = contents_of(plan, engine), Memories(plan), random.Random(5)
    times = random_times(rng, 500, 0)
    events = [bytes([rng.randrange(8), rng.randrange(8)]) for _ in times]
    same(plan, engine, contents, EventBatch.from_bytes(events, times), memories)


@pytest.mark.parametrize("through", [False, True])
def test_a_state_that_depends_on_itself_is_refused_by_name(through: bool) -> None:
    builder = Builder()
    g = builder.g
    key = builder.field(8)
    count = g.bits(g.add(g.old(int(through), 0, 0, 255), g.true), 0, 8)
    states = [State("count", 4, 2, 0, (Cell("n", 0, 255),), (8,), (key,), (key,), g.true, (count,))]
    if through:
        when = g.known(0)
        states.append(State("other", 4, 2, 0, (Cell("n", 0, 255),), (8,), (key,), (key,), when, (key,)))
    builder.look_at(g.old(0, 0, 0, 255))
    plan = builder.plan((), states)
    message = (
        "state count: what it keeps depends on what it kept before, which the host engine does not evaluate; "
        "--engine reference runs it"
    )
    with pytest.raises(CannotEmit, match=f"^{re.escape(message)}$"):
        emit(plan)
