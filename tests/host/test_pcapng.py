"""Reading pcapng: sections, interfaces and their clocks, all kinds of packet blocks, and damage."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenm.host.capture.format import BLOCK_MAX, CAP_MAX
from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.capture.pcapng import INTERFACES_MAX

pytestmark = pytest.mark.usefixtures("need_native")

Packets = list[tuple[int, int, bytes]]


def outcome(source: Any, use_native: bool) -> tuple[Packets, str]:
    got: Packets = []
    try:
        with open_capture(source, use_native) as reader:
            for batch in reader.batches(max_bytes=4096):
                got += [(int(e["ts_ns"]), int(e["wire_len"]), batch.data(i)) for i, e in enumerate(batch.events)]
            return got, f"{reader.link_type} {reader.position} {reader.facts}"
    except CaptureError as error:
        return got, str(error)


def both(source: Any) -> tuple[Packets, str]:
    in_c, in_python = outcome(source, True), outcome(source, False)
    assert in_c == in_python
    return in_c


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str, minor: int = 0) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, minor, -1))


def interface(
    order: str, link: int = 1, snaplen: int = 0, tsresol: int | None = None, tsoffset: int | None = None
) -> bytes:
    body = struct.pack(order + "HHI", link, 0, snaplen) + struct.pack(order + "HH4s", 2, 4, b"eth0")
    if tsresol is not None:
        body += struct.pack(order + "HHB3x", 9, 1, tsresol)
    if tsoffset is not None:
        body += struct.pack(order + "HHq", 14, 8, tsoffset)
    return block(order, 1, body + struct.pack(order + "HH", 0, 0))


def swap(order: str, ticks: int) -> int:
    """A timestamp is two words, the high one first, whatever the byte order."""
    return ticks if order == ">" else ticks >> 32 | (ticks & 0xFFFFFFFF) << 32


def enhanced(
    order: str, ticks: int, data: bytes, wire: int | None = None, number: int = 0, cap: int | None = None
) -> bytes:
    head = struct.pack(
        order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data) if cap is None else cap,
        len(data) if wire is None else wire,
    )  # fmt: skip
    return block(order, 6, head + data)


def simple(order: str, wire: int, data: bytes) -> bytes:
    return block(order, 3, struct.pack(order + "I", wire) + data)


def obsolete(order: str, ticks: int, data: bytes, number: int = 0) -> bytes:
    return block(order, 2, struct.pack(order + "HHQII", number, 7, swap(order, ticks), len(data), len(data)) + data)


@pytest.mark.parametrize("order", "<>")
def test_every_kind_of_packet_block_is_read(order: str) -> None:
    data = (
        section(order)
        + interface(order, snaplen=5)
        + block(order, 4, bytes(8))
        + enhanced(order, 1_000_001, b"abc", 60)
    )
    data += (
        simple(order, 9, b"12345")
        + obsolete(order, 7, b"xyz1")
        + block(order, 0x0BAD, bytes(40))
        + enhanced(order, 2, b"")
    )
    got, end = both(data)
    assert got == [(1_000_001_000, 60, b"abc"), (0, 9, b"12345"), (7000, 4, b"xyz1"), (2000, 0, b"")]
    assert end.startswith(f"1 {len(data)} Facts(format='pcapng'")


@pytest.mark.parametrize(
    "tsresol, tsoffset, ticks, expected",
    [
        (None, None, 1_600_000_000_123_456, 1_600_000_000_123_456_000),
        (6, None, 5, 5_000),
        (9, None, 1_600_000_000_123_456_789, 1_600_000_000_123_456_789),
        (0, None, 1_600_000_000, 1_600_000_000_000_000_000),
        (3, 1_600_000_000, 123, 1_600_000_000_123_000_000),
        (12, None, 123_456, 123),
        (28, None, 2**64 - 1, 1),
        (29, None, 2**64 - 1, 0),
        (127, None, 2**64 - 1, 0),
        (0x80 | 20, None, 3 << 19, 1_500_000_000),
        (0x80 | 30, 10, 1, 10_000_000_000),
        (0x80 | 127, None, 2**64 - 1, 0),
        (0x80, None, 2, 2_000_000_000),
        (6, -1, 500_000, 0),
        (0, None, 2**63, 2**64 - 1),
        (6, 2**63 - 1, 0, 2**64 - 1),
        (6, -(2**63), 0, 0),
    ],
)
def test_clocks_of_any_resolution_and_offset_become_nanoseconds(
    tsresol: int | None, tsoffset: int | None, ticks: int, expected: int
) -> None:
    for order in "<>":
        data = section(order) + interface(order, tsresol=tsresol, tsoffset=tsoffset) + enhanced(order, ticks, b"x")
        assert both(data)[0] == [(expected, 1, b"x")]


def test_several_sections_and_interfaces_in_both_byte_orders() -> None:
    data = section("<") + interface("<") + interface("<", tsresol=9) + enhanced("<", 1, b"a", number=1)
    data += interface("<", tsresol=0) + enhanced("<", 1, b"b", number=2) + enhanced("<", 1, b"c")
    data += section(">", minor=2) + interface(">", tsresol=3) + enhanced(">", 1, b"d")
    assert both(data)[0] == [(1, 1, b"a"), (10**9, 1, b"b"), (1000, 1, b"c"), (10**6, 1, b"d")]
    reader = open_capture(data)
    list(reader.batches())
    assert reader.facts.sections == 2 and len(reader.facts.interfaces) == 4
    assert reader.facts.resolution == "1e-00, 1e-03, 1e-06, 1e-09"


def test_a_section_without_interfaces_is_an_empty_capture() -> None:
    assert both(section("<"))[0] == []
    assert open_capture(section("<")).link_type == 1


GOOD = section("<") + interface("<") + enhanced("<", 1, b"good")
AT = len(GOOD)


@pytest.mark.parametrize(
    "tail, offset, expected",
    [
        (enhanced("<", 1, b"abcd", number=1), AT, "a packet of interface 1, of 1 described in this section"),
        (enhanced("<", 1, b"abcd", cap=5), AT, "a packet of 5 captured bytes, more than its block holds"),
        (enhanced("<", 1, b"", cap=CAP_MAX + 1), AT, "a record of 262145 captured bytes, expected at most 262144"),
        (simple("<", 9, b"1234"), AT, "a packet of 9 captured bytes, more than its block holds"),
        (interface("<", 113) + enhanced("<", 1, b"a", number=1), AT + 32,
         "a packet of interface 1 with link type 113 (LINUX_SLL), expected 1 (Ethernet) as on the first interface"),
        (struct.pack("<II", 6, 11) + bytes(60), AT, "a block of 11 bytes, expected a multiple of 4 from 12 to"),
        (struct.pack("<II", 6, 30) + bytes(60), AT, "a block of 30 bytes"),
        (struct.pack("<II", 6, BLOCK_MAX + 4) + bytes(60), AT, f"a block of {BLOCK_MAX + 4} bytes"),
        (block("<", 6, bytes(16)), AT, "a block of 28 bytes"),
        (enhanced("<", 1, b"abcd")[:-4] + bytes(4), AT, "a block that ends with length 0, expected the length it"),
        (struct.pack("<III", 0x0A0D0D0A, 28, 5) + bytes(16), AT + 8, "byte-order magic 05 00 00 00, expected 1a"),
        (block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)), AT + 12, "pcapng version 2.0"),
        (struct.pack("<III", 1, 16, 1) + struct.pack("<I", 16), AT, "a block of 16 bytes"),
        (block("<", 1, struct.pack("<HHIHHI", 1, 0, 0, 9, 40, 0)), AT + 16, "option 9 of 40 bytes is longer than"),
        (block("<", 1, struct.pack("<HHIHHI", 1, 0, 0, 9, 4, 0)), AT + 16, "option 9 has 4 bytes, expected 1"),
        (interface("<") * INTERFACES_MAX, AT + 32 * (INTERFACES_MAX - 1), "more than 1024 interfaces in one"),
    ],
)  # fmt: skip
def test_damage_is_named_after_the_good_events(tail: bytes, offset: int, expected: str) -> None:
    got, end = both(GOOD + tail)
    assert got == [(1000, 4, b"good")]
    assert end.startswith(f"memory: byte {offset}: {expected}"), end


@pytest.mark.parametrize(
    "data, expected",
    [
        (section("<")[:20], "byte 20: ends in the pcapng section header"),
        (
            section("<") + interface("<", 105),
            "byte 36: link type 105 (IEEE802_11) is not supported, expected 1 (Ethernet)",
        ),
        (section("<") + enhanced("<", 1, b"a"), "byte 28: a packet of interface 0, of 0 described in this section"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "byte 8: byte-order magic 00 00 00 00"),
    ],
)
def test_what_cannot_be_opened_is_named(data: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(data)
    assert both(data)[1].startswith(f"memory: {expected}")
    assert both(path)[1].startswith(f"{path}: {expected}")


@pytest.mark.parametrize("keep", range(1, 44))
def test_a_cut_capture_keeps_what_came_before_and_says_so(keep: int) -> None:
    for tail in (enhanced("<", 9, b"lost lost"), interface("<"), section(">")):
        part = tail[:keep]
        if len(part) < len(tail):
            reader = open_capture(GOOD + part)
            assert [batch.data(0) for batch in reader.batches()] == [b"good"]
            assert (reader.facts.cut_at, reader.facts.cut_bytes) == (AT, keep)
            both(GOOD + part)


@pytest.mark.needs("tshark")
def test_what_editcap_writes_reads_as_the_original(captures_dir: Path, tmp_path: Path) -> None:
    for path in sorted(captures_dir.iterdir())[::20]:
        converted = tmp_path / "x.pcapng"
        subprocess.run(["editcap", "-F", "pcapng", str(path), str(converted)], check=True, capture_output=True)
        assert converted.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
        assert both(converted)[0] == both(path)[0], path.name


content = st.binary(max_size=40)
block_of = {
    "enhanced": st.builds(lambda t, d, w, n: lambda o: enhanced(o, t, d, w, n),
                          st.integers(0, 2**64 - 1), content, st.integers(0, 2**32 - 1), st.integers(0, 2)),
    "simple": st.builds(lambda d: lambda o: simple(o, len(d), d), content),
    "obsolete": st.builds(lambda t, d: lambda o: obsolete(o, t, d), st.integers(0, 2**64 - 1), content),
    "interface": st.builds(lambda s, r, f: lambda o: interface(o, 1, s, r, f), st.sampled_from([0, 7, 65535]),
                           st.none() | st.integers(0, 255), st.none() | st.integers(-(2**63), 2**63 - 1)),
    "other": st.builds(lambda k, d: lambda o: block(o, k, d), st.sampled_from([4, 5, 0xBAD, 0x80000001]), content),
}  # fmt: skip
sections = st.tuples(st.sampled_from("<>"), st.lists(st.one_of(*block_of.values()), max_size=8))


@given(st.lists(sections, min_size=1, max_size=3), st.data())
def test_generated_and_damaged_captures_end_the_same_way_in_c_and_in_python(
    parts: list[tuple[str, list[Any]]], draw: st.DataObject
) -> None:
    data = bytearray()
    for order, blocks in parts:
        data += section(order) + interface(order) + b"".join(make(order) for make in blocks)
    both(bytes(data))
    for at, bit in draw.draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 7)), max_size=4)):
        data[at] ^= 1 << bit
    both(bytes(data[: draw.draw(st.integers(1, len(data)))]))
