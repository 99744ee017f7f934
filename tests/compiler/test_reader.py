"""The reader of sound sources: its tables are the grammar's, and it builds what Lark's tree of the parse says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lark import Token as LarkToken
from lark import Tree
from lark.exceptions import UnexpectedInput
from lark.visitors import Transformer_NonRecursive

from sevenm.compiler.diagnostics import CompileError
from sevenm.compiler.syntax import tables
from sevenm.compiler.syntax.brackets import check_source
from sevenm.compiler.syntax.lark_parser import lark_parser
from sevenm.compiler.syntax.reader import Reader, reader
from sevenm.compiler.syntax.token import Token
from sevenm.compiler.syntax.tree import TreeBuilder
from sevenm.compiler.syntax.words import Unreadable
from sevenm.sim.rule_sets import RuleSets, text_of

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path.read_text() for path in sorted(ROOT.glob("examples/**/*.7m"))]
FRAGMENTS = (
    "and", "or", "not", "in", "{", "}", "(", ")", "[", "]", "..", ",", ";", "=>", "==", "<", "<<", "any", "all",
    "first", "rule", "default", "drop", "10.0.0.1/8", "00:11:22:33:44:55", "::1", "0x1f", "5ms", "'a'", "tcp.port",
    "vlan.id#1", "#1", "# c\n", "//x\n", "\n", "\t", "$s", "@x", "max 5", "prev(", "-", "~", "v1", "bits", "set",
    ":", "->", ".", "*",
)  # fmt: skip


class FromTree(Transformer_NonRecursive[Any, Any]):
    """Builds from Lark's tree: a rule's name is the builder's method."""

    def __init__(self, builder: TreeBuilder) -> None:
        super().__init__()
        self.builder = builder

    def _call_userfunc(self, tree: Tree[Any], new_children: list[Any] | None = None) -> Any:
        return getattr(self.builder, str(tree.data))(new_children)

    def _call_userfunc_token(self, token: LarkToken) -> Token:
        own = Token(token)
        own.type, own.start_pos, own.line, own.column = token.type, token.start_pos, token.line, token.column
        hear: Callable[[Token], Token] | None = getattr(self.builder, token.type, None)
        return own if hear is None else hear(own)


def by_lark(text: str, start: str) -> object:
    """The tree and the findings, or None if the grammar does not take the source."""
    builder = TreeBuilder()
    try:
        return FromTree(builder).transform(lark_parser().parse(text, start=start)), builder.findings
    except UnexpectedInput:
        return None


def by_reader(text: str, start: str, of: Reader) -> object:
    builder = TreeBuilder()
    try:
        return of.read(text, start, builder), builder.findings
    except Unreadable:
        return None


def damaged(text: str, rng: random.Random) -> str:
    """The text with one to three pieces put in or taken out."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        text = (
            text[:at] + (f" {rng.choice(FRAGMENTS)} " if rng.random() < 0.6 else "") + text[at + rng.choice((0, 2)) :]
        )
    return text


def test_the_tables_are_those_of_the_grammar() -> None:
    """After a change of the grammar: ``tables.write()``."""
    assert tables.FILE.read_text() == tables.text(tables.compute())


def test_tables_of_another_grammar_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(tables.FILE.read_text())
    (tmp_path / "tables.json").write_text(json.dumps({**data, "grammar": "0" * 64, "states": []}))
    monkeypatch.setattr(tables, "FILE", tmp_path / "tables.json")
    assert len(tables.load().states) == len(data["states"]) > 400


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_sound_sources_give_the_tree_that_lark_gives(number: int) -> None:
    found = by_reader(SOURCES[number], "file", reader())
    assert found is not None and found == by_lark(SOURCES[number], "file")


@pytest.mark.parametrize("seed", range(40))
def test_generated_and_damaged_sources_are_read_or_refused_as_lark_does(seed: int) -> None:
    rng = random.Random(seed)
    taken = 0
    sets = RuleSets(rng, tables=True, prev=True)
    generated = text_of([sets.block(f"block{number}") for number in range(2)])
    for text in (generated, *(damaged(rng.choice(SOURCES)[:1500], rng) for _ in range(12))):
        try:
            check_source(text)
        except CompileError:
            continue
        found = by_reader(text, "file", reader())
        assert found == by_lark(text, "file"), text
        taken += found is not None
    assert taken, "at least what was not damaged"


@pytest.mark.parametrize(
    "text",
    [
        "udp",
        "a.b == 1 # end",
        "tcp.port in {80, 443..445} // end",
        " \n\n x & 0xff << 2 == 3\n\n ",
        "not (a or b) and c#2",
    ],
)
def test_expressions_are_read_as_lark_reads_them(text: str) -> None:
    found = by_reader(text, "expression", reader())
    assert found is not None and found == by_lark(text, "expression")


@pytest.mark.parametrize("text", ["", " ", "udp udp", "udp ?", "(udp", "a == ", "10.0.0.0/8 ==", "=> udp"])
def test_what_the_grammar_refuses_is_unreadable(text: str) -> None:
    assert by_lark(text, "expression") is None
    with pytest.raises(Unreadable):
        reader().read(text, "expression", TreeBuilder())


def test_a_fault_in_the_tables_is_noticed() -> None:
    """The comparison above is one."""
    good, text = reader().tables, "tcp and udp"
    wrong = tuple(replace(rule, builds="disjunction") if rule.builds == "conjunction" else rule for rule in good.rules)
    assert by_reader(text, "expression", Reader(good)) == by_lark(text, "expression")
    assert by_reader(text, "expression", Reader(replace(good, rules=wrong))) != by_lark(text, "expression")
