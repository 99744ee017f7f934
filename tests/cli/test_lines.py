"""The lines of `sevenm filter` as C writes them are those of ``sevenm.cli.describe``, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sevenm.cli.describe import HEAD_MAX, packet, timestamp
from sevenm.host.batch import EventBatch
from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.native import native

pytestmark = pytest.mark.needs("compiler")
TIMES = (0, 1, 999_999_999, 951_782_399_999_999_999, 951_782_400_000_000_000, 1_709_164_800 * 10**9, (1 << 64) - 1)


def in_c(batch: EventBatch, first: int = 1) -> Iterator[str]:
    ffi, lib = native()
    assert lib.SM_DESCRIBE_HEAD == HEAD_MAX
    date, out = ffi.new("sm_date *"), ffi.new("char[]", lib.SM_LINE_MAX)
    buffer, events = ffi.from_buffer("uint8_t[]", batch.buffer), ffi.from_buffer("sm_event[]", batch.events)
    for index in range(len(batch)):
        size = lib.sm_line(out, first + index, buffer, events + index, date)
        assert size <= lib.SM_LINE_MAX
        yield ffi.buffer(out, size)[:].decode("ascii")


def in_python(batch: EventBatch, first: int = 1) -> Iterator[str]:
    for index, event in enumerate(batch.events):
        text = packet(batch.data(index)[:HEAD_MAX])
        yield f"{first + index:7}  {timestamp(int(event['ts_ns']))}  {int(event['wire_len']):5}  {text}\n"


def test_lines_of_every_capture_are_the_same(captures_dir: Path) -> None:
    seen = 0
    for path in sorted(captures_dir.iterdir()):
        with suppress(CaptureError), open_capture(path) as reader:
            for batch in reader.batches():
                assert list(in_c(batch, seen)) == list(in_python(batch, seen))
                seen += len(batch)
    assert seen > 500


def test_lines_of_damaged_packets_are_the_same(office: Path) -> None:
    """Cut anywhere, with bytes of headers changed to what headers are made of."""
    rng = random.Random(7)
    with open_capture(office) as reader:
        frames = [batch.data(i) for batch in reader.batches() for i in range(len(batch))][::3]
    heads = [b"\x08\x00", b"\x86\xdd", b"\x81\x00", b"\x88\xa8", b"\x91\x00", b"\x08\x06", b"\x88\xcc", b"\x00\x10"]
    data, times = [], []
    for _ in range(6000):
        frame = bytearray(rng.choice(frames))
        for _ in range(rng.randrange(4)):
            at = rng.choice([12, 14, 16, 18, rng.randrange(len(frame))])
            frame[at : at + 2] = rng.choice([*heads, rng.randbytes(2)])
        if rng.random() < 0.3:
            frame[12:12] = b"\x81\x00" + rng.randbytes(2)
        if rng.random() < 0.3:  # IPv6 with extension headers and addresses with runs of zeros
            addresses = b"".join(rng.choice([b"\0\0", rng.randbytes(2), b"\0\1"]) for _ in range(16))
            chain = bytes(rng.choice([0, 43, 44, 60, 6, 17, 58, 59, 132]) for _ in range(8))
            body = b"".join(bytes([kind, rng.randrange(2)]) + rng.randbytes(14) for kind in chain[1:])
            frame[12:] = b"\x86\xdd" + bytes(6) + chain[:1] + b"\x40" + addresses + body
        data.append(bytes(frame[: rng.choice([len(frame), rng.randrange(len(frame) + 1)])]))
        times.append(rng.choice([*TIMES, rng.getrandbits(64)]))
    data.append(bytes(12) + b"\x81\x00\xff\xff" * 400)
    times.append(0)
    batch = EventBatch.from_bytes(data, times)
    assert list(in_c(batch)) == list(in_python(batch))
