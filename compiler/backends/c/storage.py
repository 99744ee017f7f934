"""Places for the values of the host back end: columns in pools that are reused, words in variables or the arena.

One idea: the statements' order gives every column a first and a last use, so a column's place is free again after
its last one; and a word that only one stage uses is a local variable of that stage.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from sevenm.compiler.backends.c.program import Program

STAGE_STATEMENTS = 400
"""Statements in one generated function: compilers take more than linear time over long ones."""
ARENA_STACK_BYTES_MAX = 64 * 1024
"""A larger arena is static per thread."""

_COLUMN = re.compile(r"\$c(\d+):([us]\d+)\$")
_WORD = re.compile(r"\$w(\d+)\$")


@dataclass(frozen=True, slots=True)
class Layout:
    """Text with every token replaced. ``pools``: columns of each type; ``words``: conditions in the arena."""

    fetch: list[str]
    blank: list[str]
    stages: list[list[str]]
    pools: dict[str, int]
    words: int

    def arena_bytes(self, program: Program, slot: int) -> int:
        """About the size of the arena."""
        columns = sum(64 * int(name[1:]) // 8 * count for name, count in self.pools.items())
        return columns + 8 * (self.words + sum(n for _, n in program.results)) + 64 * (slot + 16)


def place(program: Program) -> Layout:
    """Gives every value a place and cuts the statements into stages."""
    columns, pools = _columns(program)
    texts = [_COLUMN.sub(lambda m: columns[m[0]], s.text) for s in program.statements]
    tests = [s.when for s in program.statements]
    defined = {s.defines: at // STAGE_STATEMENTS for at, s in enumerate(program.statements) if s.defines is not None}
    shared: dict[int, int] = {}
    for at, text in enumerate(texts):
        for match in _WORD.finditer(f"{text} {tests[at]}"):
            ref = int(match[1])
            if defined[ref] != at // STAGE_STATEMENTS:
                shared.setdefault(ref, len(shared))
    stages: list[list[str]] = []
    for first in range(0, len(texts), STAGE_STATEMENTS):
        here = first // STAGE_STATEMENTS
        part = range(first, min(first + STAGE_STATEMENTS, len(texts)))
        stage: list[str] = []
        resolve = partial(_resolved, shared, defined, here)
        for when, run in groupby(part, lambda at: tests[at]):
            lines = [(texts[at], program.statements[at].defines) for at in run]
            stage += _guarded(resolve(when), [(resolve(text), defines) for text, defines in lines])
            stage += [f"c->w[{shared[d]}] = w{d};" for _, d in lines if d in shared]
        stages.append(stage)
    fetch, blank = (
        [_COLUMN.sub(lambda m: columns[m[0]], line) for line in lines] for lines in (program.fetch, program.blank)
    )
    return Layout(fetch, blank, stages, pools, len(shared))


def _resolved(shared: dict[int, int], defined: dict[int, int], here: int, text: str) -> str:
    """The text with every word named as the stage ``here`` sees it."""
    return _WORD.sub(lambda match: _word(int(match[1]), shared, defined, here), text)


def _guarded(when: str, lines: list[tuple[str, int | None]]) -> list[str]:
    """The lines of a run of statements, behind their test if they have one. A word that is skipped is 0."""
    if not when:
        return [line for text, d in lines for line in (text if d is None else f"u64 w{d} = {text};").split("\n")]
    words = [f"w{d} = 0" for _, d in lines if d is not None]
    body = [line for text, d in lines for line in (text if d is None else f"w{d} = {text};").split("\n")]
    head = [f"u64 {', '.join(words)};"] if words else []
    return [*head, f"if ({when}) {{", *(f"    {line}" for line in body), "}"]


def _word(ref: int, shared: dict[int, int], defined: dict[int, int], stage: int) -> str:
    return f"w{ref}" if defined[ref] == stage else f"c->w[{shared[ref]}]"


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
    return places, dict(sorted(pools.items(), key=lambda item: (int(item[0][1:]), item[0])))
