"""A worker of the suite that died says where it was, and what ended it, at the end of the output.

xdist only says that a worker crashed. Here each worker writes its tracebacks, of all threads, to a file when a signal
ends it (faulthandler), and the main process asks with which signal it went: one without tracebacks was killed from
outside, for want of memory or by a test that hit the wrong process.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path
from typing import Any, TextIO

import pytest


class Crashes:
    """Plugin, in the main process and in each worker. ``folder`` keeps the tracebacks of this run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended: dict[str, str] = {}
        self._file: TextIO | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        worker = os.environ.get("PYTEST_XDIST_WORKER")
        self.folder.mkdir(parents=True, exist_ok=True)
        if worker is None:
            for old in self.folder.iterdir():
                old.unlink()
        else:
            self._file = (self.folder / worker).open("w")
            faulthandler.enable(self._file, all_threads=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """xdist: a worker is gone; ``error`` says that it should not be."""
        if error is None:
            return
        code = node.gateway._io.popen.wait(timeout=10)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        free = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
        self.ended[node.gateway.id] = f"{how}; {free}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for worker, how in self.ended.items():
            terminalreporter.section(f"worker {worker} ended: {how}", sep="-")
            terminalreporter.write_line((self.folder / worker).read_text() or "no traceback: nothing in it failed")
