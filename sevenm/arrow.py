"""Records of a ring as Arrow columns, for Polars, DuckDB, pandas and files of theirs.

    batch = to_arrow(records)                          # pyarrow.RecordBatch
    frame = polars.from_arrow(to_arrow(records))       # without another copy

One idea: Arrow wants every column in one piece, and in a slot the columns lie beside each other. So each column is
gathered once, in NumPy, and the result owns its memory: the batch can be released. The one column that can be had in
place is the slot as a whole (``slots=True``, fixed-size binary): it is a view of what was given, and for a reader's
batch it is good until the next ``read`` or ``release``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.bundle import MissingExtra
from sevenm.compiler.columns import FieldColumn
from sevenm.compiler.protocols.fields import Type
from sevenm.records import Meaning

COLUMNS = ("seq", "rule", "generation", "wire_len", "cap_len", "engine", "flags", "source")
"""Fields of a record's header that are columns as they are, beside ``time``."""
TIME_MAX = np.uint64((1 << 63) - 1)
"""The last nanosecond of an Arrow timestamp, in the year 2262; a later time is null."""


def pyarrow() -> Any:
    """The module pyarrow. Raises MissingExtra where it is not installed."""
    try:
        import pyarrow as module
    except ImportError as error:
        raise MissingExtra(
            f"Arrow needs pyarrow, which is not installed; say pip install 'sevenm[arrow]' ({error})"
        ) from error
    return module


def to_arrow(records: NDArray[np.void], meaning: Meaning | None = None, slots: bool = False) -> Any:
    """A ``pyarrow.RecordBatch`` of (n,) records of a ring: ``time``, the header's fields, ``name`` of the rule and
    the fields of ``meaning`` where it is given, and ``data``: the bytes that were captured into the slot.

    Raises MissingExtra without pyarrow."""
    pa = pyarrow()
    known = meaning or Meaning()
    columns: dict[str, Any] = {"time": _time(pa, records["ts_ns"])}
    for name in COLUMNS:
        columns[name] = pa.array(np.ascontiguousarray(records[name]))
    if known.rules:
        columns["name"] = _names(pa, records["rule"], known.rules)
    for name, column in known.columns(records).items():
        columns[name] = _field(pa, column, known.types[name])
    columns["data"] = _data(pa, records)
    if slots:
        whole = np.ascontiguousarray(records)
        columns["slot"] = pa.Array.from_buffers(pa.binary(records.itemsize), len(records), [None, pa.py_buffer(whole)])
    return pa.RecordBatch.from_pydict(columns)


def _time(pa: Any, ts_ns: NDArray[np.uint64]) -> Any:
    late = ts_ns > TIME_MAX
    return pa.array(np.where(late, 0, ts_ns).astype(np.int64), pa.timestamp("ns", "UTC"), mask=late)


def _names(pa: Any, numbers: NDArray[Any], names: tuple[str, ...]) -> Any:
    unknown = numbers >= len(names)
    keys = pa.array(np.where(unknown, 0, numbers).astype(np.int32), mask=unknown)
    return pa.DictionaryArray.from_arrays(keys, pa.array(names, pa.string()))


def _field(pa: Any, column: FieldColumn, of: Type | None) -> Any:
    values, absent = column.values, ~column.valid
    if values.dtype.kind == "V":
        listed = [None if gone else value.tobytes() for value, gone in zip(values, absent.tolist(), strict=True)]
        return pa.array(listed, pa.binary(values.dtype.itemsize))
    if values.dtype.kind == "S":
        texts = [None if gone else value for value, gone in zip(values.tolist(), absent.tolist(), strict=True)]
        return pa.array(texts, pa.binary())
    return pa.array(values, mask=absent)


def _data(pa: Any, records: NDArray[np.void]) -> Any:
    """The first ``cap_len`` bytes of each record's data, gathered in one pass; raw bytes whatever their dtype is."""
    assert records.dtype.fields is not None
    kind, offset = records.dtype.fields["data"][:2]
    size = kind.itemsize
    rows = (
        np.ascontiguousarray(records).view(np.uint8).reshape(len(records), records.itemsize)[:, offset : offset + size]
    )
    lengths = np.minimum(records["cap_len"], size).astype(np.int64)
    ends = np.zeros(len(records) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    values = rows[np.arange(size) < lengths[:, None]]
    return pa.Array.from_buffers(pa.large_binary(), len(records), [None, pa.py_buffer(ends), pa.py_buffer(values)])
