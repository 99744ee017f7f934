"""What an engine reads beside the events: the rows of one generation, as arrays, and the memory of the states.

One idea: rows are data. An edit makes a new context beside the one that is in use, which nobody ever changes, and needs
no compiler; the memory of the states goes from one generation to the next, because what was seen stays seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sevenm import boundary
from sevenm.host.engine.aligned import Bytes, ContextError, zeros
from sevenm.host.engine.code import c_types
from sevenm.host.engine.compiled import Context
from sevenm.host.engine.table_rows import TableRows, table_rows
from sevenm.tables import Change, Shape, TableError

_FFI = c_types().ffi
_STATE = boundary.dtype("sm_state")


class StateCounts(NamedTuple):
    """``evicted``: young entries that were overwritten. ``backwards``: events that arrived before an earlier one."""

    name: str
    evicted: int
    backwards: int
    clock_ns: int


class Memory:
    """The states of one structure, empty at first; ``sizes`` are the bytes that its engine asks for.

    Raises ContextError if the machine does not have them."""

    def __init__(self, names: Sequence[str] = (), sizes: Sequence[int] = ()) -> None:
        self.names = tuple(names)
        self.blocks: list[Bytes] = []
        for name, size in zip(names, sizes, strict=True):
            if size < _STATE.itemsize:
                raise ContextError(f"the engine knows no state {name}; build the bundle again")
            self.blocks.append(zeros(size, f"state {name}"))
        self._pointers = np.array([*(block.ctypes.data for block in self.blocks), 0], np.uint64)

    @property
    def address(self) -> int:
        """Of the pointers to the states; 0 if there are none."""
        return int(self._pointers.ctypes.data) if self.blocks else 0

    def counts(self) -> tuple[StateCounts, ...]:
        """One for each state. May be read while the engine runs."""
        heads = [block[: _STATE.itemsize].view(_STATE)[0] for block in self.blocks]
        return tuple(
            StateCounts(name, int(head["evicted"]), int(head["backwards"]), int(head["clock_ns"]))
            for name, head in zip(self.names, heads, strict=True)
        )

    def clear(self) -> None:
        """Forgets everything. Not while an engine runs on it."""
        for block in self.blocks:
            block[:] = 0


class Contents:
    """The rows of one generation, with the memory that generations share. Nothing in it is ever changed but state.

    ``context`` is what ``CompiledEngine.run`` and the loop's programs take; it keeps everything alive."""

    def __init__(self, tables: Iterable[TableRows], memory: Memory) -> None:
        self.tables = tuple(tables)
        self.memory = memory
        self._structs = _FFI.new("sm_table[]", max(1, len(self.tables)))
        for to, table in zip(self._structs, self.tables, strict=False):
            _fill(to, table.arrays)
        tables_at = int(_FFI.cast("uintptr_t", self._structs)) if self.tables else 0
        self.context = Context(tables_at, memory.address, (self._structs, self.tables, memory))

    @classmethod
    def of(cls, shapes: Sequence[Shape], contents: Any, memory: Memory | None = None) -> Contents:
        """``contents``: a list of rows for each table. Raises TableError where they do not fit."""
        if not isinstance(contents, (list, tuple)) or len(contents) != len(shapes):
            found = len(contents) if isinstance(contents, (list, tuple)) else type(contents).__name__
            raise TableError(f"expected the rows of {len(shapes)} tables, found {found}")
        tables = (table_rows(shape, rows) for shape, rows in zip(shapes, contents, strict=True))
        return cls(tables, Memory() if memory is None else memory)

    def with_rows(self, rows: Mapping[int, Any]) -> Contents:
        """Another generation: other rows for the tables of these numbers, all of them or by a ``Change``; the others
        and the state as they are. Raises TableError where rows do not fit, and then nothing is different."""
        for number in rows:
            if not 0 <= number < len(self.tables):
                raise TableError(f"there is no table {number}; the rules have {len(self.tables)}")
        changed = {number: _edited(self.tables[number], given) for number, given in rows.items()}
        return Contents((changed.get(n, table) for n, table in enumerate(self.tables)), self.memory)


def _edited(table: TableRows, given: Any) -> TableRows:
    return table.changed(given) if isinstance(given, Change) else table_rows(table.shape, given)


def _fill(to: Any, arrays: dict[str, Any]) -> None:
    """A struct from its arrays and numbers; whoever keeps the arrays keeps the memory."""
    for name, value in arrays.items():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
            setattr(to, name, _FFI.cast(_FFI.typeof(getattr(to, name)), value.ctypes.data))
        elif value is not None:
            setattr(to, name, value)
