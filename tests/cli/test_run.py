"""sevenm run: counts per rule, channel and counter, captures of what was delivered, and rings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.host.capture.pcap import open_capture
from sevenm.host.ring import Ring, RingReader, RingWriter
from sevenm.host.ring.record import HEADER_SIZE, PACKET_SLOT, Flag

Sevenm = Any
ROOT = Path(__file__).resolve().parents[2]


def count(path: Path) -> int:
    with open_capture(path) as reader:
        return sum(len(batch) for batch in reader.batches())


def report(sevenm: Sevenm, rules: Path, source: Path, *more: str | Path) -> dict[str, Any]:
    done = sevenm("run", rules, "-r", source, "--json", *more)
    assert done.code == 0, done.err
    data: dict[str, Any] = json.loads(done.out)
    return data


def test_every_event_of_a_first_block_is_counted_once(sevenm: Sevenm, rules: Path, office: Path) -> None:
    data = report(sevenm, rules, office, "--engine", "reference")
    assert data["events"] == count(office)
    assert sum(rule["events"] for rule in data["rules"]) == data["events"]
    by_name = {rule["name"]: rule for rule in data["rules"]}
    assert [rule["line"] for rule in data["rules"]] == [2, 3, 4, 5, 6]
    assert data["dropped"] == by_name["arp"]["events"] > 0
    assert data["forwarded"] == {"3": by_name["six"]["events"]}
    assert data["counters"] == {"web": by_name["web"]["events"], "rest": by_name["default"]["events"]}
    for channel in data["channels"]:
        assert channel["matched"] == by_name[channel["name"]]["events"] > 0
        assert channel["matched"] == channel["delivered"] + sum(channel["undelivered"].values())
        assert channel["ring"] is None


@pytest.mark.needs("compiler")
def test_host_and_reference_report_the_same(sevenm: Sevenm, rules: Path, office: Path) -> None:
    reference = report(sevenm, rules, office, "--engine", "reference")
    host = report(sevenm, rules, office, "--engine", "host")
    assert (reference.pop("engine"), host.pop("engine")) == ("reference", "host")
    assert reference.pop("code") is None and host.pop("code").endswith(", compiled here")
    assert reference == host


def test_table_shows_rules_with_their_actions(sevenm: Sevenm, rules: Path, office: Path) -> None:
    done = sevenm("run", rules, "-r", office, "--engine", "reference")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["rule", "does", "events"]
    assert rows[1][:-1] == ["small.web", "deliver", "web,", "count", "web"]
    assert rows[4][:-1] == ["small.six", "forward", "3"]
    assert f"{count(office)} events by reference: " in done.out
    assert "no ring was asked for (--ring PREFIX delivers them)" in done.out


def test_written_capture_is_what_channels_get(sevenm: Sevenm, rules: Path, office: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    data = report(sevenm, rules, office, "--engine", "reference", "-w", out)
    assert count(out) == data["written"] == sum(channel["matched"] for channel in data["channels"])


@pytest.mark.needs("compiler")
def test_rings_deliver_every_match_to_another_process(sevenm: Sevenm, rules: Path, office: Path) -> None:
    prefix = f"test{os.getpid()}"
    try:
        data = report(sevenm, rules, office, "--engine", "host", "--ring", prefix)
        for channel in data["channels"]:
            assert channel["ring"] == f"{prefix}.{channel['name']}"
            assert (channel["delivered"], channel["undelivered"]) == (channel["matched"], {})
            with RingReader.attach(channel["ring"]) as reader:
                got = [seq for batch in reader for seq in batch["seq"].tolist()]
            assert got == list(range(channel["matched"]))
    finally:
        for name in Ring.names():
            if name.startswith(prefix):
                Ring.unlink(name)


@pytest.mark.needs("compiler")
def test_packets_in_rings_are_cut_at_the_slot_as_the_readme_says(sevenm: Sevenm, rules: Path, office: Path) -> None:
    prefix, room = f"cut{os.getpid()}", PACKET_SLOT - HEADER_SIZE
    try:
        report(sevenm, rules, office, "--engine", "host", "--ring", prefix)
        with RingReader.attach(f"{prefix}.web") as reader:
            records = np.concatenate([batch.copy() for batch in reader])
    finally:
        for name in Ring.names():
            if name.startswith(prefix):
                Ring.unlink(name)
    long = records["wire_len"] > room
    assert long.any() and not long.all()
    assert np.array_equal(records["flags"] & Flag.CUT != 0, long)
    assert np.array_equal(records["cap_len"], np.minimum(records["wire_len"], room))
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"A record holds the first {room} bytes of a packet, and its flag `CUT` says that there were more" in readme


@pytest.mark.needs("compiler")
def test_rings_have_the_shape_and_policy_that_were_asked_for(sevenm: Sevenm, rules: Path, office: Path) -> None:
    prefix = f"shape{os.getpid()}"
    shape = ("--slots", "256", "--slot-size", "192", "--policy", "drop_oldest")
    try:
        report(sevenm, rules, office, "--engine", "host", "--ring", prefix, *shape)
        found = Ring.stats(f"{prefix}.web")
        assert (found.slots, found.slot_size, found.policy) == (256, 192, "drop_oldest")
    finally:
        for name in Ring.names():
            if name.startswith(prefix):
                Ring.unlink(name)
    done = sevenm("run", rules, "-r", office, *shape)
    assert done.code == 2 and done.err.endswith("Error: --policy is about rings; say --ring PREFIX as well.\n")


@pytest.mark.needs("compiler")
def test_a_reader_that_makes_no_room_is_waited_for_until_the_deadline(
    sevenm: Sevenm, rules: Path, office: Path
) -> None:
    prefix = f"late{os.getpid()}"
    ring = f"{prefix}.web"
    with RingWriter.create(ring, 256, PACKET_SLOT, "block"):
        pass
    try:
        with RingReader.attach(ring):
            done = sevenm(
                "run", rules, "-r", "-", "--ring", prefix, "--slots", "256", "--policy", "block", "--deadline", "0.2",
                "--json", stdin=office.read_bytes() + office.read_bytes()[24:] * 49,
            )  # fmt: skip
        (web,) = (channel for channel in json.loads(done.out)["channels"] if channel["name"] == "web")
        assert web["undelivered"].keys() == {"timeout"}
        assert web["matched"] == web["delivered"] + web["undelivered"]["timeout"]
    finally:
        for name in Ring.names():
            if name.startswith(prefix):
                Ring.unlink(name)


def test_rules_without_a_channel_have_nothing_to_deliver(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    path = tmp_path / "none.7m"
    path.write_text("rules r on packet first {\n  rule a: udp => drop\n}\n")
    done = sevenm("run", path, "-r", office, "--engine", "reference", "--ring", "x")
    assert done.code == 3
    assert done.err == "sevenm: none has no channel, so there is nothing to deliver; say `deliver NAME` in a rule\n"


def test_records_are_read_from_a_file_of_bare_records(sevenm: Sevenm, tmp_path: Path) -> None:
    orders = tmp_path / "orders.bin"
    make = [sys.executable, "examples/make_orders.py", "--count", "1000", "-o", str(orders)]
    subprocess.run(make, check=True, cwd=ROOT)
    data = report(sevenm, ROOT / "examples" / "orders.7m", orders, "--engine", "reference")
    assert (data["events"], orders.stat().st_size) == (1000, 64_000)
    rules = {rule["name"]: rule["events"] for rule in data["rules"]}
    assert rules["add"] + rules["cancel"] + rules["trade"] + rules["unknown"] == 1000


def test_packets_are_refused_by_rules_on_records(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("run", "examples/orders.7m", "-r", office, "--engine", "reference")
    assert done.code == 3
    assert done.err == (
        f"sevenm: {office}: holds Ethernet frames, but the rules are on bare records; "
        "say `over udp.dstport == PORT` in the block if the records come in UDP; "
        "if it holds bare records, say --ingress records\n"
    )


def orders(folder: Path, start: bytes) -> Path:
    """Records of 64 bytes; the first one begins with ``start``."""
    path = folder / "orders.bin"
    path.write_bytes(start + b"A" * (640 - len(start)))
    return path


CAPTURE_HEADS = {
    "pcap": bytes.fromhex("a1b2c3d4"),
    "a whole header": bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000"),
    "pcapng": bytes.fromhex("0a0d0d0a"),
}


@pytest.mark.parametrize("head", list(CAPTURE_HEADS))
def test_records_that_begin_like_a_capture_can_be_said_to_be_records(sevenm: Sevenm, tmp_path: Path, head: str) -> None:
    path = orders(tmp_path, CAPTURE_HEADS[head])
    taken = sevenm("run", "examples/orders.7m", "-r", path, "--engine", "reference")
    assert (taken.code, taken.out) == (3, "")
    assert taken.err.startswith(f"sevenm: {path}: ")
    assert taken.err.endswith("; if it holds bare records, say --ingress records\n")
    said = sevenm("run", "examples/orders.7m", "-r", path, "--engine", "reference", "--ingress", "records", "--json")
    assert (said.code, said.err) == (0, "")
    assert json.loads(said.out)["events"] == 10


def test_records_come_from_a_pipe_where_they_are_said_to_be_records(sevenm: Sevenm, tmp_path: Path) -> None:
    data = orders(tmp_path, b"A").read_bytes()
    args = ("run", "examples/orders.7m", "-r", "-", "--engine", "reference")
    taken = sevenm(*args, stdin=data)
    assert taken.code == 3
    assert taken.err.endswith("; if it holds bare records, say --ingress records\n")
    said = sevenm(*args, "--ingress", "records", "--json", stdin=data)
    assert (said.code, said.err, json.loads(said.out)["events"]) == (0, "", 10)


def test_rules_on_packets_do_not_read_records(sevenm: Sevenm, rules: Path, office: Path) -> None:
    done = sevenm("run", rules, "-r", office, "--ingress", "records", "--engine", "reference")
    assert done.code == 3
    assert done.err == f"sevenm: {office}: cannot be read as bare records, because the rules are on packets\n"


def test_a_port_from_a_table_is_told_by_the_tables_name(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("run", "examples/routes.7m", "-r", office, "--engine", "reference")
    assert (done.code, done.err) == (0, "")
    assert "forwarding.fwd    forward by routes                   465" in done.out.splitlines()


@pytest.mark.needs("compiler", "g++")
def test_what_the_core_leaves_to_the_host_is_counted_once(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    """128 of the packets go on past the core's window; how often an engine is timed does not count."""
    rules = tmp_path / "far.7m"
    rules.write_text("rules far on packet all { rule zero: frame[300:1] == 0 => deliver far }")
    compared = sevenm("compare", rules, "-r", office)
    assert compared.code == 0
    assert "; 128 punted" in compared.out
    ran = sevenm("run", rules, "-r", office, "--engine", "rtl")
    assert (ran.code, ran.err) == (0, "")
    assert ", 0 malformed, 0 truncated, 128 punted" in ran.out
    assert json.loads(sevenm("run", rules, "-r", office, "--engine", "rtl", "--json").out)["punted"] == 128
