"""The commands on an interface, as a user runs them: real processes, real signals, real exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from sevenm.host.capture.pcap import open_capture
from tests.cli.running import ARP, TAGGED, Running, Send, readable_python

pytestmark = [pytest.mark.needs("namespaces", "compiler")]
Sevenm = Any


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "live.7m"
    path.write_text(
        "rules live on packet all {\n"
        "  rule tag: vlan.id == 7 => deliver tags, count tags\n"
        "  rule arp: arp          => drop\n"
        "}\n"
    )
    return path


def test_run_says_what_it_received_and_ends_after_so_many(rules: Path, send: Send) -> None:
    running = Running("run", rules, "-i", "live0", "-c", "30")
    send(10)
    code, out, err = running.end()
    assert (code, err) == (0, "")
    assert out.endswith(
        "\n30 events by host: 10 dropped, 20 neither dropped nor forwarded, 0 malformed, 0 truncated\n"
        "10 matches undelivered: no ring was asked for (--ring PREFIX delivers them)\n"
        "30 packets received, 0 dropped by the kernel, 10 tagged\n"
    )


@pytest.mark.parametrize(("number", "engine"), [(signal.SIGINT, "host"), (signal.SIGTERM, "reference")])
def test_a_signal_ends_it_with_the_report_and_code_0(rules: Path, send: Send, number: int, engine: str) -> None:
    running = Running("run", rules, "-i", "live0", "--json", "--engine", engine)
    send(20)
    time.sleep(1)
    code, out, err = running.end(number)
    report = json.loads(out)
    ingress = report["ingress"]
    assert (code, err, report["input"]) == (0, "", "live0")
    assert report["events"] + ingress.pop("left") == 60 and report["events"] > 0
    assert report["counters"]["tags"] == report["channels"][0]["matched"] > 0
    assert ingress == {
        "received": 60, "dropped": 0, "freezes": 0, "damaged": 0, "tagged": 20, "hardware_stamped": 0
    }  # fmt: skip


def test_seconds_end_it(rules: Path, veth: tuple[str, str], sevenm: Sevenm) -> None:
    done = sevenm("run", rules, "-i", "packet:live0", "--seconds", "0.2", "-p")
    assert (done.code, done.err) == (0, "sevenm: receiving from live0\n")
    assert done.out.endswith("\n0 packets received, 0 dropped by the kernel\n")


def test_an_interface_that_goes_away_ends_it_with_the_report_and_code_3(rules: Path, send: Send, ip: Any) -> None:
    running = Running("run", rules, "-i", "live0")
    send(5)
    ip("link del live0")
    code, out, err = running.end()
    assert (code, err) == (3, "sevenm: the ingress cannot go on: live0: the interface is gone\n")
    assert out.endswith("\n15 packets received, 0 dropped by the kernel, 5 tagged\n")


def test_filter_prints_lines_as_they_come(send: Send) -> None:
    running = Running("filter", "vlan.id == 7", "-i", "live0", "-c", "3")
    stdout = running.process.stdout
    assert stdout is not None
    for n in range(2):
        send(1)
        line = stdout.readline().decode()
        assert re.fullmatch(rf" +{3 * n + 2}  \S+ +64  .* vlan 7\n", line), line
    send(1)
    code, out, err = running.end()
    assert code == 0 and out.count("\n") == 1
    assert re.fullmatch(r"[89] packets received, 0 dropped by the kernel, 3 tagged(, 1 left)?\n", err), err


def test_filter_counts_until_it_is_told_to_end(send: Send) -> None:
    running = Running("filter", "arp", "-i", "live0", "--count")
    send(7)
    time.sleep(1)
    assert running.end(signal.SIGTERM) == (0, "7\n", "21 packets received, 0 dropped by the kernel, 7 tagged\n")


def test_filter_counts_what_came_before_the_interface_went_away(send: Send, ip: Any) -> None:
    running = Running("filter", "arp", "-i", "live0", "--count")
    send(7)
    ip("link set live0 down")
    code, out, err = running.end()
    assert (code, out) == (3, "7\n")
    assert err == (
        "21 packets received, 0 dropped by the kernel, 7 tagged\n"
        "sevenm: the ingress cannot go on: live0: the interface is down; bring it up: ip link set live0 up\n"
    )


def test_a_pipe_gets_each_packet_when_it_matches(send: Send, tmp_path: Path) -> None:
    running = Running("filter", "arp", "-i", "live0", "-w", "-", "-s", "50")
    stdout = running.process.stdout
    assert stdout is not None
    got = stdout.read(24)
    send(2)
    got += stdout.read(2 * (16 + 50))  # there before the command ends
    code, rest, err = running.end(signal.SIGINT)
    assert (code, rest) == (0, "")
    assert re.fullmatch(  # the last packet may have been left
        r"2 of [56] packets match, written to standard output\n6 packets received, 0 dropped by the kernel, 2 tag.*\n",
        err,
    )
    path = tmp_path / "got.pcap"
    path.write_bytes(got)
    with open_capture(path) as reader:
        assert [batch.data(i) for batch in reader.batches() for i in range(len(batch))] == [ARP[:50]] * 2


def test_run_writes_what_channels_get(rules: Path, send: Send, tmp_path: Path) -> None:
    running = Running("run", rules, "-i", "live0", "-w", tmp_path / "out.pcap", "-c", "9")
    send(3)
    assert running.end()[0] == 0
    with open_capture(tmp_path / "out.pcap") as reader:
        assert [batch.data(i) for batch in reader.batches() for i in range(len(batch))] == [TAGGED] * 3


def test_one_capability_is_enough(rules: Path, send: Send) -> None:
    """As docs/live.md says: an ordinary user with cap_net_raw and nothing else."""
    python, paths = readable_python()
    become = ["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all,+net_raw", "--ambient-caps=-all,+net_raw"]
    with NamedTemporaryFile(suffix=".7m") as file:
        shutil.copy(rules, file.name)
        Path(file.name).chmod(0o644)
        running = Running("run", file.name, "-i", "live0", "-c", "3", python=python, env=paths, before=become)
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        send(1)
        code, out, _ = running.end()
    assert re.search(r"^Uid:\s65534\s", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s0*2000$", status, re.MULTILINE)
    assert code == 0 and out.endswith("\n3 packets received, 0 dropped by the kernel, 1 tagged\n")


def test_the_rest_is_done_as_the_user_that_was_named(rules: Path, send: Send) -> None:
    python, paths = readable_python()
    prefix = f"test-live-user-{os.getpid()}"
    running = Running("run", rules, "-i", "live0", "--user", "nobody", "--ring", prefix, python=python, env=paths)
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    send(4)
    time.sleep(1)
    ring = Path(f"/dev/shm/sevenm.{prefix}.tags")
    owner = ring.owner()
    try:
        code, out, _ = running.end(signal.SIGTERM)
    finally:
        ring.unlink()
    assert re.search(r"^Uid:\s65534\s65534\s65534\s65534$", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s0+$", status, re.MULTILINE) and re.search(r"^CapPrm:\s0+$", status, re.MULTILINE)
    assert (code, owner) == (0, "nobody")
    assert out.endswith("4 matches delivered, 0 undelivered\n12 packets received, 0 dropped by the kernel, 4 tagged\n")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["-i", "eth9"], 3, "sevenm: eth9: there is no such interface; there are: lo, live1, live0\n"),
        (
            ["-i", "live0", "--user", "nobody9"],
            2,
            "sevenm: there is no user 'nobody9'; name one of this machine, nobody",
        ),
        (
            ["-i", "live0", "--user", "root"],
            2,
            "sevenm: root is root, which keeps every privilege; name another user\n",
        ),
        (["-i", "capture:in.pcap"], 3, "sevenm: capture:in.pcap: capture is not a live ingress; say -r in.pcap --ing"),
        (["-i", "packet:"], 3, "sevenm: packet:: expected packet:NAME, for example packet:eth0\n"),
        (["-i", "udp:127.0.0.1:5000"], 3, "sevenm: udp:127.0.0.1:5000: gives the payload of datagrams, but the rules"),
        (
            ["-r", "live0", "--ingress", "packet"],
            3,
            "sevenm: live0: packet is a live ingress, not a file; say -i packet",
        ),
    ],
)
def test_what_cannot_be_received_is_said(
    veth: tuple[str, str], rules: Path, sevenm: Sevenm, args: list[str], code: int, message: str
) -> None:
    done = sevenm("run", rules, *args)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)


def test_files_end_after_so_many_too(rules: Path, sevenm: Sevenm, office: Path) -> None:
    done = sevenm("run", rules, "-r", office, "-c", "100", "--json")
    assert json.loads(done.out)["events"] == 100
    lines = sevenm("filter", "udp", "-r", office).out.splitlines()
    assert sevenm("filter", "udp", "-r", office, "-c", "5").out.splitlines() == lines[:5]
