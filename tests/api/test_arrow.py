"""Records as Arrow columns: the same values, absent fields as null, and only the slot as a whole without a copy."""

from __future__ import annotations

import numpy as np
import polars
import pytest
from numpy.typing import NDArray

from sevenm.arrow import to_arrow
from sevenm.host.ring.record import record_dtype
from sevenm.records import Meaning


def records() -> NDArray[np.void]:
    out = np.zeros(4, record_dtype(64))
    out["seq"], out["rule"], out["cap_len"] = np.arange(4), [0, 1, 2, 0], [0, 5, 32, 60]
    out["ts_ns"] = [1, 2, 2**63, 2**64 - 1]
    out["data"] = np.arange(32)
    return out


def test_columns_have_the_values_of_the_records() -> None:
    batch = to_arrow(records())
    assert batch["seq"].to_pylist() == [0, 1, 2, 3]
    assert batch["data"].to_pylist() == [bytes(range(n)) for n in (0, 5, 32, 32)]
    assert batch["time"].cast("int64").to_pylist() == [1, 2, None, None]


def test_no_records_have_the_same_columns() -> None:
    meaning = Meaning(None, ["ip.src", "ipv6.src", "arp"])
    assert to_arrow(records()[:0], meaning).schema == to_arrow(records(), meaning).schema


def test_absent_fields_are_null() -> None:
    batch = to_arrow(records(), Meaning(None, ["ip.src", "eth.dst", "arp"]))
    assert batch["ip.src"].to_pylist() == [None] * 4
    assert batch["eth.dst"].to_pylist() == [None, None, 0x000102030405, 0x000102030405]
    assert batch["arp"].to_pylist() == [False] * 4


def test_the_slot_is_a_view_and_other_columns_are_not() -> None:
    some = records()
    batch = to_arrow(some, slots=True)
    some["seq"] = 9
    assert batch["seq"].to_pylist() == [0, 1, 2, 3]
    assert batch["slot"].to_pylist() == [row.tobytes() for row in some]
    assert batch["slot"].buffers()[1].address == some.ctypes.data


@pytest.mark.parametrize("kind", ["slot", "data"])
def test_polars_takes_the_batch(kind: str) -> None:
    frame = polars.from_arrow(to_arrow(records(), slots=True))
    assert isinstance(frame, polars.DataFrame)
    assert frame[kind].to_list() == to_arrow(records(), slots=True)[kind].to_pylist()
    assert frame["seq"].sum() == 6
