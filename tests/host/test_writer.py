"""Written captures open elsewhere, and what cannot be written is said."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CAP_MAX
from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.capture.pcap_file import ReaderGone
from sevenm.host.capture.writer import CaptureWriter

pytestmark = pytest.mark.usefixtures("need_native")


@pytest.mark.parametrize("use_native", [True, False])
def test_what_is_written_is_read_again(use_native: bool, tmp_path: Path) -> None:
    batch = EventBatch.from_bytes([b"a" * 60, b"", b"c" * 9000], [1_600_000_000_123_456_789, 0, 7], [1500, 0, 9000])
    path = tmp_path / "out.pcap"
    with CaptureWriter(path, use_native=use_native) as writer:
        assert writer.write(batch) == 3
        assert writer.write(batch, np.array([False, False, True])) == 1
        assert writer.write(batch, np.zeros(3, np.bool_)) == 0
        assert writer.events == 4
    assert path.stat().st_size == writer.bytes_written
    (got,) = open_capture(path).batches()
    assert got.events["ts_ns"].tolist() == [1_600_000_000_123_456_789, 0, 7, 7]
    assert got.events["wire_len"].tolist() == [1500, 0, 9000, 9000]
    assert [got.data(i) for i in range(4)] == [b"a" * 60, b"", b"c" * 9000, b"c" * 9000]


@given(
    st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.booleans())),
)
def test_c_and_python_write_the_same_bytes(events: list[tuple[bytes, int, int, bool]]) -> None:
    batch = EventBatch.from_bytes([e[0] for e in events], [e[1] for e in events], [e[2] for e in events])
    mask = np.array([e[3] for e in events], np.bool_)
    written = []
    for use_native in (True, False):
        read_end, write_end = os.pipe()
        with CaptureWriter(f"/dev/fd/{write_end}", use_native=use_native) as writer:
            writer.write(batch, mask)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as file:
            written.append(file.read())
    assert written[0] == written[1]


@pytest.mark.parametrize("use_native", [True, False])
def test_times_and_lengths_that_pcap_cannot_hold_are_cut(use_native: bool, tmp_path: Path) -> None:
    batch = EventBatch.from_bytes([b"x", bytes(CAP_MAX + 5)], [2**64 - 1, 0])
    path = tmp_path / "out.pcap"
    with CaptureWriter(path, use_native=use_native) as writer:
        writer.write(batch)
    data = path.read_bytes()
    assert struct.unpack_from("<II", data, 24) == (0xFFFFFFFF, 999_999_999)
    assert struct.unpack_from("<II", data, 24 + 16 + 1 + 8) == (CAP_MAX, CAP_MAX + 5)
    assert len(data) == 24 + 17 + 16 + CAP_MAX


@pytest.mark.needs("tshark")
@pytest.mark.parametrize("link_type, name", [(1, "Ethernet"), (147, "USER 0")])
def test_written_captures_open_in_tshark(link_type: int, name: str, tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    with CaptureWriter(path, link_type) as writer:
        writer.write(EventBatch.from_bytes([bytes(64), bytes(20)], [1_600_000_000_123_456_789, 1], [64, 100]))
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    out = subprocess.run([*command, "-e", "frame.encap_type"], capture_output=True, text=True, check=True).stdout
    encapsulation = {1: "1", 147: "45"}[link_type]
    assert out.splitlines() == [
        f"1600000000.123456789\t64\t{encapsulation}",
        f"0.000000001\t100\t{encapsulation}",
    ], name


@pytest.mark.needs("tcpdump")
def test_a_real_capture_survives_a_round_trip(captures_dir: Path, tmp_path: Path) -> None:
    source = max(captures_dir.iterdir(), key=lambda p: p.stat().st_size)
    path = tmp_path / "out.pcap"
    with CaptureWriter(path) as writer, open_capture(source) as reader:
        for batch in reader.batches():
            writer.write(batch)

    def shown(name: Path) -> bytes:
        return subprocess.run(["tcpdump", "-n", "-t", "-xx", "-r", str(name)], capture_output=True, check=True).stdout

    assert shown(path) == shown(source)


def test_a_full_disk_is_a_clear_error() -> None:
    with pytest.raises(CaptureError) as caught:
        CaptureWriter("/dev/full")
    assert str(caught.value) == "/dev/full: cannot be written on after 0 bytes (0 events): no space left on device"


def test_a_path_that_cannot_be_opened_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"none/x\.pcap: cannot be written: No such file or directory"):
        CaptureWriter(tmp_path / "none" / "x.pcap")


def test_a_reader_that_ends_is_a_clear_error() -> None:
    read_end, write_end = os.pipe()
    with CaptureWriter(f"/dev/fd/{write_end}") as writer:
        os.close(write_end)
        os.close(read_end)
        with pytest.raises(ReaderGone, match=r"/dev/fd/\d+: the program that reads it has ended, after 0 events"):
            writer.write(EventBatch.from_bytes([b"x"]))


def test_standard_output_can_be_piped_on() -> None:
    code = (
        "from sevenm.host.capture.writer import CaptureWriter; from sevenm.host.batch import EventBatch\n"
        "with CaptureWriter('-') as w: w.write(EventBatch.from_bytes([b'abc'], [5]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    (batch,) = open_capture(out).batches()
    assert (batch.data(0), int(batch.events["ts_ns"][0])) == (b"abc", 5)


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="link_type must be 1 or 147, not 113"):
        CaptureWriter(tmp_path / "x", 113)
    with (
        CaptureWriter(tmp_path / "x") as writer,
        pytest.raises(ValueError, match=r"mask must be \(1,\) bool, not \(2,\) bool"),
    ):
        writer.write(EventBatch.from_bytes([b"x"]), np.ones(2, np.bool_))
    with pytest.raises(CaptureError, match="already closed"):
        writer.write(EventBatch.from_bytes([b"x"]))


def test_closing_says_nothing_new_after_another_error(tmp_path: Path, make_pcap: Callable[..., bytes]) -> None:
    with pytest.raises(KeyError, match="first"), CaptureWriter(tmp_path / "x.pcap"):
        raise KeyError("first")
    assert (tmp_path / "x.pcap").stat().st_size == 24
