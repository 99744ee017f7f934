"""``-i dpdk:…`` as a user runs it: devices that software makes, real processes, exit codes and what is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import readable_python

Sevenm = Any
installed = pytest.mark.needs("compiler", "dpdk")
RULES = """
rules r on packet all {
  rule web:   tcp.dstport in {80, 443} => deliver web, count web
  rule dns:   udp.dstport == 53        => deliver dns
  rule tag:   vlan                     => count tagged
  rule short: frame.len == 64          => count short
  rule arp:   arp                      => drop
}
"""
NO_HUGE = "less than 128 MiB of huge pages are free, so DPDK does without"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "r.7m"
    path.write_text(RULES)
    return path


def counted(text: str) -> dict[str, Any]:
    report = json.loads(text)
    return {name: report[name] for name in ("events", "bytes", "rules", "counters", "dropped", "malformed", "channels")}


@installed
@pytest.mark.parametrize("engine", ["host", "reference"])
def test_a_capture_that_dpdk_reads_counts_as_the_one_that_we_read(
    engine: str, rules: Path, office: Path, sevenm: Sevenm
) -> None:
    ours = sevenm("run", rules, "-r", office, "--engine", engine, "--json")
    theirs = sevenm("run", rules, "-i", f"dpdk:net_pcap0,rx_pcap={office}", "-c", "769", "--engine", engine, "--json")
    assert theirs.code == 0, theirs.err
    assert counted(theirs.out) == counted(ours.out)
    counts = json.loads(theirs.out)["ingress"]
    assert counts["received"] == 769 and sum(counts.values()) == 769
    said = [line for line in theirs.err.splitlines() if NO_HUGE not in line]
    device = f"dpdk:net_pcap0,rx_pcap={office}"
    assert said == [f"sevenm: {device}: net_pcap, 1 queue", f"sevenm: receiving from {device}"]


@installed
def test_it_ends_after_so_many_events_and_all_that_came_is_counted(rules: Path, sevenm: Sevenm) -> None:
    done = sevenm("run", rules, "-i", "dpdk:net_null0,size=64", "-c", "1000003", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    counts = report["ingress"]
    assert report["events"] == report["counters"]["short"] == 1000003
    assert counts["received"] == 1000003 + counts["left"]
    assert {name for name, n in counts.items() if n} == {"received", "left"}


@installed
def test_frames_are_cut_and_the_device_is_named_in_the_report(rules: Path, sevenm: Sevenm) -> None:
    done = sevenm("run", rules, "-i", "dpdk:net_null0,size=64", "-s", "10", "-c", "1000")
    assert done.code == 0, done.err
    assert "\n1000 events by host: 0 dropped" in done.out
    assert "0 malformed, 1,000 truncated\n" in done.out
    assert " packets received, 0 dropped by the device, " in done.out.splitlines()[-1]


@installed
def test_a_filter_writes_what_matches(office: Path, tmp_path: Path, sevenm: Sevenm) -> None:
    written = tmp_path / "out.pcap"
    words = ("filter", "udp.dstport == 53", "-i", f"dpdk:net_pcap0,rx_pcap={office}", "-c", "10", "-w", written)
    done = sevenm(*words)
    assert done.code == 0 and "10 of " in done.err and "packets match, written to" in done.err
    assert sevenm("filter", "udp.dstport == 53", "-r", written, "--count").out == "10\n"


@installed
def test_sigint_ends_it_with_the_report(rules: Path) -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "run", str(rules), "-i", "dpdk:net_ring0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        while "receiving from" not in (line := child.stderr.readline()):
            assert line
        child.send_signal(signal.SIGINT)
        out, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (0, "")
    assert json.loads(out)["events"] == 0


@installed
@pytest.mark.skipif(os.geteuid() != 0, reason="root: only root can become another user")
def test_it_goes_on_as_the_user_that_was_named(rules: Path, office: Path, tmp_path: Path) -> None:
    python, paths = readable_python()
    command = [python, "-m", "sevenm.cli.main", "run", str(rules), "-i", f"dpdk:net_pcap0,rx_pcap={office}"]
    done = subprocess.run(
        [*command, "-c", "769", "--user", "nobody", "--engine", "reference", "--json"], capture_output=True, text=True,
        env={**os.environ, **paths, "XDG_CACHE_HOME": str(tmp_path)}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 769


@installed
def test_what_dpdk_refuses_is_an_error_of_the_input(rules: Path, sevenm: Sevenm) -> None:
    done = sevenm("run", rules, "-i", "dpdk:net_nothing0")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("sevenm: dpdk:net_nothing0: DPDK does not take this device: EAL: failed to parse device")


def test_where_dpdk_is_not_installed_that_is_said(rules: Path, tmp_path: Path, sevenm: Sevenm) -> None:
    without = {"PKG_CONFIG_LIBDIR": str(tmp_path)}
    done = sevenm("run", rules, "-i", "dpdk:net_null0", env=without)
    assert done.code == 4
    assert done.err.startswith("sevenm: the ingress dpdk is not available: needs ")
    assert done.err.endswith("(Debian: apt install libdpdk-dev pkg-config)\n")
    listed = json.loads(sevenm("devices", "--json", env=without).out)["ingress"]
    assert [one["missing"] is None for one in listed if one["name"] in ("capture", "dpdk")] == [True, False]
