"""SIGHUP gives `sevenm run -i` other rules while it runs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.ring import Ring, RingReader
from sevenm.rules import compile_rules
from tests.cli.running import Running, Send

pytestmark = [pytest.mark.needs("namespaces", "compiler")]
TAGS = "rules live on packet all {\n  rule tag: vlan.id == 7 => deliver tags, count seen\n}\n"
ARPS = "rules live on packet all {\n\n  rule arp: arp => deliver arps, count seen\n}\n"
FIELDS = """schema S v1 size 64 @endian(little) {
  a: u32
}
rules live on S all { rule a: a == 1 => count n }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "live.7m"
    path.write_text(TAGS)
    return path


@pytest.fixture
def prefix() -> Iterator[str]:
    name = f"test-reload-{os.getpid()}"
    yield name
    for channel in ("tags", "arps"):
        Path(f"/dev/shm/sevenm.{name}.{channel}").unlink(missing_ok=True)


@pytest.mark.parametrize("engine", ["host", "reference"])
def test_other_rules_take_over_between_two_events(
    engine: str, file: Path, send: Send, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running("run", file, "-i", "live0", "--ring", prefix, "--json", "--engine", engine)
    send(10)
    with RingReader.attach(f"{prefix}.tags") as tags:
        first = taken(tags, 10)
    file.write_text(ARPS)
    running.process.send_signal(signal.SIGHUP)
    assert running.line() == f"sevenm: delivering into {prefix}.arps\n"
    assert running.line() == f"sevenm: generation 2: 1 rule of {file}\n"
    send(10)
    with RingReader.attach(f"{prefix}.arps") as arps:
        second = taken(arps, 10)
    code, out, err = running.end(signal.SIGTERM)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["events"] + report["ingress"]["left"], report["generation"]) == (60, 2)
    assert report["rules"] == [
        {"name": "arp", "block": "live", "events": 10, "line": 3},
        {"name": "tag", "block": "live", "events": 10, "line": None},
    ]
    assert report["counters"] == {"seen": 20}
    assert [(c["name"], c["ring"], c["delivered"]) for c in report["channels"]] == [
        ("arps", f"{prefix}.arps", 10),
        ("tags", f"{prefix}.tags", 10),
    ]
    assert (set(first), set(second)) == ({(0, 1)}, {(0, 2)}), "rule and generation of every record"
    assert Ring.stats(f"{prefix}.arps").digest == report["digest"] == Ring.stats(f"{prefix}.arps").digest


def taken(reader: RingReader, n: int) -> list[tuple[int, int]]:
    """Rule and generation of n records, and that no more come."""
    found: list[tuple[int, int]] = []
    end = time.monotonic() + 30
    while len(found) < n and time.monotonic() < end:
        for records in [reader.read()]:
            found += zip(records["rule"].tolist(), records["generation"].tolist(), strict=True)
        time.sleep(0.01)
    assert len(found) == n
    return found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rules live on packet all {\n  rule a: tcp.dstpor == 1 => drop\n}\n", "1 error in {file}"),
        (
            FIELDS,
            "the rules of live are on records S v1 of 64 bytes, layout 0x",
        ),
        (None, "cannot read {file}: No such file or directory"),
    ],
    ids=["error", "other events", "gone"],
)
def test_rules_that_cannot_run_leave_the_old_ones(text: str | None, why: str, file: Path, send: Send) -> None:
    running = Running("run", file, "-i", "live0", "--json")
    send(10)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    running.process.send_signal(signal.SIGHUP)
    said = running.line()
    while not said.startswith("sevenm: "):
        assert said, "it went on"
        said = running.line()
    assert said.startswith(f"sevenm: {file}: not taken, generation 1 goes on: {why.format(file=file)}")
    send(10)
    time.sleep(0.5)
    code, out, err = running.end(signal.SIGTERM)
    report = json.loads(out)
    assert (code, err, report["generation"]) == (0, "", 1)
    assert report["events"] + report["ingress"]["left"] == 60
    assert report["counters"]["seen"] == report["rules"][0]["events"] > 10


KINDS = """table kinds : u16 -> u8 max 64 from "kinds.csv"
rules live on packet all {
  rule known: kinds[eth.type] == 1                                => deliver tags, count known
  rule again: eth.src == prev(eth.src per eth.type keys 64 ttl 60s) => count again
}
"""


