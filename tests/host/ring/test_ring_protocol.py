"""docs/ring-protocol.md against the compiled C."""

from __future__ import annotations

import os
import re
import struct
import uuid
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.native import native
from sevenm.host.ring import CAUSES, POLICIES, RingReader, RingWriter

pytestmark = pytest.mark.needs("compiler")

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "ring-protocol.md").read_text()
TABLES = dict(zip(("ring", "lane"), re.split(r"^## Lanes$", PAGE, flags=re.MULTILINE), strict=True))
ROWS = {
    owner: re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \| ([^|]+) \|", text, re.MULTILINE)
    for owner, text in TABLES.items()
}
FIELDS = {owner: {name: (int(offset), int(size)) for offset, size, name, _ in rows} for owner, rows in ROWS.items()}


def test_the_pages_tables_are_the_c_structs() -> None:
    ffi, lib = native()
    there: dict[str, dict[str, tuple[int, int]]] = {"ring": {}, "lane": {}}
    i = 0
    while lib.sm_fields[i].name != ffi.NULL:
        owner, _, field = ffi.string(lib.sm_fields[i].name).decode().partition(".")
        if owner in there:
            there[owner][field] = (lib.sm_fields[i].offset, lib.sm_fields[i].size)
        i += 1
    assert there == FIELDS


@pytest.mark.parametrize("owner", FIELDS)
def test_sides_do_not_write_near_each_other(owner: str) -> None:
    for offset, _, _, writer in ROWS[owner]:
        for other_offset, _, _, other in ROWS[owner]:
            if ("reader" in writer) != ("reader" in other):
                assert int(offset) // 128 != int(other_offset) // 128


def test_constants_of_the_page() -> None:
    lib = native().lib
    assert f"0x{lib.SM_RING_MAGIC:016x}" in PAGE
    assert struct.pack("<Q", lib.SM_RING_MAGIC) == b"SE7MRNG1"
    assert (lib.SM_RING_ABI, lib.SM_RING_HEADER) == (2, 65536)
    assert (lib.SM_RING_LANES, lib.SM_LANE_BLOCKS, lib.SM_LANE_NAME) == (16, 4096, 32)
    assert (lib.SM_BYTE_PRODUCER, lib.SM_BYTE_REMOVER, lib.SM_BYTE_CHOICE, lib.SM_BYTE_LANES) == (0, 1, 2, 16)
    assert (lib.SM_RING_SLOTS_MIN, lib.SM_RING_SLOTS_MAX) == (256, 2**24)
    assert (lib.SM_RING_SLOT_MIN, lib.SM_RING_SLOT_MAX) == (64, 2048)
    assert (lib.SM_RING_PRODUCER, lib.SM_RING_READER) == (0, 1)
    assert (lib.SM_RING_STATE_OPEN, lib.SM_RING_STATE_CLOSED) == (1, 2)
    assert [getattr(lib, f"SM_RING_{policy.upper()}") for policy in POLICIES] == [0, 1, 2]
    assert [getattr(lib, f"SM_CAUSE_{cause.upper()}") for cause in CAUSES] == [0, 1, 2, 3, 4]
    assert f"{', '.join(CAUSES)}, three spare" in PAGE


def test_a_ring_can_be_read_by_the_page_alone() -> None:
    """A reader made from the table only, without the C runtime: header, indices, slots."""
    name = f"test-{uuid.uuid4().hex}"
    path = Path(f"/dev/shm/sevenm.{name}")
    try:
        writer = RingWriter.create(name, slots=256, slot_size=96, policy="block", layout_hash=7, digest="5a" * 32)
        batch = np.zeros(200, writer.dtype)
        batch["rule"] = np.arange(200)
        with RingReader.attach(name) as reader, RingReader.attach(name, subscriber="left") as left:
            oldest = RingReader.attach(name, subscriber="oldest", policy="drop_oldest")
            assert (left.subscriber, oldest.policy) == ("left", "drop_oldest")
            for number in range(3):
                writer.write(batch)
                for _ in range(2):
                    reader.read()
                reader.release()
                if number < 2:
                    oldest.read(150)
            writer.write(batch[:50])
            reader.read(20)
            reader.release()
        writer.close()
        image = path.read_bytes()

        def field(name: str, lane: int | None = None) -> int:
            offset, size = FIELDS["ring" if lane is None else "lane"][name]
            start = offset + (0 if lane is None else 4096 + 1024 * lane)
            return int.from_bytes(image[start : start + size], "little")

        assert field("magic") == 0x31474E524D374553
        assert [field(name) for name in ("abi", "header_size", "slot_size", "slots")] == [2, 65536, 96, 256]
        assert field("unit") == 65536
        assert [field(name) for name in ("layout_hash", "state", "epoch", "roll")] == [7, 2, 1, 4]
        assert image[136:200] == b"5a" * 32
        assert len(image) == 65536 * 34
        assert [field("in_force", lane) for lane in range(3)] == [1, 0, 2]
        assert [field("state", lane) for lane in (1, 2)] == [0, 1]
        assert (image[4096 + 2048 :][:32], field("pid", 2)) == (b"oldest".ljust(32, b"\0"), os.getpid())
        assert (field("written", 0), field("consumed", 0)) == (650, 620)
        assert (field("written", 2), field("floor", 2), field("consumed", 2)) == (650, 394, 300)
        for lane, first in ((0, field("consumed", 0)), (2, field("floor", 2))):
            for number in range(first, field("written", lane)):
                slot = 65536 * (18 + lane) + number % 256 * 96
                seq, rule = struct.unpack_from("<8xQI", image, slot)
                assert (seq, rule) == (number, number % 200)
        used = {byte for offset, size in FIELDS["ring"].values() for byte in range(offset, offset + size)}
        for lane in range(16):
            block = 4096 + 1024 * lane
            used |= {block + at for offset, size in FIELDS["lane"].values() for at in range(offset, offset + size)}
        assert not any(image[byte] for byte in range(65536) if byte not in used)
    finally:
        path.unlink(missing_ok=True)
