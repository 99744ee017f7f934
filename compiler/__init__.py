"""Rule language, Plan, passes and back ends.

    >>> from sevenm.compiler import compile_filter
    >>> compile_filter("udp.dstport == 53").plan.reach
    256

The public surface: ``compile_text`` and ``compile_filter`` give a ``Plan`` or raise ``CompileError`` with findings;
``reference.evaluate`` runs a Plan; ``bundle.write_bundle`` writes what the host and the hardware load.

Each name is loaded when it is first used: whoever runs rules that were compiled before needs the Plan, and not what
reads, checks and lowers text.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sevenm.compiler.diagnostics import CompileError, Diagnostic, render
    from sevenm.compiler.front import compile_filter, compile_text
    from sevenm.compiler.lower.program import Compiled
    from sevenm.compiler.plan import Plan, PlanError

_WHERE = {
    "CompileError": "diagnostics",
    "Compiled": "lower.program",
    "Diagnostic": "diagnostics",
    "Plan": "plan",
    "PlanError": "plan",
    "compile_filter": "front",
    "compile_text": "front",
    "render": "diagnostics",
}
"""Public name -> the module that has it."""

__all__ = [
    "CompileError", "Compiled", "Diagnostic", "Plan", "PlanError", "compile_filter", "compile_text", "render",
]  # fmt: skip


if not TYPE_CHECKING:  # a type checker would take every name for one of ours

    def __getattr__(name: str) -> Any:
        """Loads a public name when it is first used."""
        if name not in _WHERE:
            raise AttributeError(f"module 'sevenm.compiler' has no attribute {name!r}")
        globals()[name] = value = getattr(import_module(f"sevenm.compiler.{_WHERE[name]}"), name)
        return value
