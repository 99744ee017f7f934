"""What a benchmark's numbers were measured on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def machine_facts() -> dict[str, str]:
    """Processor, cores, kernel, compiler, Python, load (1 minute; well above 1 before a run means that
    others used the machine), date (ISO 8601, UTC) and git commit ("+" if files were changed)."""
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {platform.release()}",
        "compiler": _first_line(next((c for c in ("gcc", "clang", "cc") if shutil.which(c)), "cc"), "--version"),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _first_line("git", "describe", "--always", "--dirty=+", "--abbrev=12"),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {key.strip(): value.strip() for key, value in facts.items()}
    model = f"family {named.get('cpu family', '?')} model {named.get('model', '?')}"
    return f"{named.get('model name', platform.machine())} ({model})"


def _first_line(*command: str) -> str:
    """The first line a program prints, or "unknown"."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=Path(__file__).parent)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.splitlines()[0] if done.returncode == 0 and done.stdout else "unknown"
