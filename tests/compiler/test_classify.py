"""Bit vectors in C against a linear scan of the rows in NumPy, over keys of every type and any number of rows."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm.compiler.backends.c import bit_vectors
from sevenm.compiler.backends.c.bit_vectors import BitVectors, KeyAxis, TooLarge, build
from sevenm.compiler.backends.c.bit_vectors_text import classifier
from sevenm.compiler.backends.c.classifier import Classifier
from sevenm.compiler.backends.c.types import type_of
from sevenm.compiler.passes.interval_sets import Intervals, union
from sevenm.compiler.passes.rows import Condition, Row, Rows
from sevenm.compiler.plan.graph import Graph

BACKEND = Path(bit_vectors.__file__).parent
C = ("-std=c11", f"-I{BACKEND}")
FLAGS = {
    "native": ("-O2", "-march=native"),
    "portable": ("-O2", "-DSM_PORTABLE"),
    "sanitized": ("-O1", "-g", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
}
CHUNKS = 12
RESULTS = {"first": ["rule + 64 * chunk"], "all": ["ALL", "events", "touched"]}
HARNESS = """
void run(const void *const *keys, const u64 *when, unsigned conditions, u16 *rule, u64 *events, u64 *touched,
         unsigned chunk)
{{
    (void)keys, (void)when, (void)conditions, (void)rule, (void)events, (void)touched;
    {call}
}}
unsigned group(u16 *found, u64 *events, u32 rules, const u16 *rule, u64 live)
{{
    return lanes_by_rule(found, events, rules, rule, live);
}}
"""


def compiler() -> str:
    return next(c for c in ("gcc", "clang", "cc") if shutil.which(c))


def key_nodes(g: Graph) -> list[int]:
    """A value of every type there is, and one that does not fill its type."""
    loads = [g.load(g.const(0), 16 * i, size) for i, size in enumerate((1, 2, 4, 8, 16, 1, 2, 4, 8, 16))]
    signed = [g.signed(ref, 8 * size) for ref, size in zip(loads[5:], (1, 2, 4, 8, 16), strict=True)]
    return [*loads[:5], *signed, g.bits(g.load(g.const(0), 200, 4), 3, 20), g.bits(g.load(g.const(0), 208, 2), 1, 11)]


def random_set(rng: random.Random, lo: int, hi: int) -> Intervals:
    parts = []
    for _ in range(rng.choice([1, 1, 1, 3])):
        span = rng.choice([0, 0, 3, 255, (hi - lo) >> 9, (hi - lo) >> 2])
        first = rng.choice([lo, rng.randint(lo, hi), rng.randint(lo, min(hi, lo + 70_000))])
        parts.append((first, min(hi, first + span)))
    return union(parts)


def random_rows(rng: random.Random, g: Graph, keys: Sequence[int], count: int, conditions: int) -> Rows:
    wanted: list[Condition] = [((2 * i,),) for i in range(conditions)] or [()]
    rules = sorted(rng.randrange(max(1, count)) for _ in range(count))
    rows = []
    for rule in rules:
        sets = tuple(((g[k].lo, g[k].hi),) if rng.random() < 0.4 else random_set(rng, g[k].lo, g[k].hi) for k in keys)
        rows.append(Row(rule, sets, rng.choice(wanted)))
    return Rows(tuple(keys), tuple(rows), (), ())


def values_of(rng: random.Random, g: Graph, rows: Rows) -> list[list[int]]:
    """One column for each key: ends of sets, values beside them, and any."""
    out = []
    for at, key in enumerate(rows.keys):
        lo, hi = g[key].lo, g[key].hi
        edges = [v + d for row in rows.rows for part in row.sets[at] for v in part for d in (-1, 0, 1)]
        picks = (rng.choice(edges) if rng.random() < 0.8 else rng.randint(lo, hi) for _ in range(64 * CHUNKS))
        out.append([min(max(v, lo), hi) for v in picks])
    return out


def matches(row: Row, columns: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    out = np.ones(64 * CHUNKS, np.bool_)
    for column, part in zip(columns, row.sets, strict=True):
        wide = np.array(column, object)
        out &= np.logical_or.reduce([(wide >= lo) & (wide <= hi) for lo, hi in part]).astype(np.bool_)
    return out


def scan(rows: Rows, columns: Sequence[Sequence[int]], holds: dict[Condition, NDArray[np.bool_]]) -> NDArray[np.uint16]:
    """The first rule of each event, the slow way."""
    out = np.full(64 * CHUNKS, 0xFFFF, np.uint16)
    for row in reversed(rows.rows):
        out[holds[row.features] & matches(row, columns)] = row.rule
    return out


def compiled(made: Classifier, g: Graph, folder: Path, flags: Sequence[str]) -> ctypes.CDLL:
    columns = [f"(const {type_of(g[k]).name} *)keys[{at}] + 64 * chunk" for at, k in enumerate(made.keys)]
    words = [f"when[chunk * conditions + {at}]" for at in range(len(made.conditions))]
    text = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
    text += (BACKEND / "engine_lanes.h").read_text() + (BACKEND / "classify.h").read_text() + made.text
    text += HARNESS.format(call=made.call(columns, words, *RESULTS[made.mode]))
    source = folder / "classify.c"
    source.write_text(text)
    warnings = ("-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-variable", "-Werror")
    command = [compiler(), *C, "-fPIC", "-shared", *warnings, *flags, str(source), "-o", f"{source}.so"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return ctypes.CDLL(f"{source}.so")


def column_bytes(values: Sequence[int], bits: int) -> bytes:
    return b"".join((v % (1 << bits)).to_bytes(bits // 8, "little") for v in values)


class Built:
    """Vectors in C, and inputs for them."""

    def __init__(
        self, mode: str, rows: Rows, vectors: BitVectors, g: Graph, folder: Path, flags: Sequence[str],
        rng: random.Random,
    ) -> None:  # fmt: skip
        self.rules = 1 + max(row.rule for row in rows.rows)
        self.rows, self.made = rows, classifier("test", mode, "b0", g.nodes, rows.keys, vectors, self.rules)
        self.library = compiled(self.made, g, folder, flags)
        self.columns = values_of(rng, g, rows)
        self.holds = {c: np.array([rng.random() < 0.7 for _ in range(64 * CHUNKS)]) for c in rows.features}
        self.holds[()] = np.ones(64 * CHUNKS, np.bool_)
        self.words = np.zeros((CHUNKS, max(1, len(self.made.conditions))), np.uint64)
        for at, condition in enumerate(self.made.conditions):
            packed = np.packbits(self.holds[condition].reshape(CHUNKS, 64), axis=1, bitorder="little")
            self.words[:, at] = packed.view(np.uint64)[:, 0]
        buffers = [column_bytes(self.columns[rows.keys.index(key)], type_of(g[key]).bits) for key in self.made.keys]
        self.aligned = [np.zeros(len(b) + 64, np.uint8) for b in buffers]
        self.pointers = (ctypes.c_void_p * max(1, len(buffers)))()
        for at, (data, room) in enumerate(zip(buffers, self.aligned, strict=True)):
            start = -room.ctypes.data % 64
            room[start : start + len(data)] = np.frombuffer(data, np.uint8)
            self.pointers[at] = room.ctypes.data + start

    def run(
        self, chunk: int, rule: NDArray[np.uint16], events: NDArray[np.uint64], touched: NDArray[np.uint64]
    ) -> None:
        results = (ctypes.c_void_p(array.ctypes.data) for array in (self.words, rule, events, touched))
        when, *others = results
        self.library.run(self.pointers, when, len(self.made.conditions), *others, chunk)


NOTHING = np.zeros(1, np.uint64)


def check(rows: Rows, vectors: BitVectors, g: Graph, folder: Path, flags: Sequence[str], rng: random.Random) -> None:
    built = Built("first", rows, vectors, g, folder, flags, rng)
    rule = np.zeros(64 * CHUNKS, np.uint16)
    for chunk in range(CHUNKS):
        built.run(chunk, rule, NOTHING, NOTHING)
    assert np.array_equal(rule, scan(rows, built.columns, built.holds))


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("count", [1, 5, 64, 65, 128, 129, 700, 1024, 1025, 2500])
@pytest.mark.parametrize("name", ["native", "portable"])
def test_bit_vectors_find_the_first_row_as_a_linear_scan_does(name: str, count: int, tmp_path: Path) -> None:
    rng = random.Random(count)
    g = Graph()
    keys = sorted(rng.sample(key_nodes(g), rng.randint(1, 5)))
    rows = random_rows(rng, g, keys, count, rng.choice([0, 1, 3, 8, 9, 20]))
    vectors = build(g.nodes, rows, fold=count % 2 == 0)
    if vectors.axes:
        check(rows, vectors, g, tmp_path, FLAGS[name], rng)


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("count", [1, 64, 128, 500, 1024, 1500])
def test_bit_vectors_find_all_rules_as_a_linear_scan_does(count: int, tmp_path: Path) -> None:
    rng = random.Random(count)
    g = Graph()
    keys = sorted(rng.sample(key_nodes(g), 3))
    rows = random_rows(rng, g, keys, count, count % 3)
    built = Built("all", rows, build(g.nodes, rows), g, tmp_path, FLAGS["native"], rng)
    wanted = np.zeros((built.rules, 64 * CHUNKS), np.bool_)
    for row in rows.rows:
        wanted[row.rule] |= built.holds[row.features] & matches(row, built.columns)
    for chunk in range(CHUNKS):
        events, touched = np.zeros(built.rules, np.uint64), np.zeros(-(-built.rules // 64), np.uint64)
        built.run(chunk, NOTHING.view(np.uint16), events, touched)
        here = wanted[:, 64 * chunk : 64 * (chunk + 1)]
        assert np.array_equal(np.unpackbits(events.view(np.uint8), bitorder="little").reshape(-1, 64), here)
        bits = np.unpackbits(touched.view(np.uint8), bitorder="little")[: built.rules]
        assert np.array_equal(bits.astype(np.bool_), here.any(axis=1))


@pytest.mark.needs("compiler")
def test_lanes_are_put_together_by_rule(tmp_path: Path) -> None:
    rng = random.Random(4)
    g = Graph()
    rows = random_rows(rng, g, [key_nodes(g)[1]], 3, 0)
    library = Built("first", rows, build(g.nodes, rows), g, tmp_path, FLAGS["native"], rng).library
    for rules in (1, 3, 60, 5000):
        storage = np.zeros(96, np.uint16)
        rule = storage[-storage.ctypes.data % 64 // 2 :][:64]
        rule[:] = [rng.choice([rng.randrange(rules), 0xFFFF]) for _ in range(64)]
        live, out, events = rng.getrandbits(64), np.zeros(65, np.uint16), np.zeros(rules + 1, np.uint64)
        events[rules] = 1
        library.group.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint64]
        count = library.group(out.ctypes.data, events.ctypes.data, rules, rule.ctypes.data, live)
        wanted: dict[int, int] = {}
        for lane, number in enumerate(rule.tolist()):
            if number != 0xFFFF and live >> lane & 1:
                wanted[number] = wanted.get(number, 0) | 1 << lane
        assert {int(r): int(events[r]) for r in out[:count]} == wanted
        assert np.count_nonzero(events[:rules]) == len(wanted)


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("at", range(12))
def test_a_key_of_every_type_is_found_in_its_intervals(at: int, tmp_path: Path) -> None:
    rng = random.Random(at)
    g = Graph()
    rows = random_rows(rng, g, [key_nodes(g)[at]], 300, 2)
    check(rows, build(g.nodes, rows), g, tmp_path, FLAGS["native"], rng)


@pytest.fixture
def poison(tmp_path: Path) -> list[str]:
    """The compiler's flag for rubbish in variables that nobody set: what is read of them leads out of every table."""
    flag = "-ftrivial-auto-var-init=pattern"
    command = [compiler(), flag, "-x", "c", "-c", "-o", str(tmp_path / "probe.o"), "-"]
    done = subprocess.run(command, input="int x;\n", text=True, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("compiler is too old to fill variables with a pattern (gcc 12 does)")
    return [flag]


def reads_within(
    made: Classifier, g: Graph, folder: Path, flags: Sequence[str], fault: tuple[str, str] = ("", "")
) -> tuple[int, str]:
    """Exit code and complaint of a program that looks rows up with every value of every byte, under the sanitizers,
    all lanes live, the first of them, and a few here and there. ``fault``: a text in the loops, and another instead."""
    text = "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n"
    loops = (BACKEND / "classify.h").read_text()
    assert fault[0] in loops
    text += (BACKEND / "engine_lanes.h").read_text() + loops.replace(*fault) + made.text
    ctypes_of = [type_of(g[k]) for k in made.keys]
    columns = "\n".join(f"static {t.name} x{i}[LANES] ALIGNED;" for i, t in enumerate(ctypes_of))
    tops = [t.literal(g[k].hi) for t, k in zip(ctypes_of, made.keys, strict=True)]
    fills = "\n".join(
        f"memset(x{i}, v, sizeof x{i}); EACH if (x{i}[i] > {top}) x{i}[i] = {top};" for i, top in enumerate(tops)
    )
    results = {"first": ["rule"], "all": ["live & some[k]", "events", "touched"]}[made.mode]
    names, words = [f"x{i}" for i in range(len(ctypes_of))], [f"when[{i}]" for i in range(len(made.conditions))]
    text += f"{columns}\nint main(void) {{ static u16 rule[LANES]; static u64 events[4096], touched[64];"
    text += (
        f"static const u64 when[{max(1, len(made.conditions))}]; (void)rule, (void)events, (void)touched, (void)when;"
    )
    text += "static const u64 some[2] = {ALL, UINT64_C(0x8000100000000802)}; (void)some;\n"
    text += "for (u64 live = ALL; live; live >>= 9) for (unsigned k = 0; k < 2; k++) for (int v = 0; v < 256; v += 5) {"
    text += f"{fills}\n{made.call(names, words, *results)} }} return 0; }}\n"
    source = folder / "past.c"
    source.write_text(text)
    command = [compiler(), *C, *FLAGS["sanitized"], *flags, str(source), "-o", str(folder / "past")]
    subprocess.run(command, check=True, capture_output=True)
    done = subprocess.run([folder / "past"], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("mode", ["first", "all"])
def test_no_table_is_read_past_its_end(mode: str, tmp_path: Path, poison: list[str]) -> None:
    rng = random.Random(5)
    g = Graph()
    rows = random_rows(rng, g, sorted(key_nodes(g)), 700, 10)
    made = classifier("test", mode, "b0", g.nodes, rows.keys, build(g.nodes, rows), 700)
    assert reads_within(made, g, tmp_path, poison) == (0, "")


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("mode", ["first", "all"])
def test_a_lane_without_an_event_leads_nowhere(mode: str, tmp_path: Path, poison: list[str]) -> None:
    """Where the class of a value that is searched for is folded with another: a table of two classes of a lane."""
    rng = random.Random(5)
    g = Graph()
    rows = random_rows(rng, g, [key_nodes(g)[4]], 6, 8)
    vectors = build(g.nodes, rows, fold=True)
    assert vectors.fold is not None and isinstance(vectors.axes[vectors.fold.parts[0]], KeyAxis)
    made = classifier("test", mode, "b0", g.nodes, rows.keys, vectors, 6)
    assert reads_within(made, g, tmp_path, poison) == (0, "")
    if mode == "all":
        said = "c1[i], lanes_of(live));"
        assert made.text.count(said) == 1
        everywhere = replace(made, text=made.text.replace(said, "c1[i], LANES);"))
        assert reads_within(everywhere, g, tmp_path, poison) != (0, ""), "lanes without a class lead out of the table"


def exact_rows(g: Graph) -> Rows:
    """A value of the first key for each rule, and a range of the second: most values of the first have no rule."""
    keys = (key_nodes(g)[2], key_nodes(g)[10])
    rows = []
    for rule in range(90):
        least = 5000 * (rule % 40)
        rows.append(Row(rule, (((1000 * rule, 1000 * rule),), ((least, g[keys[1]].hi),)), ()))
    return Rows(keys, tuple(rows), (), ())


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("name", ["native", "portable"])
def test_lanes_that_have_no_rule_by_their_first_key_are_left_out(name: str, tmp_path: Path) -> None:
    """Chunks in which none, few, and all values of the first key have rules."""
    rng = random.Random(7)
    g = Graph()
    rows = exact_rows(g)
    built = Built("all", rows, build(g.nodes, rows), g, tmp_path, FLAGS[name], rng)
    assert "if (!live) return;" in built.made.text
    for chunk, share in enumerate((0, 0.02, 0.1, 0.2, 0.25, 0.3, 0.5, 1)):
        columns = [
            [1000 * rng.randrange(90) + (rng.random() >= share) for _ in range(64)],
            [rng.randrange(200_000) for _ in range(64)],
        ]
        for at, column in enumerate(columns):
            target = (ctypes.c_uint32 * 64).from_address(built.pointers[at] + 256 * chunk)
            target[:] = column
        events, touched = np.zeros(built.rules, np.uint64), np.zeros(2, np.uint64)
        built.run(chunk, NOTHING.view(np.uint16), events, touched)
        wanted = [0] * built.rules
        for lane, (kind, value) in enumerate(zip(*columns, strict=True)):
            if kind % 1000 == 0 and value >= 5000 * (kind // 1000 % 40):
                wanted[kind // 1000] |= 1 << lane
        assert events.tolist() == wanted
        assert [n for n in range(90) if int(touched[n >> 6]) >> (n & 63) & 1] == [n for n in range(90) if wanted[n]]


@pytest.mark.needs("compiler")
def test_lanes_that_are_left_out_lead_nowhere(tmp_path: Path, poison: list[str]) -> None:
    g = Graph()
    rows = exact_rows(g)
    vectors = build(g.nodes, rows, fold=True)
    assert vectors.fold is not None and vectors.fold.parts == (0, 1)
    made = classifier("test", "all", "b0", g.nodes, rows.keys, vectors, 90)
    assert reads_within(made, g, tmp_path, poison) == (0, "")
    rubbish = ("memset(out, 0, LANES * sizeof *out);", "")
    assert reads_within(made, g, tmp_path, poison, rubbish) != (0, "")


@pytest.mark.needs("compiler")
def test_the_check_sees_rows_in_the_wrong_order(tmp_path: Path) -> None:
    rng = random.Random(3)
    g = Graph()
    rows = random_rows(rng, g, [key_nodes(g)[1]], 100, 0)
    turned = Rows(rows.keys, tuple(reversed(rows.rows)), (), ())
    with pytest.raises(AssertionError):
        check(rows, build(g.nodes, turned), g, tmp_path, FLAGS["native"], rng)


def test_the_same_rows_give_the_same_text() -> None:
    def text() -> str:
        g = Graph()
        rows = random_rows(random.Random(9), g, sorted(key_nodes(g))[:4], 200, 12)
        return classifier("same", "first", "b0", g.nodes, rows.keys, build(g.nodes, rows), 200).text

    assert text() == text()


def test_what_cannot_be_numbered_is_refused() -> None:
    g = Graph()
    key = g.load(g.const(0), 0, 4)
    every_other = tuple((4 * i, 4 * i + 1) for i in range(40_000))
    rows = Rows((key,), (Row(0, (every_other,), ()),), (), ())
    with pytest.raises(TooLarge) as refused:
        build(g.nodes, rows)
    assert str(refused.value) == "a key has 80000 intervals, and at most 65535 are numbered"
