"""Indexing, delivery and writing in C, on damaged captures, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import SEED


def pcap(count: int) -> bytes:
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for i in range(count):
        out += [struct.pack("<IIII", i, i, i % 97, i % 97), bytes([i % 256]) * (i % 97)]
    return b"".join(out)


def pcapng(count: int) -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    out = [block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), block(1, struct.pack("<HHI", 1, 0, 0))]
    for i in range(count):
        data = bytes([i % 256]) * (i % 97)
        out.append(
            [
                block(6, struct.pack("<IIIII", 0, i, i, len(data), len(data)) + data),
                block(2, struct.pack("<HHIIII", 0, 0, i, i, len(data), len(data)) + data),
                block(3, struct.pack("<I", len(data)) + data),
            ][i % 3]
        )
    return b"".join(out)


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("moves", [[], ["-DSM_PORTABLE"]], ids=["wide", "portable"])
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects_to_damaged_captures(
    build_driver: Callable[..., Any], compiler: str, moves: list[str], tmp_path: Path, soak: bool
) -> None:
    flags = ["-Wall", "-Wextra", "-Werror", *moves]
    run = build_driver("ingress_deliver.c", compiler, "memory-and-undefined", flags=flags, parts="*.c")
    (tmp_path / "a.pcap").write_bytes(pcap(400))
    (tmp_path / "b.pcapng").write_bytes(pcapng(400))
    ring = f"test-ingress-{os.getpid()}-{compiler}"
    done = run(ring, 20000 if soak else 150, 88172645463325252, tmp_path / "a.pcap", tmp_path / "b.pcapng")
    Path(f"/dev/shm/sevenm.{ring}").unlink(missing_ok=True)
    assert (done.returncode, done.stderr) == (0, "")
    events, errors = (int(word) for word in done.stdout.replace(",", "").split() if word.isdigit())
    assert events > 5_000 and errors > 20, done.stdout


FAULTS = {
    "a pcap header past the end": "end - at < 16",
    "a packet past the end": "end - at - 16 < cap_len",
    "a block past the end": "end - at < total",
    "a packet past its block": "cap_len > total - overhead",
    "an interface that there is not": "number >= n_interfaces",
}


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_check_is_found_out(
    fault: str, build_driver: Callable[..., Any], faulty: Callable[..., Path], tmp_path: Path, ring: str
) -> None:
    csrc = faulty("index.c", f"if ({FAULTS[fault]}) {{", "if (0) {")
    compiler = "gcc" if shutil.which("gcc") else "clang"
    run = build_driver("ingress_deliver.c", compiler, "memory-and-undefined", csrc, parts="*.c")
    (tmp_path / "a.pcap").write_bytes(pcap(4))
    (tmp_path / "b.pcapng").write_bytes(pcapng(3))
    done = run(ring, 6000, SEED, tmp_path / "a.pcap", tmp_path / "b.pcapng")
    assert done.returncode in (2, 66) or "runtime error" in done.stderr, done.stdout
