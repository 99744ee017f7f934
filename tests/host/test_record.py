"""The delivered record: the same layout in C and in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from sevenm.host.batch import EVENT
from sevenm.host.native import native
from sevenm.host.ring.record import HEADER_SIZE, RECORD, Engine, Flag, record_dtype, slot_size_for

pytestmark = pytest.mark.needs("compiler")


def c_fields(structure: str) -> dict[str, tuple[int, int]]:
    """Fields of a C structure as the compiler placed them: name -> (offset, size)."""
    ffi, lib = native()
    found, i = {}, 0
    while lib.sm_fields[i].name != ffi.NULL:
        owner, _, name = ffi.string(lib.sm_fields[i].name).decode().partition(".")
        if owner == structure:
            found[name] = (lib.sm_fields[i].offset, lib.sm_fields[i].size)
        i += 1
    return found


def numpy_fields(dtype: np.dtype[np.void]) -> dict[str, tuple[int, int]]:
    assert dtype.fields is not None
    return {name: (entry[1], entry[0].itemsize) for name, entry in dtype.fields.items()}


def test_record_header_is_the_c_struct() -> None:
    assert numpy_fields(RECORD) == c_fields("record")
    assert native().ffi.sizeof("sm_record") == RECORD.itemsize == HEADER_SIZE


def test_event_is_the_c_struct() -> None:
    assert numpy_fields(EVENT) == c_fields("event")
    assert native().ffi.sizeof("sm_event") == EVENT.itemsize


def test_slot_has_the_header_and_bytes() -> None:
    dtype = record_dtype(128)
    assert dtype.itemsize == 128
    assert numpy_fields(dtype) == {**numpy_fields(RECORD), "data": (32, 96)}
    assert dtype["data"] == np.dtype(("u1", (96,)))


def test_slot_has_the_schemas_fields_and_padding() -> None:
    data = np.dtype([("price", "<i8"), ("size", "<u4"), ("rest", "u1", (52,))])
    dtype = record_dtype(96, data)
    assert dtype.itemsize == 96
    assert numpy_fields(dtype)["data"] == (32, 64)
    assert dtype["data"] == data


@pytest.mark.parametrize(("data", "slot"), [(0, 64), (32, 64), (33, 96), (64, 96), (128, 160), (2016, 2048)])
def test_smallest_slot(data: int, slot: int) -> None:
    assert slot_size_for(data) == slot


@pytest.mark.parametrize("data", [-1, 2017])
def test_data_that_no_slot_holds(data: int) -> None:
    with pytest.raises(ValueError, match=f"^a slot holds 0 to 2016 bytes of data, not {data}$"):
        slot_size_for(data)


@pytest.mark.parametrize("slot", [32, 100, 2080])
def test_slots_of_odd_sizes(slot: int) -> None:
    with pytest.raises(ValueError, match=f"^slot_size must be a multiple of 32 from 64 to 2048 bytes, not {slot}$"):
        record_dtype(slot)


def test_data_larger_than_the_slot() -> None:
    with pytest.raises(ValueError, match=r"^data of 40 bytes does not fit a slot of 64, which holds 32$"):
        record_dtype(64, np.dtype("V40"))


def test_objects_are_no_data() -> None:
    with pytest.raises(ValueError, match=r"^data must be plain bytes and numbers, not object$"):
        record_dtype(64, np.dtype(object))


def test_numbers_of_engines_and_flags() -> None:
    assert {engine.name: engine.value for engine in Engine} == {"REFERENCE": 1, "HOST": 2, "RTL": 3, "NIC": 4}
    assert {flag.name: flag.value for flag in Flag} == {"CUT": 1, "MALFORMED": 2, "TRUNCATED": 4, "PUNT": 8}
