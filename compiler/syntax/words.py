"""Words of a source, found one after the other by what the parser can take at each place.

One idea: the same text is a keyword here and a name there, and it is the parser's state that tells; so each state has
a regular expression of its own, in which every alternative is a terminal of the grammar.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from sevenm.compiler.syntax.tables import Tables
from sevenm.compiler.syntax.token import Token

END = "$END"
"""The type of what stands behind the last word."""


class Unreadable(Exception):
    """The source is not what the grammar says."""


class Scanner(NamedTuple):
    """``instead``: what a text that was found as some terminal is in truth."""

    pattern: re.Pattern[str]
    instead: dict[tuple[str, str], str]


class Scanners:
    """Those of the states, made when they are first asked for; states that take the same words share one."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        ignored = "|".join(f"(?:{one.pattern})" for one in tables.terminals if one.name in tables.ignored)
        self._before = f"(?>(?:{ignored})*)"
        self.rest = re.compile(self._before)
        """What may stand behind the last word."""
        self._of: list[Scanner | None] = [None] * len(tables.states)
        self._shared: dict[frozenset[str], Scanner] = {}

    def __getitem__(self, state: int) -> Scanner:
        scanner = self._of[state]
        if scanner is None:
            taken = frozenset(self._tables.states[state].actions)
            if taken not in self._shared:
                self._shared[taken] = self._made(taken)
            scanner = self._of[state] = self._shared[taken]
        return scanner

    def _made(self, taken: frozenset[str]) -> Scanner:
        instead = {
            (one.name, text): other
            for one in self._tables.terminals
            if one.name in taken
            for text, other in one.instead.items()
            if other in taken
        }
        wanted = taken - set(instead.values())
        words = "|".join(f"(?P<{one.name}>{one.pattern})" for one in self._tables.terminals if one.name in wanted)
        return Scanner(re.compile(f"{self._before}(?:{words or '(?!)'})"), instead)


class Words:
    """Of one source, from its start."""

    def __init__(self, scanners: Scanners, text: str) -> None:
        self._scanners, self._text = scanners, text
        self._at = 0
        self._ends = [*(found.start() for found in re.finditer("\n", text)), len(text)]
        """Where the lines end."""
        self._line = 0

    def next(self, state: int) -> Token:
        """The next word, of type END behind the last. Raises Unreadable for what no word of the state begins with."""
        pattern, instead = self._scanners[state]
        found = pattern.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            if self._scanners.rest.fullmatch(self._text, self._at) is None:
                raise Unreadable
            return self._token(END, "", len(self._text))
        kind = found.lastgroup
        start, self._at = found.span(kind)
        word = found[kind]
        return self._token(instead.get((kind, word), kind), word, start)

    def _token(self, kind: str, word: str, start: int) -> Token:
        while self._ends[self._line] < start:
            self._line += 1
        token = Token(word)
        token.type, token.start_pos, token.line = kind, start, self._line + 1
        token.column = start - (self._ends[self._line - 1] if self._line else -1)
        return token
