"""docs/language.md against the compiler: its example compiles, its bounds are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.boundary import CHANNELS_MAX, COUNTERS_MAX
from sevenm.compiler import compile_text
from sevenm.compiler.check import csv, states, tables, values
from sevenm.compiler.diagnostics import CompileError, render
from sevenm.compiler.plan import BLOCK_RULES_MAX, NODES_MAX, RULES_MAX, STATES_MAX, TABLES_MAX
from sevenm.compiler.syntax import bounds, brackets, lexemes, parse
from sevenm.tables import ROWS_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = PAGE.split("```")[1::2]


def test_the_example_compiles_without_a_warning() -> None:
    compiled = compile_text(BLOCKS[0].lstrip(), "page")
    assert compiled.warnings == ()
    assert [rule.name for rule in compiled.plan.rules] == ["web", "bog", "qinq", "fwd", "default", "hot", "heat"]


def test_the_error_shown_is_the_error_given() -> None:
    with pytest.raises(CompileError) as raised:
        parse.parse_expression("tcp port 80")
    assert render(raised.value.diagnostics[0], "tcp port 80", "filter") == BLOCKS[-1].strip()


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("source |", (brackets.SOURCE_MAX >> 20, brackets.TOKENS_MAX)),
        ("levels of brackets", (bounds.NESTING_MAX,)),
        ("rules in a file", (bounds.RULES_MAX, BLOCK_RULES_MAX)),
        ("rows of a table", (ROWS_MAX, csv.CSV_MAX >> 20)),
        ("keys that a `prev`", (states.STATE_KEYS_MAX, states.PREV_KEYS)),
        ("bytes of a slice", (values.SLICE_MAX,)),
        ("fields of a schema", (bounds.FIELDS_MAX,)),
        ("members of a set", (bounds.MEMBERS_MAX,)),
        ("characters of a name", (bounds.NAME_MAX, lexemes.DIGITS_MAX)),
        ("quoted text", (lexemes.TEXT_MAX, lexemes.BYTES_MAX)),
        ("errors reported", (bounds.FINDINGS_MAX, parse.RECOVERY_MAX)),
    ],
)
def test_the_bounds_are_those_of_the_compiler(words: str, most: tuple[int, ...]) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {words}"))
    assert all(f"{bound:,}" in line for bound in most)


def test_the_tables_shown_compile() -> None:
    shown = BLOCKS[1].lstrip().splitlines()
    text = "\n".join(shown[:4]) + "\nrules r on packet first { rule a: acl[ip.dst, l4.dstport].cls == 5 => drop }"
    (acl,) = compile_text(text, "page").plan.tables
    assert [key.kind for key in acl.keys] == ["lpm", "range"]
    assert f"{tables.ROWS_DEFAULT:,} where it is left out" in PAGE


def test_the_bounds_of_the_meaning_are_those_of_the_plan() -> None:
    page = (Path(__file__).parents[2] / "docs" / "meaning.md").read_text(encoding="utf-8")
    line = " ".join(page.split("## Bounds")[1].split())
    for most in (
        RULES_MAX,
        BLOCK_RULES_MAX,
        CHANNELS_MAX,
        COUNTERS_MAX,
        bounds.MEMBERS_MAX,
        TABLES_MAX,
        STATES_MAX,
        NODES_MAX,
    ):
        assert f"{most:,} " in line
    assert bounds.RULES_MAX == RULES_MAX
    assert f"`keys N` entries ({states.PREV_KEYS:,} by default)" in page
