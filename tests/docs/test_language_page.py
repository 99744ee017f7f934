"""docs/language.md against the compiler: its example compiles, its bounds are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.diagnostics import CompileError, render
from sevenm.compiler.syntax import bounds, brackets, lexemes, parse

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = PAGE.split("```")[1::2]


def test_the_example_compiles_without_a_warning() -> None:
    compiled = compile_text(BLOCKS[0].lstrip(), "page")
    assert compiled.warnings == ()
    assert [rule.name for rule in compiled.plan.rules] == ["web", "bog", "qinq", "default", "hot"]


def test_the_error_shown_is_the_error_given() -> None:
    with pytest.raises(CompileError) as raised:
        parse.parse_expression("tcp port 80")
    assert render(raised.value.diagnostics[0], "tcp port 80", "filter") == BLOCKS[-1].strip()


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("source |", (brackets.SOURCE_MAX >> 20, brackets.TOKENS_MAX)),
        ("levels of brackets", (bounds.NESTING_MAX,)),
        ("rules in a file", (bounds.RULES_MAX,)),
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
