"""sevenm filter: lines, counts and captures, on every engine, from files and pipes."""

from __future__ import annotations

import os
import struct
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from sevenm.cli.describe import packet, timestamp
from sevenm.host.capture.pcap import open_capture

Sevenm = Any
FILTER = "udp.dstport == 53"


def frames(path: Path) -> list[bytes]:
    """The packets of a capture."""
    with open_capture(path) as reader:
        return [batch.data(i) for batch in reader.batches() for i in range(len(batch))]


def wanted(path: Path) -> list[bytes]:
    """Untagged IPv4 frames with UDP destination port 53, found without sevenm's parser."""
    return [f for f in frames(path) if f[12:14] == b"\x08\x00" and f[23] == 17 and f[36:38] == b"\x00\x35"]


@pytest.mark.parametrize("engine", ["reference", pytest.param("host", marks=pytest.mark.needs("compiler"))])
def test_count_is_that_of_the_packets_that_match(sevenm: Sevenm, office: Path, engine: str) -> None:
    done = sevenm("filter", f"{FILTER} and ip and not vlan", "-r", office, "--count", "--engine", engine)
    assert (done.code, done.err) == (0, "")
    assert int(done.out) == len(wanted(office)) > 0


@pytest.mark.needs("g++")
def test_the_simulated_core_counts_the_same(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("filter", f"{FILTER} and ip and not vlan", "-r", office, "--count", "--engine", "rtl")
    assert (done.code, done.err) == (0, "")
    assert int(done.out) == len(wanted(office))


def test_each_matching_packet_is_one_line(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("filter", f"{FILTER} and ip and not vlan", "-r", office, "--engine", "reference")
    lines = done.out.splitlines()
    assert len(lines) == len(wanted(office))
    number, time, size, rest = lines[0].split(maxsplit=3)
    frame = frames(office)[int(number) - 1]
    source, target = IPv4Address(frame[26:30]), IPv4Address(frame[30:34])
    assert rest == f"{source}:{int.from_bytes(frame[34:36], 'big')} > {target}:53 UDP"
    assert int(size) == len(frame)
    assert time.endswith("Z")


def test_written_capture_holds_exactly_the_matching_packets(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    out = tmp_path / "dns.pcap"
    done = sevenm("filter", f"{FILTER} and ip and not vlan", "-r", office, "-w", out, "--engine", "reference")
    total, count = len(frames(office)), len(wanted(office))
    assert (done.code, done.out) == (0, "")
    assert done.err == f"{count} of {total} packets match, written to {out}\n"
    assert frames(out) == wanted(office)


def test_pipes_carry_captures_both_ways(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    args = ("filter", FILTER, "--engine", "reference")
    sevenm(*args, "-r", office, "-w", tmp_path / "file.pcap")
    piped = sevenm(*args, "-r", "-", "-w", "-", stdin=office.read_bytes())
    assert piped.code == 0
    assert piped.raw == (tmp_path / "file.pcap").read_bytes()


@pytest.mark.needs("tshark")
def test_tshark_opens_what_was_written(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    out = tmp_path / "dns.pcap"
    sevenm("filter", FILTER, "-r", office, "-w", out, "--engine", "reference")
    ours = subprocess.run(["tshark", "-r", out, "-T", "fields", "-e", "udp.dstport"], capture_output=True, check=True)
    theirs = subprocess.run(["tshark", "-r", office, "-Y", FILTER], capture_output=True, check=True)
    assert set(ours.stdout.split()) == {b"53"}
    assert len(ours.stdout.splitlines()) == len(theirs.stdout.splitlines()) > 0


def test_writing_over_the_input_is_refused(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    copy = tmp_path / "in.pcap"
    copy.write_bytes(office.read_bytes())
    done = sevenm("filter", "udp", "-r", copy, "-w", copy, "--engine", "reference")
    assert done.code == 2
    assert done.err == f"sevenm: {copy}: is the capture that is read; write to another file\n"
    assert copy.read_bytes() == office.read_bytes()


def test_error_in_the_expression_points_at_it(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("filter", "udp.dsport == 53", "-r", office)
    assert (done.code, done.out) == (1, "")
    lines = done.err.splitlines()
    assert lines[0].startswith("filter:1:1: error: ")
    assert lines[2:4] == ["1 | udp.dsport == 53", "  | ^~~~~~~~~~"]


@pytest.mark.parametrize(
    ("expr", "column", "mark"),
    [(b'frame[0:1] == "\xe9"', 16, b"0xe9"), (b"udp and \xff", 9, b"0xff"), (b"\xc3 == 1", 1, b"0xc3")],
)
def test_a_byte_that_is_no_text_is_shown_with_its_place(
    sevenm: Sevenm, office: Path, expr: bytes, column: int, mark: bytes
) -> None:
    done = sevenm("filter", expr, "-r", office)
    assert (done.code, done.out) == (1, "")
    head, *lines = done.err.splitlines()
    assert head == f"filter:1:{column}: error: byte {mark.decode()} is not UTF-8 [not-utf8]"
    assert lines[2] == "  | " + " " * (column - 1) + "^"
    assert lines[3] == f"  = write the text in UTF-8; a byte in quoted text is \\x{mark.decode()[2:]}"


def test_names_that_are_no_text_are_shown_as_escapes(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    missing = sevenm("filter", "udp", "-r", b"\xe9.pcap")
    assert (missing.code, missing.err) == (3, "sevenm: \\udce9.pcap: No such file or directory\n")
    out = os.fsencode(tmp_path) + b"/\xe9.pcap"
    written = sevenm("filter", "arp", "-r", office, "-w", out, "--engine", "reference")
    assert written.code == 0
    assert written.err.endswith("\\udce9.pcap\n")
    assert Path(os.fsdecode(out)).exists()


def test_captures_that_cannot_be_read_are_clear_errors(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    for name, data, message in (
        ("empty", b"", "empty"),
        ("text", b"hello world, this is text\n", "not a capture"),
        ("gzip", b"\x1f\x8b" + bytes(40), "gzip"),
        ("wlan", struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 105), "link type 105"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        done = sevenm("filter", "udp", "-r", path, "--count", "--engine", "reference")
        assert (done.code, done.out) == (3, ""), name
        assert str(path) in done.err
        assert message in done.err
    done = sevenm("filter", "udp", "-r", tmp_path / "none", "--engine", "reference")
    assert done.code == 3
    assert done.err.startswith(f"sevenm: {tmp_path / 'none'}: ")


def test_capture_that_ends_in_a_packet_is_read_up_to_there_and_said(
    sevenm: Sevenm, office: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(office.read_bytes()[:-5])
    done = sevenm("filter", "frame", "-r", path, "--count", "--engine", "reference")
    assert done.code == 0
    assert int(done.out) == len(frames(office)) - 1
    assert "ends in the middle of a record" in done.err


def test_without_a_compiler_the_reference_runs_and_says_so(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    env = {"CC": "no-such-compiler"}
    done = sevenm("filter", FILTER, "-r", office, "--count", env=env)
    assert done.code == 0
    assert done.err.startswith("sevenm: using the slower NumPy reference model: ")
    assert int(done.out) > 0
    asked = sevenm("filter", FILTER, "-r", office, "--count", "--engine", "host", env=env)
    assert (asked.code, asked.out) == (4, "")
    assert asked.err.startswith("sevenm: the engine host is not available: ")


def test_cache_that_cannot_be_written_is_done_without(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = sevenm(
        "filter", FILTER, "-r", office, "--count", "--engine", "reference", env={"XDG_CACHE_HOME": str(blocked)}
    )
    assert (done.code, done.err) == (0, "")


def test_damaged_bundle_in_the_cache_is_made_again(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    args = ("filter", FILTER, "-r", office, "--count", "--engine", "reference")
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    first = sevenm(*args, env=env)
    (bundle,) = (tmp_path / "sevenm" / "bundles").iterdir()
    (bundle / "plan.json").write_text("{}")
    again = sevenm(*args, env=env)
    assert (again.code, again.out, again.err) == (0, first.out, "")
    assert (bundle / "plan.json").read_text() != "{}"


def test_descriptions_never_fail_on_any_prefix_of_a_packet(office: Path) -> None:
    for frame in frames(office)[::7]:
        for length in range(min(len(frame), 120)):
            assert packet(frame[:length]) != ""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "0 bytes, too short for Ethernet"),
        (bytes(12) + b"\x88\xcc", "00:00:00:00:00:00 > 00:00:00:00:00:00 LLDP"),
        (bytes(12) + b"\x81\x00\x20\x64\x08\x00", "00:00:00:00:00:00 > 00:00:00:00:00:00 type 0x0800 vlan 100"),
        (bytes(12) + b"\x00\x26", "00:00:00:00:00:00 > 00:00:00:00:00:00 802.3 length 38"),
        (
            bytes(12)
            + b"\x08\x00\x45"
            + bytes(8)
            + b"\x06\0\0\x0a\0\0\x01\x0a\0\0\x02\x04\xd2\0\x50"
            + bytes(9)
            + b"\x12",
            "10.0.0.1:1234 > 10.0.0.2:80 TCP SA",
        ),
        (
            bytes(12) + b"\x08\x00\x45" + bytes(5) + b"\x00\x02\0\x11\0\0\x0a\0\0\x01\x0a\0\0\x02",
            "10.0.0.1 > 10.0.0.2 UDP fragment at 16",
        ),
    ],
)
def test_description_of_known_packets(data: bytes, text: str) -> None:
    assert packet(data) == text


def test_times_are_utc_with_nine_digits() -> None:
    assert timestamp(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789Z"
    assert timestamp(0) == "1970-01-01T00:00:00.000000000Z"
    assert timestamp((1 << 64) - 1) == "2554-07-21T23:34:33.709551615Z"
