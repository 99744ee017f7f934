"""The rows and the state of a Plan, as its engine reads them, where there is no bundle between the two."""

from __future__ import annotations

from sevenm.compiler.plan import Plan, Table
from sevenm.host.engine.compiled import CompiledEngine
from sevenm.host.engine.context import Contents, Memory
from sevenm.host.engine.rows import Column, Key, TableShape


def shape_of(table: Table) -> TableShape:
    """What rows of the table have to fit."""
    return TableShape(
        table.name,
        tuple(Key(key.kind, key.width) for key in table.keys),
        tuple(Column(column.name, column.lo, column.hi) for column in table.values),
        table.most,
    )


def contents_of(plan: Plan, engine: CompiledEngine) -> Contents:
    """The Plan's rows, and state that nothing has written yet."""
    names = [state.name for state in plan.states]
    memory = Memory(names, [engine.state_bytes(number) for number in range(len(names))])
    return Contents.of([shape_of(table) for table in plan.tables], [table.content() for table in plan.tables], memory)
