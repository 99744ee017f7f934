"""The XDP programs of an AF_XDP ingress: the plain one that redirects everything, and prefilters that clang compiles.

One idea: a program is instructions and nothing else. It names its three maps by number, so an object file needs no
relocation, and what is taken from it is one section.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from sevenm.host.live.xdp_bpf import INSTRUCTION, LD_IMM64, PSEUDO_MAP, Code

SOCKETS, COUNTS, SCRATCH = range(3)
"""Numbers of the maps: sockets by queue; packets and bytes that were dropped; room to work in, both of each CPU.
The last one is a program's own."""
COUNTS_BYTES = 16
SCRATCH_BYTES = 32768
XDP_PASS, REDIRECT_MAP = 2, 51
AF_XDP = 44
"""Of linux/socket.h; Python does not name it."""
CLANG = "clang"
FLAGS = ("-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wno-unused-function", "-x", "c", "-c", "-")
SECTION = b"xdp"
COMPILE_S_MAX = 300
SAID_MAX = 300
"""Characters of the compiler's first error that a message quotes."""


class PrefilterError(RuntimeError):
    """There is no prefilter here; the message says what is missing or wrong. Everything runs without it."""


def _assembled(*instructions: tuple[int, int, int, int, int]) -> Code:
    return Code(b"".join(INSTRUCTION.pack(code, to | by << 4, off, imm) for code, to, by, off, imm in instructions))


REDIRECT = _assembled(
    (0x61, 2, 1, 16, 0),  # r2 = context->rx_queue_index
    (LD_IMM64, 1, PSEUDO_MAP, 0, SOCKETS),  # r1 = the map of sockets
    (0, 0, 0, 0, 0),
    (0xB7, 3, 0, 0, XDP_PASS),  # r3 = what happens to the frames of a queue that has no socket
    (0x85, 0, 0, 0, REDIRECT_MAP),  # r0 = bpf_redirect_map(r1, r2, r3)
    (0x95, 0, 0, 0, 0),  # return r0
)
"""Every frame of a queue that has a socket goes there, all others to the kernel's stack."""


def compile_program(source: str) -> Code:
    """The C text of a prefilter, by clang. Raises PrefilterError."""
    clang = shutil.which(CLANG)
    if clang is None:
        raise PrefilterError("clang is not installed, which compiles the XDP prefilter (Debian: apt install clang)")
    with tempfile.TemporaryDirectory(prefix="sevenm-") as folder:
        target = Path(folder) / "prefilter.o"
        try:
            done = subprocess.run(
                [clang, *FLAGS, "-o", str(target)], input=source, capture_output=True, text=True,
                timeout=COMPILE_S_MAX, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise PrefilterError(f"clang did not compile the XDP prefilter within {COMPILE_S_MAX} s") from error
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            said = errors[0][:SAID_MAX] if errors else f"exit code {done.returncode}"
            raise PrefilterError(f"clang does not compile the XDP prefilter: {said}")
        return section(target.read_bytes())


def section(data: bytes) -> Code:
    """The program in an object file: ELF, 64 bits, little endian. Raises PrefilterError where there is none, or it
    needs a linker."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            raise PrefilterError("clang made no ELF file of 64 bits, little endian")
        (table,) = struct.unpack_from("<Q", data, 0x28)
        entry, count, names_at = struct.unpack_from("<HHH", data, 0x3A)
        headers = [struct.unpack_from("<IIQQQQII", data, table + entry * number) for number in range(count)]
        names = headers[names_at]
        found: dict[bytes, bytes] = {}
        for name, _, _, _, offset, size, _, _ in headers:
            start = names[4] + name
            found[data[start : data.index(b"\0", start)]] = data[offset : offset + size]
    except (struct.error, IndexError, ValueError) as error:
        raise PrefilterError("clang made a damaged object file") from error
    if not found.get(SECTION) or len(found[SECTION]) % INSTRUCTION.size:
        raise PrefilterError(f"the object file has no section {SECTION.decode()} of instructions")
    if b".rel" + SECTION in found:
        raise PrefilterError("the prefilter calls functions that are not there")
    return Code(found[SECTION])
