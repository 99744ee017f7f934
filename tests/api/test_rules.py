"""From text to matches: what can be matched, what is said of it, and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import numpy as np
import pytest

import sevenm
from sevenm.host.capture.pcap import open_capture
from sevenm.host.ring.record import record_dtype

ROOT = Path(__file__).resolve().parents[2]
OFFICE = ROOT / "examples" / "capture" / "office.pcap"
WEB = """
rules web on packet first {
  rule lookup: udp.dstport == 53  => deliver names, count lookups
  rule big:    frame.len > 1000   => deliver big
  default => drop
}
rules twice on packet all {
  rule big: frame.len > 1500 => deliver big
  rule arp: arp              => count arps
}
"""
ORDERS = """
schema Order v1 size 64 @endian(big) {
  kind: char  ref: u64  px: u32 @scale(0.0001)  pair: u16[2]  name: char[8]  half: f32  change: i16  who: ip6
}
rules orders on Order all { rule add: kind == 'A' => deliver adds }
"""


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    with open_capture(OFFICE) as reader:
        return [batch.data(i) for batch in reader.batches() for i in range(len(batch))]


@pytest.fixture(scope="module")
def web() -> sevenm.Rules:
    return sevenm.compile(WEB)


def is_lookup(frame: bytes) -> bool:
    """Untagged IPv4 with UDP to port 53, found without sevenm's parser."""
    return frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[36:38] == b"\x00\x35"


def test_rules_come_from_a_text_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "web.7m"
    path.write_text(WEB)
    for source in (WEB, path, str(path)):
        rules = sevenm.compile(source)
        assert rules.rules == ("web.lookup", "web.big", "web.default", "twice.big", "twice.arp")
        assert (rules.channels, rules.counters) == (("names", "big"), ("lookups", "arps"))
    assert sevenm.compile(path).name == "web"
    assert repr(sevenm.compile(path)) == "<Rules web: 5 rules on packets>"


def test_what_is_wrong_with_a_text_is_raised_with_its_place() -> None:
    with pytest.raises(sevenm.CompileError, match=r"there is no field udp\.dsport") as raised:
        sevenm.filter("udp.dsport == 53")
    assert (raised.value.diagnostics[0].span.line, raised.value.diagnostics[0].span.column) == (1, 1)
    with pytest.raises(sevenm.CompileError, match=r"cannot read none\.7m: No such file or directory"):
        sevenm.compile("none.7m")


def test_one_event_is_its_bytes(frames: list[bytes]) -> None:
    dns = sevenm.filter("udp.dstport == 53")
    lookup = next(frame for frame in frames if is_lookup(frame))
    assert dns.match(lookup)
    assert not dns.match(lookup[:20])
    assert not dns.match(b"")
    (match,) = dns.match(memoryview(lookup))
    assert (match.number, match.data, match.rules) == (0, lookup, ("filter.filter",))


def test_a_capture_a_sequence_and_an_iterator_match_alike(frames: list[bytes]) -> None:
    dns = sevenm.filter("udp.dstport == 53 and ip and not vlan")
    expected = [number for number, frame in enumerate(frames) if is_lookup(frame)]
    assert len(expected) > 5
    for events in (OFFICE, str(OFFICE), frames, iter(frames), tuple(frames)):
        found = dns.match(events)
        assert found.numbers.tolist() == [match.number for match in found] == expected
        assert found.events == len(frames)
        assert [match.data for match in found] == [frames[number] for number in expected]
        assert np.flatnonzero(found.mask).tolist() == expected


def test_matches_are_narrowed_by_rule_and_channel(web: sevenm.Rules, frames: list[bytes]) -> None:
    found = web.match(frames)
    counts = found.counts()
    assert counts["web.lookup"] + counts["web.big"] + counts["web.default"] == len(frames)
    for name, count in counts.items():
        assert len(found[name]) == count
        assert all(name in match.rules for match in found[name])
    assert len(found["lookup"]) == len(found.channel("names")) == counts["web.lookup"] > 0
    assert set(found.channel("big").numbers) == set(found["web.big"].numbers) | set(found["twice.big"].numbers)
    others = set(found["default"].numbers) - set(found["arp"].numbers) - set(found["twice.big"].numbers)
    assert others.isdisjoint(found.numbers), "a default is no match"
    assert repr(found) == f"<{len(found)} matches among {len(frames)} events>"


def test_matches_are_a_sequence(web: sevenm.Rules, frames: list[bytes]) -> None:
    found = web.match(frames)["lookup"]
    assert [found[i] for i in range(len(found))] == list(found)
    assert found[-1] == list(found)[-1]
    assert list(found[2:5]) == list(found)[2:5]
    assert list(found[::-3].numbers) == sorted(list(found.numbers)[::-3])
    with pytest.raises(IndexError, match=r"there are \d+ matches, so there is no match 1000"):
        found[1000]


