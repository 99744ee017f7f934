"""A command that runs on an interface of the test's own while frames are sent to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pytest

Send = Callable[[int], None]
"""Sends so many times three frames: ARP, TAGGED and OTHER."""
HEAD = bytes.fromhex("ffffffffffff 020000000001")
ARP, TAGGED, OTHER = HEAD + b"\x08\x06" + bytes(46), HEAD + b"\x81\x00\x00\x07\x88\xb5" + bytes(46), HEAD + bytes(48)


def readable_python() -> tuple[str, dict[str, str]]:
    """A Python of this version that anybody can read, and what it needs to find the packages of this one."""
    mine = [path for path in sys.path if path and not path.startswith(sys.base_prefix)]
    paths = {"PYTHONPATH": os.pathsep.join(mine)}
    for program in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if Path(program).exists() and not os.path.realpath(program).startswith("/root/"):
            return program, paths
    pytest.skip("namespaces: no Python here that another user can read")


def _heed_sighup() -> None:
    """The suite may run under nohup, and what ignores SIGHUP hands that on."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Running:
    """A command that runs; it is there once it receives."""

    all: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(
        self,
        *args: str | Path,
        python: str = sys.executable,
        env: dict[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        command = [*before, python, "-m", "sevenm.cli.main", *map(str, args)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1", **(env or {})},
            preexec_fn=_heed_sighup,
        )
        self.all.append(self.process)
        assert self.process.stderr is not None
        self.said = next((line for line in self.process.stderr if b"receiving" in line), b"").decode()

    def line(self) -> str:
        """The next line that it says."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """Exit code and what it said on either stream, after this signal."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        assert b"Traceback" not in err
        assert self.said == "sevenm: receiving from live0\n"
        return self.process.returncode, out.decode(), err.decode()
