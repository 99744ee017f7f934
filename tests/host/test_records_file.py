"""Files of bare records."""

import io
from pathlib import Path

import pytest

from sevenm.host.capture.format import LINK_USER0
from sevenm.host.capture.pcap import CaptureError, Source
from sevenm.host.capture.records import open_records


def records(count: int, size: int) -> list[bytes]:
    return [bytes([i % 251]) * size for i in range(count)]


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("max_events, max_bytes", [(1, 4096), (10, 4096), (65536, 1 << 20)])
def test_records_come_back_one_by_one(size: int, max_events: int, max_bytes: int, tmp_path: Path) -> None:
    expected = records(100, size)
    path = tmp_path / "records"
    path.write_bytes(b"".join(expected))
    sources: list[Source] = [path, path.read_bytes(), io.BytesIO(path.read_bytes())]
    for source in sources:
        with open_records(source, size) as reader:
            batches = list(reader.batches(max_events, max_bytes, source=2))
            assert [b.data(i) for b in batches for i in range(len(b))] == expected
            assert all(len(b) <= max_events and len(b.buffer) <= max_bytes and b.source == 2 for b in batches)
            assert not any(b.events["ts_ns"].any() for b in batches)
            assert (reader.link_type, reader.position) == (LINK_USER0, 100 * size)
            assert reader.facts.warnings() == []


@pytest.mark.parametrize("extra", [1, 63])
def test_a_cut_last_record_is_a_short_event(extra: int, tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"".join(records(70, 64)) + b"x" * extra)
    for source in (path, path.read_bytes()):
        reader = open_records(source, 64)
        lengths = [int(n) for b in reader.batches(max_bytes=4096) for n in b.events["cap_len"]]
        assert lengths == [64] * 70 + [extra]
        assert (reader.facts.cut_at, reader.facts.cut_bytes) == (70 * 64, extra)
        assert reader.position == 70 * 64 + extra


def test_nothing_is_no_events() -> None:
    assert list(open_records(b"", 64).batches()) == []


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"size must be one of \(64, 128\), not 96"):
        open_records(b"", 96)
    with pytest.raises(ValueError, match="max_events must be at least 1 and max_bytes 64, not 1, 63"):
        list(open_records(b"", 64).batches(1, 63))
    with pytest.raises(CaptureError, match="No such file or directory"):
        open_records(tmp_path / "none", 64)
