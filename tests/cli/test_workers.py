"""`sevenm run --workers`: one report and one channel of several threads, and what the commands make of their rings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevenm.host.ring import MergedReader, Ring, sets
from tests.cli.conftest import Sevenm
from tests.cli.running import Running, Send

pytestmark = [pytest.mark.needs("namespaces", "compiler")]
TAGS = "rules live on packet all {\n  rule tag: vlan.id == 7 => deliver tags, count seen\n}\n"
ARPS = "rules live on packet all {\n  rule arp: arp => deliver arps, count seen\n}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "live.7m"
    path.write_text(TAGS)
    return path


def test_a_run_its_subscriber_and_its_rings(file: Path, send: Send, ring: str, sevenm: Sevenm, tmp_path: Path) -> None:
    """Other rules meanwhile, a subscriber in another process, and the rings under one name afterwards."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    options = ["--ring", ring, "--json", "--workers", "2", "--latency"]
    running = Running("run", file, "-i", "live0", *options, *(["--cpus", cpus] if "," in cpus else []))
    out = tmp_path / "tags.jsonl"
    command = [sys.executable, "-m", "sevenm.cli.main", "subscribe", f"{ring}.tags", "-w", str(out), "--latency"]
    subscriber = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    send(10)
    file.write_text(ARPS)
    running.process.send_signal(signal.SIGHUP)
    assert running.line() == f"sevenm: delivering into {ring}.arps, a ring for each of 2 workers\n"
    assert running.line() == f"sevenm: generation 2: 1 rule of {file}\n"
    send(10)
    with MergedReader.attach(f"{ring}.arps") as reader:
        assert taken(reader, 10)
    code, text, err = running.end(signal.SIGTERM)
    _, said = subscriber.communicate(timeout=60)
    assert (code, err, subscriber.returncode) == (0, "", 0)
    report = json.loads(text)
    assert report["events"] + report["ingress"]["left"] == 60 == report["ingress"]["received"]
    assert report["generation"] == 2 and report["counters"]["seen"] == 20
    assert [(c["name"], c["ring"], c["delivered"]) for c in report["channels"]] == [
        ("arps", f"{ring}.arps", 10), ("tags", f"{ring}.tags", 10)
    ]  # fmt: skip
    assert report["latency"]["decided"]["count"] == report["events"]
    assert len(out.read_text().splitlines()) == 10 and "10 records read, the producer closed the ring" in said
    assert "from arrival until read: " in said
    (folded,) = json.loads(sevenm("ring", "list", f"{ring}.tags", "--json").out)
    assert (folded["name"], folded["rings"], folded["delivered"]) == (f"{ring}.tags", 2, 10)
    assert sorted(Ring.stats(name).delivered for name in sets.members(f"{ring}.tags")) == [0, 10], "one flow"
    refused = sevenm("run", file, "-i", "live0", "--ring", ring)
    assert refused.code == 3 and "left from a run with another number of workers" in refused.err
    assert f"sevenm ring rm {ring}.arps.0 {ring}.arps.1" in refused.err
    removed = sevenm("ring", "rm", f"{ring}.tags", f"{ring}.arps.1")
    assert removed.out == f"removed {ring}.tags.0\nremoved {ring}.tags.1\nremoved {ring}.arps.1\n"
    assert [name for name in Ring.names() if name.startswith(ring)] == [f"{ring}.arps.0"]


def taken(reader: MergedReader, n: int) -> bool:
    """Whether so many records come."""
    end = time.monotonic() + 30
    while n > 0 and time.monotonic() < end:
        reader.wait(0.1)
        n -= len(reader.read())
    reader.release()
    return n == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-r", "x.pcap", "--workers", "2"], 2, "Error: --workers and --cpus are about what arrives with -i; a file is "
         "read by one worker"),
        (["-i", "live0", "--workers", "2", "-w", "x"], 2, "Error: -w writes what one worker decides, in order; with"),
        (["-i", "live0", "--workers", "2", "--cpus", "0"], 2, "Error: --cpus names 1 processors for 2 workers"),
        (["-i", "live0", "--cpus", "0,a"], 2, "'0,a' is not a list of processors' numbers, like 0,1."),
        (["-i", "live0", "--cpus", "4095"], 2, "processor 4095 is not one that this process may use: "),
        (["-i", "live0", "--cpus", "0,0"], 2, "two workers on one processor take turns"),
        (["-i", "live0", "--workers", "65"], 2, "65 is not in the range 1<=x<=64"),
        (["-i", "ring:feed", "--workers", "2"], 3, "what comes by ring cannot be shared out to several workers; that"),
        (["-i", "live0", "--workers", "2", "--engine", "reference"], 4, "--workers and --cpus need the engine host"),
    ],
)  # fmt: skip
def test_what_several_workers_cannot_do_is_said(
    veth: tuple[str, str], file: Path, sevenm: Sevenm, arguments: list[str], code: int, message: str
) -> None:
    done = sevenm("run", file, *arguments)
    assert done.code == code and message in " ".join(done.err.split())


def test_rules_that_remember_need_one_worker(veth: tuple[str, str], file: Path, sevenm: Sevenm) -> None:
    file.write_text("rules past on packet all {\n  rule again: ip.src == prev(ip.src per ip.dst) => count seen\n}\n")
    done = sevenm("run", file, "-i", "live0", "--workers", "2", "-c", "1")
    assert done.code == 4 and "live remembers earlier events (" in done.err
    assert "run it with one worker: leave --workers out" in done.err
