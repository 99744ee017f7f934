"""sevenm run for long: metrics, log lines for machines, news for the service manager, and the unit of the examples."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "examples" / "service" / "sevenm@.service"
Sevenm = Callable[..., Any]


def samples(text: str) -> dict[str, float]:
    return {
        " ".join([sample.name, *map(str, sample.labels.values())]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.needs("compiler")
def test_the_file_has_the_counts_of_the_report(
    sevenm: Sevenm, rules: Path, office: Path, tmp_path: Path, ring: str
) -> None:
    path = tmp_path / "run.prom"
    done = sevenm("run", rules, "-r", office, "--json", "--ring", ring, "--metrics-file", path)
    assert done.code == 0, done.err
    report, found = json.loads(done.out), samples(path.read_text())
    assert found["sevenm_events_total"] == report["events"] == 769
    for rule in report["rules"]:
        assert found[f"sevenm_rule_events_total {rule['block']} {rule['name']}"] == rule["events"]
    for channel in report["channels"]:
        assert found[f"sevenm_ring_written_records_total {channel['ring']}"] == channel["delivered"]


def test_the_log_is_a_json_object_a_line(sevenm: Sevenm, rules: Path, office: Path) -> None:
    done = sevenm("run", rules, "-r", office, "--engine", "reference", "--log", "json", "--json")
    assert done.code == 0
    started, ended = map(json.loads, done.err.splitlines())
    assert (started["level"], started["message"], started["input"]) == ("info", "started", str(office))
    assert (ended["level"], ended["message"], ended["report"]["events"]) == ("info", "ended", 769)
    plain = {key: value for key, value in json.loads(done.out).items() if key not in ("file", "input")}
    assert ended["report"] == plain
    done = sevenm("run", rules, "-r", "absent.pcap", "--log", "json")
    assert done.code == 3
    error = json.loads(done.err)
    assert error["level"] == "error"
    assert error["message"].startswith("absent.pcap: ")


def test_findings_are_lines_of_the_log_too(sevenm: Sevenm, office: Path, tmp_path: Path) -> None:
    (tmp_path / "typo.7m").write_text("rules r on packet all { rule a: udp.dsport == 1 => drop }")
    done = sevenm("run", tmp_path / "typo.7m", "-r", office, "--log", "json")
    assert done.code == 1
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert {line["level"] for line in lines} == {"error"}
    assert lines[-1]["message"] == f"1 error in {tmp_path / 'typo.7m'}"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--metrics", "9107"], 2, "'9107' is not HOST:PORT"),
        (["--metrics", "localhost:99999"], 2, "'localhost:99999' is not HOST:PORT"),
        (["--metrics", "192.0.2.1:9107"], 3, "sevenm: --metrics: 192.0.2.1:9107 cannot be listened on: "),
        (
            ["--metrics-file", "/nowhere/x.prom"],
            3,
            "sevenm: --metrics-file: /nowhere/x.prom cannot be written: no such",
        ),
        (["--latency"], 2, "--latency is about what arrives with -i; the events of a file arrived long ago."),
    ],
)
def test_wrong_use_says_what_is_wrong(
    sevenm: Sevenm, rules: Path, office: Path, args: list[str], code: int, message: str
) -> None:
    done = sevenm("run", rules, "-r", office, "--engine", "reference", *args)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def command_of_the_unit(**place: str) -> list[str]:
    """ExecStart with this interpreter's sevenm, and its places in other folders."""
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    for name, value in place.items():
        line = line.replace(name.replace("_", "/"), value)
    words = shlex.split(line.removeprefix("ExecStart="))
    assert words[0] == "/usr/bin/sevenm"
    return [sys.executable, "-m", "sevenm.cli.main", *words[1:]]


@pytest.mark.needs("compiler")
def test_the_command_of_the_unit_is_a_service(rules: Path, tmp_path: Path, ring: str) -> None:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except PermissionError:
        pytest.skip("CAP_NET_RAW is needed to receive frames: run the tests as root")
    command = command_of_the_unit(_etc_sevenm=str(tmp_path), _run_sevenm=str(tmp_path / "run"))
    command = [word.replace("%i.7m", rules.name).replace("run-%i", "run") for word in command]
    command = [ring if word == "%i" and before == "--ring" else word.replace("%i", "lo")
               for before, word in zip(["", *command], command, strict=False)]  # fmt: skip
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        process = subprocess.Popen(
            [*command, "--metrics", "127.0.0.1:0"], cwd=ROOT, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        heard = [manager.recv(100) for _ in range(4)]
        assert heard == [b"READY=1", *[b"WATCHDOG=1"] * 3]
        lines = []
        while not (lines and lines[-1]["message"].startswith("metrics at ")):
            lines.append(json.loads(process.stderr.readline()))
        send(b"service")
        while "received" not in (found := ask(lines[-1]["message"].split()[-1])) or not found["received"]:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    ended = json.loads(err.splitlines()[-1])
    assert ended["message"] == "ended"
    latency = ended["report"]["latency"]["decided"]
    assert latency["count"] + latency["early"] == ended["report"]["events"] >= 1
    last = samples((tmp_path / "run" / "metrics.prom").read_text())
    assert last["sevenm_events_total"] == ended["report"]["events"]


def send(data: bytes) -> None:
    """A frame on the loopback interface, of a type that nothing listens to."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("lo", 0))
        sender.send(bytes.fromhex("0200cafe0001 0200cafe0002 88b5") + data + bytes(46))


def ask(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found = samples(answer.read().decode())
    return {"received": found.get("sevenm_ingress_events_total received", 0)}


@pytest.mark.needs("systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "sevenm@lo.service"
    unit.write_text(UNIT.read_text().replace("/usr/bin/sevenm", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("WatchdogSec=10", "WatchdogSeconds=10"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "Unknown key" in done.stderr, "a seeded fault is seen"
