"""ClassBench sets as rows of a table: the fields of a record lie where packets of ``_classbench`` have them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _classbench import FRAME, FiveTuples, packets
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import start
from sevenm.host.devices.host import HostDevice
from sevenm.tables import Row

SCHEMA = """schema Header v1 size 64 @endian(big) {
  proto: u8 @offset(23)
  src: ip4 @offset(26)
  dst: ip4
  sport: u16
  dport: u16
}
"""
KEYS = "src, dst, sport, dport, proto"
NUMBER_BITS = 20
TABLE = "table acl : (ip4 range, ip4 range, u16 range, u16 range, u8 ternary) -> u20 max 65536 {}\n"
BITS = SCHEMA + TABLE + "rules bits on Header all {\n" + "\n".join(
    f"  rule b{bit}: (acl[{KEYS}] & {1 << bit}) != 0 => count c{bit}" for bit in range(NUMBER_BITS)
) + "\n}\n"  # fmt: skip
"""Which rules fire says the number of the row that counts, 0 if there is none."""
ODD = f"{SCHEMA}{TABLE}rules odd on Header all {{ rule odd: (acl[{KEYS}] & 1) == 1 => count odd }}\n"
"""One rule for what is measured: the look-up, and a value of the row."""


def rows_of(rules: FiveTuples) -> tuple[list[Row], list[int]]:
    """Rows numbered from 1, and which rules they are: not those whose conditions an earlier one has."""
    rows: list[Row] = []
    kept: list[int] = []
    seen = set()
    for at, (lo, hi) in enumerate(zip(rules.lo.tolist(), rules.hi.tolist(), strict=True)):
        proto = (lo[4], 255) if lo[4] == hi[4] else (0, 0)
        keys = (*zip(lo[:4], hi[:4], strict=True), proto)
        if keys not in seen:
            seen.add(keys)
            kept.append(at)
            rows.append(Row(keys, (len(kept),)))
    return rows, kept


def ranges_of(rows: list[Row]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(rows, 5): first and last values of the fields."""
    pairs = [[*row.keys[:4], (row.keys[4][0], row.keys[4][0] | 255 & ~row.keys[4][1])] for row in rows]
    table = np.array(pairs, np.int64).reshape(len(rows), 5, 2)
    return table[:, :, 0], table[:, :, 1]


def events_of(fields: NDArray[np.int64]) -> EventBatch:
    events = np.zeros(len(fields), EVENT)
    events["offset"], events["cap_len"], events["wire_len"] = np.arange(len(fields)) * FRAME, FRAME, FRAME
    return EventBatch(packets(fields).reshape(-1), events)


@contextmanager
def opened(text: str, name: str) -> Iterator[tuple[HostDevice, Bundle]]:
    """The host device with these rules."""
    with tempfile.TemporaryDirectory() as folder, HostDevice() as device:
        bundle = Bundle.open(write_bundle(compile_text(text, name).plan, Path(folder) / name, gateware=False))
        start(device, bundle)
        yield device, bundle
