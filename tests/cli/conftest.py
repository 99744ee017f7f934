"""Runs the command as a user would: its own process, real pipes, real exit codes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.running import ARP, OTHER, TAGGED, Running, Send

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    raw: bytes


Sevenm = Callable[..., Done]


@pytest.fixture(scope="session")
def sevenm() -> Sevenm:
    """``sevenm("check", path, stdin=b"", env={})``. No command may ever show a traceback."""

    def run(*args: str | bytes | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Done:
        command = [sys.executable, "-m", "sevenm.cli.main", *(a if isinstance(a, bytes) else str(a) for a in args)]
        full = {**os.environ, "NO_COLOR": "1", **(env or {})}
        full.pop("SEVENM_DEBUG", None)
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=full, timeout=SECONDS_MAX, check=False, cwd=ROOT
        )
        err = done.stderr.decode()
        assert "Traceback" not in err
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), err, done.stdout)

    return run


@pytest.fixture(scope="session")
def office() -> Path:
    """The capture of real programs talking that comes with the examples."""
    return ROOT / "examples" / "capture" / "office.pcap"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A small sound rule file."""
    path = tmp_path / "small.7m"
    path.write_text(
        "rules small on packet first {\n"
        "  rule web: tcp.dstport in {80, 443} => deliver web, count web\n"
        "  rule dns: udp.dstport == 53        => deliver dns\n"
        "  rule arp: arp                      => drop\n"
        "  rule six: ipv6                     => forward 3\n"
        "  default => count rest\n"
        "}\n"
    )
    return path


@pytest.fixture
def send(veth: tuple[str, str]) -> Iterator[Send]:
    """Sends so many times three frames, of which one is tagged and one is ARP."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((veth[1], 0))

        def out(times: int) -> None:
            for _ in range(times):
                for frame in (ARP, TAGGED, OTHER):
                    sender.send(frame)

        yield out


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """What a failed test leaves running ends with it."""
    yield
    while Running.all:
        process = Running.all.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()
