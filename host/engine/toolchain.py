"""The C compiler of this machine, and what its code depends on beside the source.

One idea: what names code in a cache has to change whenever the code could, and has to cost next to nothing, because it
is asked for at every start. A compiler is known by its file; only one whose file says nothing of what it runs (a
script, a cache in front of another compiler) is started and asked.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from sevenm.host.devices.errors import DeviceError

COMPILERS = ("gcc", "clang", "cc")
ITSELF = re.compile(r"([a-z0-9_]+-)*(gcc|g\+\+|clang|clang\+\+|cc|tcc)(-[0-9.]+)?")
"""Names of files that are a compiler, not something in front of one (ccache, distcc), once links are resolved."""
ELF = b"\x7fELF"
ASK_S_MAX = 60


class NoCompiler(DeviceError):
    """There is no C compiler on this machine."""


def find_compiler() -> list[str]:
    """The compiler's command: $CC (which may have arguments), else gcc, clang or cc. Raises NoCompiler."""
    given = os.environ.get("CC", "")
    if given.strip():
        import shlex

        try:
            command = shlex.split(given)
        except ValueError as error:
            raise NoCompiler(f"CC={given!r} is no command: {error}") from error
        if find_program(command[0]) is None:
            raise NoCompiler(f"CC={given!r}: there is no program {command[0]}; install it or unset CC")
        return command
    for name in COMPILERS:
        path = find_program(name)
        if path is not None:
            return [path]
    raise NoCompiler(
        f"no C compiler found (looked for {', '.join(COMPILERS)}): install one (Debian: apt install gcc libc6-dev), "
        "set CC, or use the reference engine"
    )


def find_program(name: str) -> str | None:
    """As ``shutil.which`` finds a program, without loading what ``shutil`` archives with."""
    for folder in [""] if "/" in name else os.get_exec_path():
        path = Path(folder, name)
        # In this order: is_file raises where the folder is another user's.
        if os.access(path, os.X_OK) and path.is_file():
            return str(path)
    return None


def compiler_identity(command: list[str]) -> bytes:
    """What changes when another compiler comes under the command: path, size, time of change and number of its file;
    for what is no compiler itself, what it says of its version. Raises NoCompiler if it cannot be run."""
    found = find_program(command[0])
    if found is not None:
        with suppress(OSError):
            path = Path(found).resolve()
            with path.open("rb") as file:
                program = file.read(len(ELF)) == ELF
            if program and ITSELF.fullmatch(path.name):
                return file_identity(path)
    import subprocess  # the usual compiler is known by its file, and most starts run no process at all

    try:
        return subprocess.run([*command, "--version"], capture_output=True, timeout=ASK_S_MAX, check=False).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise NoCompiler(f"{' '.join(command)} cannot be run: {error}") from error


def file_identity(path: str | Path) -> bytes:
    """Path, size, inode, and the times of its content and of its entry, in nanoseconds. Raises OSError."""
    facts = os.stat(path)  # noqa: PTH116 - many of them, and a Path of each would cost more than the call
    return f"{path} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_dev} {facts.st_ino}".encode()


def processor() -> bytes:
    """What -march=native looks at; a home folder may be shared by machines."""
    wanted = (b"model name", b"flags", b"Features", b"CPU part")
    lines: list[bytes] = []
    with suppress(OSError), Path("/proc/cpuinfo").open("rb") as file:
        for line in file:
            if not line.strip():
                break
            if line.startswith(wanted):
                lines.append(line)
    return os.uname().machine.encode() + b"".join(lines)
