"""The rows and the state of a Plan, as its engine reads them, where there is no bundle between the two."""

from __future__ import annotations

from sevenm.compiler.plan import Plan
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.context import Contents, Memory


def contents_of(plan: Plan, engine: CompiledEngine) -> Contents:
    """The Plan's rows, and state that nothing has written yet."""
    names = [state.name for state in plan.states]
    memory = Memory(names, [engine.state_bytes(number) for number in range(len(names))])
    return Contents.of(plan.tables, [table.content() for table in plan.tables], memory)
