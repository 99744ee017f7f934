"""Places for the values of the host back end: columns in pools that are reused, words in variables or the arena.

One idea: the statements' order gives every column a first and a last use, so a column's place is free again after
its last one; and a word that only one stage uses is a local variable of that stage. A stage begins with the names of
the columns that it uses.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from sevenm.compiler.backends.c.forms import NETWORK_KINDS, RAW_KIND, ROOM_KINDS, ROW_KIND, Program
from sevenm.compiler.backends.c.naming import Names
from sevenm.compiler.backends.c.program import Scheduler
from sevenm.compiler.backends.c.types import CType, type_of
from sevenm.compiler.plan.ops import Node

STAGE_STATEMENTS = 400
"""Statements in one generated function: compilers take more than linear time over long ones."""
KINDS = {0: "", RAW_KIND: "raw", ROW_KIND: "row"}
"""What names say of a column beside the node; the others are SHARED."""
SHARED = {ROOM_KINDS % 2: "after", NETWORK_KINDS % 2: "net"}
DECLARATORS = 3
"""Columns that one line declares."""

_COLUMN = re.compile(r"\$c(\d+):([us])(\d+)\$")
_WORD = re.compile(r"\$w(\d+)\$")
_RESULT = re.compile(r"\$r(\d+)\$")


@dataclass(frozen=True, slots=True)
class Layout:
    """Text with every token replaced. ``pools``: columns of each type; ``words``: conditions in the arena."""

    fetch: list[str]
    fetch_names: list[str]
    repeat: list[str]
    stages: list[list[str]]
    pools: dict[str, int]
    words: list[str]


@dataclass(frozen=True, slots=True)
class Written:
    """What a scheduler made, and its text."""

    scheduler: Scheduler
    program: Program
    layout: Layout


class _Placer:
    """Names and places of tokens."""

    def __init__(self, program: Program, nodes: list[Node], names: Names) -> None:
        self.program, self.nodes, self.names = program, nodes, names
        self.places, self.pools = _columns(program)

    def column_name(self, token: str) -> str:
        match = _COLUMN.fullmatch(token)
        assert match is not None
        number, ctype = int(match[1]), CType(int(match[3]), match[2] == "s")
        what, ref = divmod(number, len(self.nodes))
        suffix = ctype.name if what == 0 and type_of(self.nodes[ref]) != ctype and not self._is_load(ref) else ""
        kind = KINDS[what] if what in KINDS else SHARED[what % 2]
        return self.names.of_column(token, ref, kind, suffix)

    def _is_load(self, ref: int) -> bool:
        return self.nodes[ref].op == "load"

    def text(self, text: str) -> str:
        """With columns and results named."""
        text = _COLUMN.sub(lambda m: self.column_name(m[0]), text)
        return _RESULT.sub(lambda m: f"c->{self.program.results[int(m[1])][0]}", text)

    def declared(self, texts: Iterable[str]) -> list[str]:
        """The columns that these texts use, as C declarations."""
        tokens = dict.fromkeys(m[0] for text in texts for m in _COLUMN.finditer(text))
        by_type: defaultdict[str, list[str]] = defaultdict(list)
        for token in tokens:
            declarator = f"*const {self.column_name(token)} = {self.places[token]}"
            by_type[self.places[token].split("_")[0].removeprefix("c->")].append(declarator)
        lines: list[str] = []
        for ctype, declarators in sorted(by_type.items(), key=lambda item: (int(item[0][1:]), item[0])):
            rows = (declarators[at : at + DECLARATORS] for at in range(0, len(declarators), DECLARATORS))
            lines += [f"{ctype} {', '.join(row)};" for row in rows]
        return lines


def written(scheduler: Scheduler, names: Names) -> Written:
    """Finishes a scheduler that was told everything."""
    program = scheduler.finish()
    return Written(scheduler, program, place(program, scheduler.nodes, names))


def place(program: Program, nodes: list[Node], names: Names) -> Layout:
    """Gives every value a place and cuts the statements into stages."""
    placer = _Placer(program, nodes, names)
    statements = program.statements
    defined = {s.defines: at // STAGE_STATEMENTS for at, s in enumerate(statements) if s.defines is not None}
    shared: dict[int, str] = {}
    for at, statement in enumerate(statements):
        for match in _WORD.finditer(f"{statement.text} {statement.when}"):
            ref = int(match[1])
            if defined[ref] != at // STAGE_STATEMENTS:
                shared.setdefault(ref, names.of_word(ref))
    stages: list[list[str]] = []
    for first in range(0, len(statements), STAGE_STATEMENTS):
        here = first // STAGE_STATEMENTS
        part = statements[first : first + STAGE_STATEMENTS]
        stage = placer.declared(s.text for s in part)
        stage += ["u64 moved;"] * any("moved = " in s.text for s in part)
        resolve = partial(_resolved, shared, defined, here, placer)
        for when, run in groupby(part, lambda s: s.when):
            lines = [(resolve(s.text), s.defines) for s in run]
            stage += _guarded(resolve(when), lines, names)
            stage += [f"c->{shared[d]} = {shared[d]};" for _, d in lines if d in shared]
        stages.append(stage)
    fetch, repeat = ([placer.text(line) for line in lines] for lines in (program.fetch, program.repeat))
    return Layout(fetch, placer.declared(program.fetch), repeat, stages, placer.pools, list(shared.values()))


def _resolved(shared: dict[int, str], defined: dict[int, int], here: int, placer: _Placer, text: str) -> str:
    """The text with every value named as the stage ``here`` sees it."""

    def name(match: re.Match[str]) -> str:
        ref = int(match[1])
        return placer.names.of_word(ref) if defined[ref] == here else f"c->{shared[ref]}"

    return placer.text(_WORD.sub(name, text))


def _guarded(when: str, lines: list[tuple[str, int | None]], names: Names) -> list[str]:
    """The lines of a run of statements, behind their test if they have one. A word that is skipped is 0."""
    assigned = [text if d is None else f"{names.of_word(d)} = {text};" for text, d in lines]
    if not when:
        return [
            line for text, (_, d) in zip(assigned, lines, strict=True)
            for line in (text if d is None else f"u64 {text}").split("\n")
        ]  # fmt: skip
    words = [f"{names.of_word(d)} = 0" for _, d in lines if d is not None]
    body = [line for text in assigned for line in text.split("\n")]
    head = [f"u64 {', '.join(words)};"] if words else []
    return [*head, f"if ({when}) {{", *(f"    {line}" for line in body), "}"]


def _columns(program: Program) -> tuple[dict[str, str], dict[str, int]]:
    """Place of every column token, and the size of each type's pool."""
    last: dict[str, int] = {}
    uses: list[list[str]] = [[m[0] for line in program.fetch for m in _COLUMN.finditer(line)]]
    uses += [[m[0] for m in _COLUMN.finditer(s.text)] for s in program.statements]
    for at, tokens in enumerate(uses):
        for token in tokens:
            last[token] = at
    places: dict[str, str] = {}
    free: defaultdict[str, list[int]] = defaultdict(list)
    pools: dict[str, int] = {}
    held: dict[str, int] = {}
    for at, tokens in enumerate(uses):
        distinct = list(dict.fromkeys(tokens))
        for token in distinct:
            if token in places:
                continue
            name = token.strip("$").split(":")[1]
            if free[name]:
                index = free[name].pop()
            else:
                index = pools.get(name, 0)
                pools[name] = index + 1
            places[token], held[token] = f"c->{name}_[{index}]", index
        for token in distinct:
            if last[token] == at:
                free[token.strip("$").split(":")[1]].append(held[token])
    return places, dict(sorted(pools.items(), key=pool_order))


def pool_order(pool: tuple[str, int]) -> tuple[int, str]:
    """Narrow types first."""
    return int(pool[0][1:]), pool[0]
