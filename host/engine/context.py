"""What an engine reads beside the events: the rows of one generation, as arrays, and the memory of the states.

One idea: rows are data. An edit makes a new context beside the one that is in use, which nobody ever changes, and needs
no compiler; the memory of the states goes from one generation to the next, because what was seen stays seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from cffi import FFI
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.boundary import TABLE_CHAIN
from sevenm.host.devices.device import DeviceError
from sevenm.host.engine.compiled import Context
from sevenm.host.engine.rows import cut, hits, is_ranges, spans
from sevenm.tables import Match, Row, Shape, TableError

ALIGNMENT = 64
BITS_WIDTH_MAX = 16
"""Keys of at most so many bits are looked up in one bit for each."""

_FFI: Any = FFI()  # its type stubs know neither NumPy arrays nor what was declared
_FFI.cdef(boundary.cdef())
_STATE = boundary.dtype("sm_state")

Bytes = NDArray[np.uint8]


class ContextError(DeviceError):
    """The memory for tables or state is not to be had."""


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
            self.blocks.append(_zeros(size, f"state {name}"))
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


@dataclass(frozen=True, eq=False)
class TableRows:
    """One table's rows as an engine reads them; ``arrays`` are the fields of sm_table."""

    shape: Shape
    rows: tuple[Row, ...]
    arrays: dict[str, Any]

    @classmethod
    def of(cls, shape: Shape, content: Any) -> TableRows:
        """Raises TableError where the rows do not fit the shape."""
        rows = shape.read(content)
        arrays = _ranges(shape, rows) if is_ranges(shape) else _as_they_are(shape, rows)
        values = np.zeros((len(shape.values), 1 + len(rows)), np.int64)
        for column in range(len(shape.values)):
            values[column, 1:] = [row.values[column] for row in rows]
        return cls(shape, rows, {**arrays, "values": values, "rows": len(rows)})


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
        tables = (TableRows.of(shape, rows) for shape, rows in zip(shapes, contents, strict=True))
        return cls(tables, Memory() if memory is None else memory)

    def with_rows(self, rows: Mapping[int, Any]) -> Contents:
        """Another generation: other rows for the tables of these numbers, the others and the state as they are. Raises
        TableError where rows do not fit, and then nothing is different."""
        for number in rows:
            if not 0 <= number < len(self.tables):
                raise TableError(f"there is no table {number}; the rules have {len(self.tables)}")
        changed = {number: TableRows.of(self.tables[number].shape, content) for number, content in rows.items()}
        return Contents((changed.get(n, table) for n, table in enumerate(self.tables)), self.memory)


def bits_of(width: int) -> int:
    """Of the unsigned type that holds keys of this width: 8, 16, 32, 64 or 128."""
    return max(8, 1 << (width - 1).bit_length())


def _ranges(shape: Shape, rows: Sequence[Row]) -> dict[str, Any]:
    (key,) = shape.keys
    bits = bits_of(key.width)
    cuts = [one for one in cut(spans(shape, rows)) if not one[0] >> key.width]
    found = hits(cuts, key.width)
    edges, counts = [first for first, _ in cuts[1:]], [row for _, row in cuts]
    steps = len(edges).bit_length()
    edges += [(1 << bits) - 1] * ((1 << steps) - 1 - len(edges))
    counts += counts[-1:] * ((1 << steps) - len(counts))
    return {
        "a": [_keys([lo for lo, _ in found], bits)],
        "b": [_keys([hi - lo for lo, hi in found], bits)],
        "n": len(found),
        "edge": _keys(edges, bits),
        "row": np.array(counts, np.uint32),
        "steps": steps,
        "bits": _bitmap(found, key.width) if len(found) > TABLE_CHAIN and key.width <= BITS_WIDTH_MAX else None,
    }


def _as_they_are(shape: Shape, rows: Sequence[Row]) -> dict[str, Any]:
    a, b = [], []
    for column, key in enumerate(shape.keys):
        pairs = [row.keys[column] for row in rows]
        if key.kind != "ternary":
            pairs = [(span[0], span[1] - span[0]) for pair in pairs if (span := key.span(pair)) is not None]
        a.append(_keys([pair[0] for pair in pairs], bits_of(key.width)))
        b.append(_keys([pair[1] for pair in pairs], bits_of(key.width)))
    return {"a": a, "b": b, "n": len(rows)}


def _bitmap(ranges: Sequence[Match], width: int) -> NDArray[np.uint64]:
    flags = np.zeros(max(64, 1 << width), np.bool_)
    for lo, hi in ranges:
        flags[lo : hi + 1] = True
    return np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def _keys(values: Sequence[int], bits: int) -> Bytes:
    """The keys in memory, little endian, as aligned as their type."""
    data = b"".join(value.to_bytes(bits // 8, "little") for value in values)
    out = _zeros(max(1, len(data)), f"{len(values)} keys of a table")
    out[: len(data)] = np.frombuffer(data, np.uint8)
    return out


def _zeros(size: int, what: str) -> Bytes:
    try:
        raw = np.zeros(size + ALIGNMENT, np.uint8)
    except MemoryError as error:
        raise ContextError(f"{what} needs {size} bytes of memory, which this machine does not have") from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]


def _fill(to: Any, arrays: dict[str, Any]) -> None:
    """A struct from its arrays and numbers; whoever keeps the arrays keeps the memory."""
    for name, value in arrays.items():
        if isinstance(value, list):
            for at, column in enumerate(value):
                getattr(to, name)[at] = _FFI.cast("void *", column.ctypes.data)
        elif isinstance(value, np.ndarray):
            value.flags.writeable = False
            setattr(to, name, _FFI.cast(_FFI.typeof(getattr(to, name)), value.ctypes.data))
        elif value is not None:
            setattr(to, name, value)