def test_names_that_are_not_there_are_refused_with_those_that_are(web: sevenm.Rules) -> None:
    found = web.match(b"")
    with pytest.raises(KeyError, match=r"there is no rule lokup; did you mean lookup"):
        found["lokup"]
    with pytest.raises(KeyError, match=r"several blocks have a rule big; say web\.big or twice\.big"):
        found["big"]
    with pytest.raises(KeyError, match=r"there is no channel dns; there are: names, big"):
        found.channel("dns")


def test_a_stream_gives_the_same_in_pieces(web: sevenm.Rules, frames: list[bytes]) -> None:
    many = frames * 12
    pieces = list(web.stream(many))
    assert len(pieces) > 1
    assert [match for piece in pieces for match in piece] == list(web.match(many))
    assert all(piece.mask.sum() == len(piece) for piece in pieces)


def test_records_of_a_ring_are_matched_where_they_lie(frames: list[bytes]) -> None:
    records = np.zeros(len(frames), record_dtype(128))
    for record, frame in zip(records, frames, strict=True):
        record["cap_len"], record["wire_len"] = min(96, len(frame)), len(frame)
        record["data"][: min(96, len(frame))] = np.frombuffer(frame[:96], np.uint8)
    records["ts_ns"] = np.arange(len(frames))
    found = sevenm.filter("udp.dstport == 53").match(records)
    assert found.numbers.tolist() == sevenm.filter("udp.dstport == 53").match(frames).numbers.tolist()
    assert [match.ts_ns for match in found] == found.numbers.tolist()
    assert len(sevenm.filter("frame.len > 96").match(records)) == sum(len(frame) > 96 for frame in frames)
    strided = sevenm.filter("udp.dstport == 53").match(records[::2])
    assert strided.numbers.tolist() == [n // 2 for n in found.numbers.tolist() if n % 2 == 0]


def test_arrays_of_records_and_rows_of_bytes_are_events(tmp_path: Path) -> None:
    orders = sevenm.compile(ORDERS)
    data = bytearray(64 * 4)
    data[0] = data[64] = data[128] = ord("A")
    rows = np.frombuffer(bytes(data), np.uint8).reshape(4, 64)
    (tmp_path / "orders.bin").write_bytes(data)
    for events in (rows, rows.view([("all", "V64")]).reshape(4), [bytes(row) for row in rows], tmp_path / "orders.bin"):
        assert orders.match(events)["add"].numbers.tolist() == [0, 1, 2]
    for wrong, message in (
        (rows[:, :32], "a record of Order has 64 bytes, not 32"),
        (np.zeros(4), r"an array of events is \(n,\) of records or \(n, size\) of uint8, not \(4,\) of float64"),
    ):
        with pytest.raises(ValueError, match=message):
            orders.match(wrong)
    assert len(orders.match(np.zeros((0, 64), np.uint8))) == 0


def test_files_that_cannot_be_read_are_named(web: sevenm.Rules, tmp_path: Path) -> None:
    with pytest.raises(sevenm.CaptureError, match=r"none\.pcap: No such file or directory"):
        web.match(tmp_path / "none.pcap")
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(OFFICE.read_bytes()[:-5])
    with pytest.warns(sevenm.CaptureWarning, match=r"cut\.pcap: the capture ends in the middle of a record"):
        web.match(cut)


def test_fields_come_as_columns_with_their_validity(frames: list[bytes]) -> None:
    found = sevenm.filter("udp.dstport == 53 and ip and not vlan").match(frames)
    table = found.fields("ip.src", "udp.srcport", "tcp.dstport", "eth.dst", "udp", "ipv6", "frame.len")
    assert table.shape == (len(found),)
    assert table.dtype["ip.src"] == np.uint32
    for row, match in zip(table, found, strict=True):
        assert int(row["ip.src"]) == int(IPv4Address(match.data[26:30]))
        assert int(row["udp.srcport"]) == int.from_bytes(match.data[34:36], "big")
        assert int(row["eth.dst"]) == int.from_bytes(match.data[:6], "big")
        assert int(row["frame.len"]) == match.wire_len
    assert table["tcp.dstport"].mask.all()
    assert table["udp"].all() and not table["ipv6"].any()
    assert not table["ipv6"].mask.any(), "whether a protocol is there is always known"


def test_the_first_occurrence_that_is_there_counts() -> None:
    tagged = bytes(12) + b"\x81\x00\x00\x07\x81\x00\x00\x09\x08\x06" + bytes(40)
    single = bytes(12) + b"\x81\x00\x00\x05\x08\x06" + bytes(40)
    table = sevenm.filter("vlan").match([tagged, single]).fields("vlan.id", "vlan.id#2")
    assert table["vlan.id"].tolist() == [7, 5]
    assert table["vlan.id#2"].tolist() == [9, None]


def test_ipv6_addresses_are_their_bytes(frames: list[bytes]) -> None:
    found = sevenm.filter("ipv6 and not vlan").match(frames)
    sources = found.fields("ipv6.src")["ipv6.src"]
    assert [bytes(value) for value in sources.data] == [match.data[22:38] for match in found]


def test_fields_of_records_have_the_types_of_the_schema() -> None:
    record = bytearray(64)
    record[0:1] = b"A"
    record[1:9] = (77).to_bytes(8, "big")
    record[9:13] = (12345).to_bytes(4, "big")
    record[13:17] = b"\x00\x01\x00\x02"
    record[17:25] = b"GOLD\0\0\0\0"
    record[25:29] = np.array(-1.5, ">f4").tobytes()
    record[29:31] = (-3).to_bytes(2, "big", signed=True)
    record[31:47] = bytes(range(16))
    found = sevenm.compile(ORDERS).match(bytes(record))
    row = found.fields("kind", "ref", "px", "pair", "pair[1]", "name", "half", "change", "who")[0]
    assert row.tolist()[:-1] == (b"A", 77, 1.2345, 1, 2, b"GOLD", -1.5, -3)
    assert bytes(row["who"]) == bytes(range(16))


def test_a_selection_without_events_has_columns_without_rows(web: sevenm.Rules) -> None:
    for events in (b"", []):
        table = web.match(events)["lookup"].fields("ip.src", "tcp")
        assert (table.shape, table.dtype.names) == ((0,), ("ip.src", "tcp"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ip.scr", r"there is no field ip\.scr; did you mean ip\.src"),
        ("nonsense", r"there is no field nonsense; `sevenm layout packet` lists those of packets"),
        ("vlan.id#9", r"vlan\.id occurs at most \d+ times, so there is no vlan\.id#9"),
    ],
)
def test_fields_that_are_not_there_are_refused(web: sevenm.Rules, name: str, message: str) -> None:
    with pytest.raises(sevenm.FieldError, match=message):
        web.match(b"").fields(name)


@pytest.mark.parametrize("name", ["reference", pytest.param("host", marks=pytest.mark.needs("compiler"))])
def test_devices_are_opened_by_name(frames: list[bytes], name: str) -> None:
    batch = sevenm.EventBatch.from_bytes(frames)
    with sevenm.open_device(WEB, name) as device:
        assert isinstance(device, sevenm.Device)
        assert (device.name, device.generation) == (name, 1)
        assert device.process(batch).fired.sum(axis=1).tolist() == list(
            sevenm.compile(WEB).match(frames).counts().values()
        )
    with pytest.raises(sevenm.DeviceError, match="has no rules"):
        device.process(batch)


def test_without_a_compiler_the_reference_answers(monkeypatch: pytest.MonkeyPatch, frames: list[bytes]) -> None:
    expected = sevenm.filter("udp").match(frames).numbers
    monkeypatch.setenv("CC", "no-such-compiler")
    without = sevenm.filter("udp")
    assert without.engine == "reference"
    assert np.array_equal(without.match(frames).numbers, expected)


def test_closed_rules_open_again(web: sevenm.Rules, frames: list[bytes]) -> None:
    with web:
        before = web.match(frames).counts()
    assert web.match(frames).counts() == before


def test_rows_of_a_table_are_read_beside_the_rules(tmp_path: Path, frames: list[bytes]) -> None:
    (tmp_path / "routes.csv").write_text("198.51.100.0/24, 3\n")
    (tmp_path / "routes.7m").write_text(
        'table routes : ip4 lpm -> port from "routes.csv"\n'
        "rules r on packet first { rule out: routes[ip.src] == 3 => forward routes[ip.src] }\n"
    )
    found = sevenm.compile(tmp_path / "routes.7m").match(frames)
    assert found.numbers.tolist() == sevenm.filter("ip.src in 198.51.100.0/24").match(frames).numbers.tolist()
    assert len(found) > 0


def test_each_match_begins_without_what_earlier_events_left(frames: list[bytes]) -> None:
    rules = sevenm.compile("rules r on packet all { rule again: ip.src == prev(ip.src per ip.src) => count again }")
    first = rules.match(frames).numbers.tolist()
    assert rules.match(frames).numbers.tolist() == first
    assert [n for part in rules.stream(frames) for n in part.numbers.tolist()] == first
