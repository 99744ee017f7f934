"""The processor time of a whole process, from its start to its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


class Unmeasurable(Exception):
    """A side cannot do it; says which and why."""


def processor_time(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """Milliseconds that a process and its children use. Raises Unmeasurable if it fails, OSError if it cannot start."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        complaint = child.stderr.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        last = (complaint.decode(errors="replace").strip().splitlines() or ["it says nothing"])[-1]
        raise Unmeasurable(f"{' '.join(command)} ends with exit code {child.returncode}: {last}")
    return 1e3 * (used.ru_utime + used.ru_stime)
