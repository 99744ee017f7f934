"""docs/ring-protocol.md against the compiled C."""

from __future__ import annotations

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
ROWS = re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \| ([^|]+) \|", PAGE, re.MULTILINE)
FIELDS = {name: (int(offset), int(size)) for offset, size, name, _ in ROWS}


def test_the_pages_table_is_the_c_struct() -> None:
    ffi, lib = native()
    there, i = {}, 0
    while lib.sm_fields[i].name != ffi.NULL:
        owner, _, field = ffi.string(lib.sm_fields[i].name).decode().partition(".")
        if owner == "ring":
            there[field] = (lib.sm_fields[i].offset, lib.sm_fields[i].size)
        i += 1
    assert there == FIELDS


def test_sides_do_not_write_near_each_other() -> None:
    for offset, _, _, writer in ROWS:
        for other_offset, _, _, other in ROWS:
            if "reader" in (writer.strip(), other.strip()) and writer != other:
                assert int(offset) // 128 != int(other_offset) // 128


def test_constants_of_the_page() -> None:
    lib = native().lib
    assert f"0x{lib.SM_RING_MAGIC:016x}" in PAGE
    assert struct.pack("<Q", lib.SM_RING_MAGIC) == b"SE7MRNG1"
    assert (lib.SM_RING_ABI, lib.SM_RING_HEADER) == (1, 4096)
    assert (lib.SM_RING_SLOTS_MIN, lib.SM_RING_SLOTS_MAX) == (256, 2**24)
    assert (lib.SM_RING_SLOT_MIN, lib.SM_RING_SLOT_MAX) == (64, 2048)
    assert (lib.SM_RING_PRODUCER, lib.SM_RING_READER) == (0, 1)
    assert (lib.SM_RING_STATE_OPEN, lib.SM_RING_STATE_CLOSED) == (1, 2)
    assert [getattr(lib, f"SM_RING_{policy.upper()}") for policy in POLICIES] == [0, 1]
    assert [getattr(lib, f"SM_CAUSE_{cause.upper()}") for cause in CAUSES] == [0, 1, 2, 3]
    assert f"{', '.join(CAUSES)}, four spare" in PAGE


def test_a_ring_can_be_read_by_the_page_alone() -> None:
    """A reader made from the table only, without the C runtime: header, indices, slots."""
    name = f"test-{uuid.uuid4().hex}"
    path = Path(f"/dev/shm/sevenm.{name}")
    try:
        writer = RingWriter.create(name, slots=256, slot_size=96, policy="block", layout_hash=7, digest="5a" * 32)
        batch = np.zeros(200, writer.dtype)
        batch["rule"] = np.arange(200)
        with RingReader.attach(name) as reader:
            for _ in range(3):
                writer.write(batch)
                for _ in range(2):
                    reader.read()
                reader.release()
            writer.write(batch[:50])
            reader.read(20)
            reader.release()
        writer.close()
        image = path.read_bytes()

        def field(name: str) -> int:
            offset, size = FIELDS[name]
            return int.from_bytes(image[offset : offset + size], "little")

        assert field("magic") == 0x31474E524D374553
        assert [field(name) for name in ("abi", "header_size", "slot_size", "slots")] == [1, 4096, 96, 256]
        assert [field(name) for name in ("layout_hash", "policy", "state", "epoch")] == [7, 1, 2, 1]
        assert image[136:200] == b"5a" * 32
        assert (field("written"), field("consumed")) == (650, 620)
        for number in range(field("consumed"), field("written")):
            slot = 4096 + number % 256 * 96
            seq, rule = struct.unpack_from("<8xQI", image, slot)
            assert (seq, rule) == (number, number - 600)
        used = {byte for offset, size in FIELDS.values() for byte in range(offset, offset + size)}
        assert not any(image[byte] for byte in range(4096) if byte not in used)
    finally:
        path.unlink(missing_ok=True)
