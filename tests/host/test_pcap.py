"""Reading pcap, and what is common to all captures: files, streams, memory, errors, batches."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.host.capture.format import CAP_MAX
from sevenm.host.capture.pcap import CaptureError, CaptureReader, open_capture

pytestmark = pytest.mark.usefixtures("need_native")

Packets = list[tuple[int, int, bytes]]
Make = Callable[..., bytes]
PACKETS: Packets = [
    (1_600_000_000_123_456_000, 60, b"a" * 60),
    (1_600_000_001_000_000_000, 1500, b"b" * 96),
    (0, 0, b""),
]


def events(reader: CaptureReader, **options: Any) -> Iterator[tuple[int, int, bytes]]:
    for batch in reader.batches(**options):
        for i, event in enumerate(batch.events):
            yield int(event["ts_ns"]), int(event["wire_len"]), batch.data(i)


def outcome(source: Any, use_native: bool, **options: Any) -> tuple[Packets, str]:
    """Everything that came out, and how it ended."""
    got: Packets = []
    try:
        with open_capture(source, use_native) as reader:
            got.extend(events(reader, **options))
            return got, f"{reader.link_type} {reader.position} {reader.facts}"
    except CaptureError as error:
        return got, str(error)


def both(source: Any, **options: Any) -> tuple[Packets, str]:
    """The same from C and from Python, or the test fails."""
    in_c, in_python = outcome(source, True, **options), outcome(source, False, **options)
    assert in_c == in_python
    return in_c


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("nano", [False, True])
def test_both_byte_orders_and_resolutions_are_read(big: bool, nano: bool, make_pcap: Make) -> None:
    packets = [(1_600_000_000_123_456_789 if nano else 1_600_000_000_123_456_000, 9, b"ninebytes"), *PACKETS]
    assert both(make_pcap(packets, big, nano))[0] == packets
    reader = open_capture(make_pcap(packets, big, nano))
    assert (reader.facts.format, reader.facts.byte_order) == ("pcap", "big" if big else "little")
    assert reader.facts.resolution == ("1e-09" if nano else "1e-06")


def test_every_real_capture_is_read_as_scapy_reads_it(captures_dir: Path) -> None:
    from scapy.utils import RawPcapReader

    for path in sorted(captures_dir.iterdir()):
        ours, _ = both(path)
        with RawPcapReader(str(path)) as reader:
            unit = 1 if reader.nano else 1000
            theirs = [
                (meta.sec * 10**9 + meta.usec * unit, max(meta.wirelen, meta.caplen), data) for data, meta in reader
            ]
        # scapy cuts packets to 65,535 bytes
        assert [(ts, wire, data[:65535]) for ts, wire, data in ours] == theirs, path.name


@pytest.mark.needs("tshark")
def test_a_real_capture_is_read_as_tshark_reads_it(captures_dir: Path) -> None:
    path = max(captures_dir.iterdir(), key=lambda p: p.stat().st_size)
    fields = ["frame.time_epoch", "frame.cap_len", "frame.len"]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *(x for f in fields for x in ("-e", f))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    theirs = [(int(ts.replace(".", "")), int(cap), int(wire)) for ts, cap, wire in map(str.split, lines)]
    assert [(ts, len(data), wire) for ts, wire, data in both(path)[0]] == theirs


@pytest.mark.parametrize("max_events, max_bytes", [(1, 4096), (7, 4096), (65536, 4096), (3, 1 << 20)])
def test_batches_of_any_size_hold_the_same_events(
    max_events: int, max_bytes: int, make_pcap: Make, tmp_path: Path
) -> None:
    packets = [
        (i * 1000, 9000 if i % 50 == 0 else i, bytes([i % 256]) * (9000 if i % 50 == 0 else i)) for i in range(300)
    ]
    data = make_pcap(packets)
    path = tmp_path / "x.pcap"
    path.write_bytes(data)
    for source in (data, path):
        assert both(source, max_events=max_events, max_bytes=max_bytes)[0] == packets
    with open_capture(path) as reader:
        batches = list(reader.batches(max_events, max_bytes, source=3))
        assert all(1 <= len(b) <= max_events and b.source == 3 for b in batches)
        assert all(len(b.buffer) <= max(max_bytes, 65536, 9016) for b in batches), "memory is bounded by a piece"
        assert reader.position == reader.size == len(data)


def test_a_stream_is_handed_on_as_it_comes(make_pcap: Make) -> None:
    data = make_pcap(PACKETS)
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as stream, os.fdopen(write_end, "wb", buffering=0) as pipe:
        pipe.write(data[:30])
        with open_capture(stream) as reader:
            assert reader.link_type == 1 and reader.size is None
            batches = reader.batches()
            pipe.write(data[30:101])  # the rest of the first record and one byte
            first = next(batches)
            assert [first.data(i) for i in range(len(first))] == [PACKETS[0][2]]
            threading.Timer(0.05, lambda: (pipe.write(data[101:]), pipe.close())).start()
            rest = [batch.data(i) for batch in batches for i in range(len(batch))]
            assert rest == [PACKETS[1][2], PACKETS[2][2]]
            assert first.data(0) == PACKETS[0][2], "earlier batches stay as they were"


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self.data, self.sizes, self.turn = data, sizes, 0

    def readinto(self, into: Any) -> int:
        size = min(self.sizes[self.turn % len(self.sizes)], len(into), len(self.data))
        self.turn += 1
        into[:size], self.data = self.data[:size], self.data[size:]
        return size


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.integers(0, 40))
def test_how_a_stream_is_cut_does_not_matter(sizes: list[int], count: int) -> None:
    packets = [(i * 1000, i * 37, bytes([i]) * (i * 37)) for i in range(count)]
    data = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for ts, wire, payload in packets:
        data += [struct.pack("<IIII", 0, ts // 1000, len(payload), wire), payload]
    for use_native in (True, False):
        assert outcome(Dribble(b"".join(data), sizes), use_native, max_bytes=4096)[0] == packets


def test_standard_input_is_a_stream(make_pcap: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(make_pcap(PACKETS)))))
    with open_capture("-") as reader:
        assert list(events(reader)) == PACKETS
        assert reader.name == "standard input"


@pytest.mark.needs("tcpdump")
def test_what_tcpdump_writes_to_a_pipe_is_read(captures_dir: Path) -> None:
    path = max(captures_dir.iterdir(), key=lambda p: p.stat().st_size)
    with subprocess.Popen(
        ["tcpdump", "-r", str(path), "-w", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert list(events(open_capture(process.stdout))) == outcome(path, True)[0]


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 60])
def test_a_cut_capture_keeps_what_came_before_and_says_so(cut: int, make_pcap: Make, tmp_path: Path) -> None:
    whole = make_pcap(PACKETS[:2])
    last = 24 + 76
    path = tmp_path / "cut.pcap"
    path.write_bytes(whole[: last + cut])
    for source in (path, path.read_bytes(), Dribble(path.read_bytes(), [13])):
        with open_capture(source) as reader:
            assert list(events(reader)) == PACKETS[:1]
            assert reader.facts.cut_at == last and reader.facts.cut_bytes == cut
            assert reader.facts.warnings() == [
                f"the capture ends in the middle of a record, {cut} bytes after its start at byte {last}; "
                "everything before it was read"
            ]
    assert both(path)[0] == PACKETS[:1]


def test_fewer_bytes_on_the_wire_than_captured_are_raised_and_counted(make_pcap: Make) -> None:
    assert both(make_pcap([(0, 10, b"x" * 20), (0, 20, b"x" * 20)]))[0] == [(0, 20, b"x" * 20)] * 2
    reader = open_capture(make_pcap([(0, 10, b"x" * 20)]))
    list(reader.batches())
    assert reader.facts.warnings() == [
        "1 events had fewer bytes on the wire than captured; the captured length was taken"
    ]


def test_an_absurd_length_is_an_error_after_the_good_events(make_pcap: Make) -> None:
    data = make_pcap([*PACKETS, (0, 0, b"")])
    data = data[:-8] + struct.pack("<II", CAP_MAX + 1, 0) + b"x" * 100
    got, end = both(data)
    assert got == PACKETS
    assert end == (
        f"memory: byte {len(data) - 116}: a record of 262145 captured bytes, expected at most 262144; the file is "
        "damaged from here on or is not a capture"
    )
    assert both(make_pcap([(0, CAP_MAX, bytes(CAP_MAX))]), max_bytes=4096)[0][0][1] == CAP_MAX


def test_a_capture_without_packets_has_no_batches(make_pcap: Make) -> None:
    assert both(make_pcap([]))[0] == []
    assert open_capture(make_pcap([])).facts.warnings() == []


HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", "empty, expected a pcap or pcapng capture; did the capture program fail?"),
        (b"rules edge on packet", "byte 0: not a capture, expected pcap or pcapng but found text ('rules edge on pa')"),
        (b"\x1f\x8b\x08\0", "byte 0: not a capture, expected pcap or pcapng but found gzip data; decompress it first"),
        (b"\x7fELF\2\1\1", "found an ELF program"),
        (bytes(100), "found bytes 00 00 00 00 00 00 00 00"),
        (b"\xd4\xc3\xb2", "found bytes d4 c3 b2"),
        (b"\x34\xcd\xb2\xa1" + bytes(30), "found a Kuznetsov-patched pcap; convert it with editcap -F pcapng"),
        (HEADER[:23], "byte 23: ends in the pcap header, expected 24 bytes of it"),
        (HEADER[:4] + b"\3\0\0\0" + HEADER[8:], "byte 4: pcap version 3.0, expected 2.4"),
        (HEADER[:20] + b"\x71\0\0\0", "byte 20: link type 113 (LINUX_SLL) is not supported, expected 1 (Ethernet) or "),
        (HEADER[:20] + b"\x0f\x27\0\0", "byte 20: link type 9999 (unknown) is not supported"),
    ],
)
def test_what_is_no_capture_is_named(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    for source, name in ((path, str(path)), (data, "memory"), (Dribble(data, [3]), "stream")):
        end = both(source)[1] if not isinstance(source, Dribble) else outcome(source, True)[1]
        assert end.startswith(f"{name}: {expected}") or (end.startswith(name) and expected in end), end


def test_a_frame_check_sequence_in_the_link_type_is_accepted() -> None:
    assert open_capture(HEADER[:20] + struct.pack("<I", 0x44000001)).link_type == 1


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"none\.pcap: No such file or directory"):
        open_capture(tmp_path / "none.pcap")
    with pytest.raises(CaptureError, match=r"Is a directory"):
        open_capture(tmp_path)


def test_bounds_of_batches_are_checked(make_pcap: Make) -> None:
    reader = open_capture(make_pcap([]))
    with pytest.raises(ValueError, match="max_events must be from 1 to 1048576, not 0"):
        next(reader.batches(0))
    with pytest.raises(ValueError, match="max_bytes must be from 4096 to 1073741824, not 1"):
        next(reader.batches(1, 1))


packets = st.lists(
    st.tuples(st.integers(0, 2**32 - 1).map(lambda s: s * 1000), st.integers(0, 2**32 - 1), st.binary(max_size=300)),
    max_size=12,
)


@given(packets, st.booleans(), st.booleans(), st.data())
def test_damaged_captures_end_the_same_way_in_c_and_in_python(
    content: Packets, big: bool, nano: bool, draw: st.DataObject
) -> None:
    order = ">" if big else "<"
    data = bytearray(struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for ts, wire, payload in content:
        data += struct.pack(order + "IIII", ts // 10**9, ts % 10**9, len(payload), wire) + payload
    for at, bit in draw.draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 7)), max_size=4)):
        data[at] ^= 1 << bit
    cut = draw.draw(st.integers(0, len(data)))
    both(bytes(data[: cut or None]))


def test_damaged_real_captures_end_the_same_way_in_c_and_in_python(captures_dir: Path) -> None:
    import random

    rng = random.Random(7)
    for path in sorted(captures_dir.iterdir())[::4]:
        whole = path.read_bytes()[:20000]
        for _ in range(3):
            data = bytearray(whole)
            for _ in range(rng.randrange(4)):
                data[rng.randrange(24, len(data))] ^= 1 << rng.randrange(8)
            both(bytes(data[: rng.randrange(len(data))]))
