"""The text of rules to a Plan: read, checked and lowered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sevenm.compiler.collection import collection_paused
from sevenm.compiler.lower.program import Compiled, lower_file, lower_filter
from sevenm.compiler.protocols.names import with_parser_names
from sevenm.compiler.syntax.parse import parse_expression_with_warnings, parse_with_warnings


def compile_text(text: str, name: str, folder: Path | None = None) -> Compiled:
    """Compiles the text of a rule file; ``name`` becomes the Plan's. Rows of tables that stand in other files are read
    from ``folder``, the current one by default. Raises CompileError."""
    with collection_paused():
        file, warnings = parse_with_warnings(text)
        return _named(lower_file(file, name, warnings, folder))


def compile_filter(text: str) -> Compiled:
    """Compiles a bare expression on packets. Raises CompileError."""
    expr, warnings = parse_expression_with_warnings(text)
    return _named(lower_filter(expr, warnings))


def _named(compiled: Compiled) -> Compiled:
    return replace(compiled, plan=with_parser_names(compiled.plan))
