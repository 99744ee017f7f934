"""Maps, programs and links of the kernel's BPF machine, as objects that are closed.

One idea: everything is a file descriptor, and the kernel lets go of it when the last one is closed: a program leaves
its interface with the link, also when the process is killed. The six calls are in ``csrc/bpf.c``
(docs/decisions/0012-xdp-programs-are-loaded-by-system-calls.md).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sevenm.host.native import native

LOG_BYTES = 1 << 20
LOG_LINES = 3
"""Lines at the end of the verifier's log that a message quotes."""
INSTRUCTION = struct.Struct("<BBhi")
"""Code, registers (destination, then source in the high half), offset, immediate."""
LD_IMM64, PSEUDO_MAP = 0x18, 1
POSSIBLE = Path("/sys/devices/system/cpu/possible")


class BpfError(OSError):
    """The kernel refused; ``errno`` and the message say why."""


def checked(done: int, what: str, hint: str = "") -> int:
    """The result of a call. Raises BpfError if it is -errno."""
    if done < 0:
        raise BpfError(-done, f"{what}: {os.strerror(-done).lower()}{hint}")
    return done


@dataclass(frozen=True, slots=True)
class Code:
    """Instructions of 8 bytes, in which the immediate of a map's address is the map's number."""

    instructions: bytes

    def on(self, maps: Sequence[Map]) -> bytes:
        """With the descriptors of these maps. Raises ValueError for a number that none of them has."""
        out = bytearray(self.instructions)
        at = 0
        while at < len(out):
            code, registers, offset, immediate = INSTRUCTION.unpack_from(out, at)
            if code == LD_IMM64 and registers >> 4 == PSEUDO_MAP:
                if not 0 <= immediate < len(maps):
                    raise ValueError(f"instruction {at // 8} names map {immediate} of {len(maps)}")
                INSTRUCTION.pack_into(out, at, code, registers, offset, maps[immediate].fd)
            at += 16 if code == LD_IMM64 else 8
        return bytes(out)


class Descriptor:
    """A file descriptor that is closed once."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Map(Descriptor):
    """``kind``: BPF_MAP_TYPE_…; keys are numbers below ``entries``, values ``size`` bytes."""

    def __init__(self, kind: str, size: int, entries: int = 1) -> None:
        self._ffi, self._lib = native()
        self._key = self._ffi.new("uint32_t *")
        values = possible_cpus() if kind == "BPF_MAP_TYPE_PERCPU_ARRAY" else 1
        self._value = self._ffi.new("uint64_t[]", -(-size // 8) * values)
        super().__init__(checked(self._lib.sm_bpf_map(getattr(self._lib, kind), 4, size, entries), "making a BPF map"))

    def put(self, key: int, value: bytes) -> None:
        """Sets one value. Raises BpfError."""
        self._key[0] = key
        checked(self._lib.sm_bpf_put(self.fd, self._key, self._ffi.from_buffer(value)), "writing a BPF map")

    def get(self, key: int) -> bytes:
        """One value; of a per-CPU map those of all CPUs, one after the other."""
        self._key[0] = key
        checked(self._lib.sm_bpf_get(self.fd, self._key, self._value), "reading a BPF map")
        return bytes(self._ffi.buffer(self._value))


class Program(Descriptor):
    """A verified program. ``several``: it is run on frames of several buffers, too, of which its context has the first
    (Linux 5.18). Raises BpfError with the end of the verifier's log."""

    def __init__(self, code: Code, maps: Sequence[Map], several: bool = False) -> None:
        self._ffi, self._lib = native()
        text = code.on(maps)
        log = self._ffi.new("char[]", LOG_BYTES)
        done = self._lib.sm_bpf_load(self._ffi.from_buffer(text), len(text) // 8, several, log, LOG_BYTES)
        lines = self._ffi.string(log).decode(errors="replace").strip().splitlines()
        said = "; ".join(line.strip() for line in lines[-LOG_LINES:])
        super().__init__(checked(done, "the kernel refuses the XDP program", f": {said}" if said else ""))

    def run(self, data: bytes, queue: int = 0) -> int:
        """What it says of a frame of at least 14 bytes: XDP_DROP, XDP_PASS or XDP_REDIRECT of the C runtime."""
        verdict = self._ffi.new("uint32_t *")
        done = self._lib.sm_bpf_run(self.fd, self._ffi.from_buffer(data), len(data), queue, verdict)
        checked(done, "running an XDP program")
        return int(verdict[0])


class Link(Descriptor):
    """A program at an interface, until it is closed. Raises BpfError."""

    def __init__(self, program: Program, ifindex: int, flags: int) -> None:
        _, self._lib = native()
        super().__init__(checked(self._lib.sm_bpf_attach(program.fd, ifindex, flags), "attaching an XDP program"))

    def replace(self, program: Program) -> None:
        """Another program from the next packet on, none goes by without one. Raises BpfError."""
        checked(self._lib.sm_bpf_replace(self.fd, program.fd), "exchanging the XDP program")


def possible_cpus() -> int:
    """CPUs that the kernel keeps per-CPU values for."""
    last = POSSIBLE.read_text().strip().split(",")[-1].split("-")[-1]
    return int(last) + 1