@pytest.mark.parametrize("engine", ["host", "reference"])
def test_rows_are_exchanged_without_a_compiler_and_what_was_seen_stays(
    engine: str, file: Path, send: Send, prefix: str, tmp_path: Path
) -> None:
    """Of the two types that arrive each is new once, not once more after the edit; and a row that is wrong says where
    it is."""
    compiler, rows = tmp_path / "cc", tmp_path / "kinds.csv"
    compiler.write_text('#!/bin/sh\nexec gcc "$@"\n')
    compiler.chmod(0o755)
    file.write_text(KINDS)
    rows.write_text("type,kind\n0x0806,1\n")
    running = Running(
        "run", file, "-i", "live0", "--ring", prefix, "--json", "--engine", engine, env={"CC": str(compiler)}
    )
    send(10)
    with RingReader.attach(f"{prefix}.tags") as tags:
        first = taken(tags, 10)
        compiler.unlink()
        rows.write_text("0x0806,2\n0x8100,1\n")
        running.process.send_signal(signal.SIGHUP)
        assert running.line() == f"sevenm: generation 2: 2 rows in kinds of {file}\n"
        send(10)
        second = taken(tags, 10)
        rows.write_text("0x0806,2\n0x8100,one\n")
        running.process.send_signal(signal.SIGHUP)
        assert running.line().startswith(f"{rows}:2:8: error: expected a number, ")
        said = ""
        while not said.startswith("sevenm: "):
            said = running.line()
        assert said == f"sevenm: {file}: not taken, generation 2 goes on: 1 error in {file}\n"
        send(10)
        third = taken(tags, 10)
    code, out, err = running.end(signal.SIGTERM)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["events"] + report["ingress"]["left"], report["generation"]) == (90, 2)
    assert report["counters"] == {"known": 30, "again": 58}
    assert [set(one) for one in (first, second, third)] == [{(0, 1)}, {(0, 2)}, {(0, 2)}]
    rows.write_text("0x0806,2\n0x8100,1\n")
    assert Ring.stats(f"{prefix}.tags").digest == report["digest"] == compile_rules(file).plan.digest


def test_the_service_manager_hears_of_it_and_the_log_has_a_line(file: Path, veth: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        running = Running("run", file, "-i", "live0", "--log", "json", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"
        file.write_text(ARPS)
        running.process.send_signal(signal.SIGHUP)
        reloading = manager.recv(100).split(b"\n")
        assert reloading[0] == b"RELOADING=1" and int(reloading[1].removeprefix(b"MONOTONIC_USEC=")) > 0
        assert manager.recv(100) == b"READY=1"
        running.process.send_signal(signal.SIGTERM)
        _, err = running.process.communicate(timeout=60)
    lines = [json.loads(line) for line in err.decode().splitlines()]
    (rules,) = [line for line in lines if line["message"] == "rules"]
    assert (rules["bundle"], rules["generation"]) == ("live", 2) and len(rules["digest"]) == 64
    assert lines[-1]["report"]["digest"] == rules["digest"]


def test_a_terminal_that_goes_away_ends_it(file: Path, veth: Any, tmp_path: Path) -> None:
    """As it ends tcpdump; what was decided is in the report."""
    master, slave = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    out = tmp_path / "out.json"
    with out.open("wb") as target:
        process = subprocess.Popen(
            [sys.executable, "-m", "sevenm.cli.main", "run", str(file), "-i", "live0", "--json"],
            stdout=target, stderr=subprocess.PIPE, preexec_fn=take_terminal,
        )  # fmt: skip
    os.close(slave)
    assert process.stderr is not None
    assert process.stderr.readline() == b"sevenm: receiving from live0\n"
    process.send_signal(signal.SIGHUP)  # the terminal is there: the rules are read again
    assert process.stderr.readline().decode() == f"sevenm: generation 2: 1 rule of {file}\n"
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert json.loads(out.read_text())["generation"] == 2
    process.stderr.close()


def test_it_may_come_before_the_rules_run(file: Path, veth: Any, tmp_path: Path) -> None:
    """While sevenm still starts; what it asks for is done then."""
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "sevenm.cli.main", "run", str(file), "-i", "live0", "--json"],
            stdout=subprocess.PIPE, stderr=err,
        )  # fmt: skip
    status = Path(f"/proc/{process.pid}/status")
    while not int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) & 1:
        assert process.poll() is None
    for _ in range(200):
        process.send_signal(signal.SIGHUP)
    while b"generation 2" not in (tmp_path / "err").read_bytes():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["generation"] >= 2


def test_nohup_keeps_it_running(file: Path, veth: Any) -> None:
    running = Running("run", file, "-i", "live0", "--json", before=["nohup"])
    running.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    code, out, _ = running.end(signal.SIGTERM)
    assert (code, json.loads(out)["generation"]) == (0, 1)
