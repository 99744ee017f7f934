"""sevenm compare: engines that agree, engines that do not, and engines that are absent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenm.cli import compare as command
from sevenm.cli.main import main
from sevenm.host.batch import EventBatch
from sevenm.host.capture.pcap import open_capture
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.decisions import Decisions

Sevenm = Any


@pytest.mark.needs("compiler", "g++")
def test_all_engines_agree_on_the_example_capture(sevenm: Sevenm, rules: Path, office: Path, tmp_path: Path) -> None:
    done = sevenm("compare", rules, "-r", office, "-o", tmp_path / "out")
    assert (done.code, done.err) == (0, "")
    assert "EQUAL: reference, host, rtl say the same of every event" in done.out
    (core,) = [line for line in done.out.splitlines() if "simulated; latency" in line]
    assert re.search(r"simulated; latency (\d+) cycles, measured \1; 0 punted$", core), (
        "cycles, no time without a clock"
    )
    rows = [line.split() for line in done.out.splitlines() if line.startswith("small.")]
    assert [row[0] for row in rows] == ["small.web", "small.dns", "small.arp", "small.six", "small.default"]
    assert all(row[1] == row[2] == row[3] and row[4] == "yes" for row in rows)
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == ["bundle", "matched.pcap", "report.svg"]
    with open_capture(tmp_path / "out" / "matched.pcap") as reader:
        matched = sum(len(batch) for batch in reader.batches())
    assert matched == sum(int(row[1]) for row in rows[:2])
    picture = (tmp_path / "out" / "report.svg").read_text()
    assert picture.startswith("<svg")
    assert "https://cdn" not in picture


@pytest.mark.needs("compiler")
def test_an_engine_that_differs_is_found_and_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], rules: Path, office: Path
) -> None:
    """The host engine, with one bit of one event turned over."""
    honest = HostDevice.process

    def lying(self: HostDevice, batch: EventBatch) -> Decisions:
        said = honest(self, batch)
        rows = said.rows.copy()
        if self.counters()["batches"] == 1:
            rows[2, 1] ^= np.uint64(1 << 3)  # event 68, counted from 1, of the third rule
        return Decisions.from_rows(rows, len(batch), said.rules)

    monkeypatch.setattr(HostDevice, "process", lying)
    monkeypatch.setattr(command, "device_names", lambda: ["reference", "host"])
    assert main(["compare", str(rules), "-r", str(office)]) == 1
    out, _ = capfd.readouterr()
    (row,) = [line for line in out.splitlines() if line.startswith("small.arp")]
    assert row.endswith("NO, from event 68")
    assert "NOT EQUAL to reference: host on 1 answers" in out


def test_absent_engines_are_named_and_fewer_than_two_are_an_error(sevenm: Sevenm, rules: Path, office: Path) -> None:
    env = {"CC": "no-such-compiler", "CXX": "no-such-compiler"}
    done = sevenm("compare", rules, "-r", office, env=env)
    assert (done.code, done.out) == (4, "")
    assert "host: the engine host is not available: CC='no-such-compiler'" in done.err
    assert "rtl: the engine rtl is not available: the rtl engine needs a C++ compiler" in done.err


@pytest.mark.needs("compiler")
def test_a_table_of_many_rows_is_compared_without_the_core(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    """900 rows of several keys, of which some count here; too many for comparisons, and for memories."""
    rows = [f"10.{at >> 8}.{at & 255}.0/24,*,*,{at}..{at + 9},6 & 255,{at}" for at in range(898)]
    rows += ["198.51.100.0/24,*,*,443..444,*,898", "*,198.51.100.0/24,*,*,6 & 255,899"]
    (tmp_path / "acl.csv").write_text("\n".join(rows) + "\n")
    rules = tmp_path / "acl.7m"
    rules.write_text(
        'table acl : (ip4 lpm, ip4 range, u16 range, u16 range, u8 ternary) -> (row: u20) max 1000 from "acl.csv"\n'
        "rules r on packet all {\n"
        "  rule far:  acl[ip.src, ip.dst, tcp.srcport, tcp.dstport, ip.proto].row == 898 => count far\n"
        "  rule near: acl[ip.src, ip.dst, tcp.srcport, tcp.dstport, ip.proto].row == 899 => count near\n"
        "}\n"
    )
    done = sevenm("compare", rules, "-r", office)
    assert (done.code, done.err) == (0, "")
    assert "EQUAL: reference, host say the same of every event" in done.out
    left_out = " ".join(done.out[done.out.index("left out: rtl") :].split())
    assert left_out == (
        "left out: rtl: the engine rtl cannot run acl: with the 6080 slots of table acl, of 104 bits, the memories "
        "have 632320 bits of keys, and gateware has at most 524288; give the table a smaller max, or put the rule into "
        "a file of its own for the host"
    )
    counts = {row[0]: row[1:3] for line in done.out.splitlines() if (row := line.split()) and row[0].startswith("r.")}
    assert all(int(reference) > 0 and reference == host for reference, host in counts.values()), counts
