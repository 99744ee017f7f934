"""Lark over ``grammar.lark``: says what is wrong with a source, and gives the grammar's tables.

One idea: Lark knows what could have stood where a source goes wrong, but is slow to start and to read; sound sources
are read by ``reader`` with the same tables, and never load it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedInput
from lark.lexer import PatternStr

from sevenm.compiler.diagnostics import Diagnostic
from sevenm.compiler.syntax.errors import describe
from sevenm.compiler.syntax.tables import STARTS


@cache
def lark_parser() -> Lark:
    return Lark.open(
        "grammar.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="contextual",
        start=list(STARTS),
        keep_all_tokens=True,
        maybe_placeholders=False,
        propagate_positions=False,
    )


def syntax_error(read: str, start: str, text: str) -> Diagnostic:
    """What is wrong with what was read; ``text`` is the source as its author sees it, of the same length."""
    try:
        lark_parser().parse(read, start=start)
    except UnexpectedInput as error:
        return describe(error, text, _fixed_terminals())
    raise AssertionError("the grammar takes what its tables do not")


def parse_table() -> Any:
    """Lark's ``ParseTable``: by state and symbol the action, and what it leads to."""
    return lark_parser().parser.parser._parse_table


def terminals() -> list[tuple[str, str, dict[str, str]]]:
    """The terminals in the order in which Lark tries them: name, pattern, and which of its texts are another one."""
    ordered = lark_parser().parser.lexer.root_lexer.terminals
    fixed = [one for one in ordered if isinstance(one.pattern, PatternStr)]
    out = []
    for one in ordered:
        taken = {} if one in fixed else _taken(one, fixed)
        out.append((one.name, one.pattern.to_regexp(), taken))
    return out


def _taken(one: Any, fixed: list[Any]) -> dict[str, str]:
    same = (other for other in fixed if other.priority == one.priority)
    return {
        other.pattern.value: other.name for other in same if re.fullmatch(one.pattern.to_regexp(), other.pattern.value)
    }


@cache
def _fixed_terminals() -> dict[str, str]:
    """Names of the terminals that are one fixed string, with the string."""
    return {t.name: str(t.pattern.value) for t in lark_parser().terminals if isinstance(t.pattern, PatternStr)}
