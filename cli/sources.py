"""Reads rule files and expressions for the commands: findings are shown where they are found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sevenm.compiler.diagnostics import CompileError
from sevenm.compiler.plan import Plan
from sevenm.compiler.syntax.source import read_source

from . import findings, output
from .errors import Exit, Failure

if TYPE_CHECKING:
    from sevenm.compiler import Compiled

UNREADABLE = "unreadable"
"""Code of the finding that the file cannot be opened."""


def read_rules(path: str) -> str:
    """The text of a rule file. Raises Failure with the reason if it is no text that can be compiled."""
    try:
        return read_source(Path(path))
    except CompileError as error:
        finding = error.diagnostics[0]
        code = Exit.INPUT if finding.code == UNREADABLE else Exit.FINDINGS
        raise Failure(finding.message + (f"; {finding.hint}" if finding.hint else ""), code) from None


def compile_file(path: str) -> Compiled:
    """The rule file's Plan; shows warnings. Raises Failure after showing the errors."""
    return _compiled(read_rules(path), path)


def _compiled(text: str, path: str) -> Compiled:
    from sevenm.compiler import compile_text  # what was compiled before is run without it

    try:
        compiled = compile_text(text, Path(path).stem, Path(path).parent)
    except CompileError as error:
        findings.show(error.diagnostics, text, path)
        raise Failure(_count(error, path), Exit.FINDINGS) from None
    findings.show(compiled.warnings, text, path)
    return compiled


class RuleFile(NamedTuple):
    """``remarked``: whether the compiler had something to say of it."""

    text: str
    plan: Plan
    remarked: bool


def rules_of_file(path: str) -> RuleFile:
    """The rule file with its Plan, which may have been compiled before; shows warnings. Raises as ``compile_file``."""
    from sevenm.plans import find_plan, keep_plan  # only what runs rules looks for Plans

    text, name = read_rules(path), Path(path).stem
    plan = find_plan(text, name)
    if plan is not None:
        return RuleFile(text, plan, False)
    compiled = _compiled(text, path)
    keep_plan(text, name, compiled)
    return RuleFile(text, compiled.plan, bool(compiled.warnings))


def plan_of_rules(path: str) -> Plan:
    """The Plan of a rule file, or of the bundle in a folder. Raises what ``compile_file`` does, BundleError."""
    if not Path(path).is_dir():
        return compile_file(path).plan
    from sevenm.bundles import open_bundle, plan_of  # a rule file is checked without what runs it

    return plan_of(open_bundle(path))


def compile_expression(text: str) -> Compiled:
    """The Plan of a bare expression; shows warnings. Raises Failure after showing the errors."""
    from sevenm.compiler import compile_filter

    try:
        compiled = compile_filter(text)
    except CompileError as error:
        findings.show(error.diagnostics, text, "filter")
        raise Failure(_count(error, "the filter"), Exit.FINDINGS) from None
    findings.show(compiled.warnings, text, "filter")
    return compiled


def _count(error: CompileError, what: str) -> str:
    count = sum(d.severity == "error" for d in error.diagnostics)
    return f"{output.plural(count, 'error')} in {what}"
