"""The generators write what they say, the same for the same seed, and refuse what they cannot do."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = ("make_readings.py", "make_orders.py")


def make(script: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS)
def test_same_seed_gives_the_same_bytes_and_another_seed_others(examples: Path, script: str) -> None:
    one, again, other = (make(examples / script, "--count", "500", "--seed", s).stdout for s in ("3", "3", "4"))
    assert one == again
    assert one != other
    assert len(one) == len(other)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--count", "0"), "--count must be 1 to 10000000, not 0"),
        (("--count", "10000001"), "--count must be 1 to 10000000, not 10000001"),
        (("--seed", "-1"), "--seed must not be negative, not -1"),
        (("-o", "/nowhere/file"), "/nowhere/file: No such file or directory"),
    ],
)
def test_bad_arguments_are_named(examples: Path, script: str, arguments: tuple[str, str], says: str) -> None:
    done = make(examples / script, *arguments)
    assert done.returncode != 0
    assert done.stderr.decode().rstrip().endswith(says)


def internet_checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def test_readings_are_valid_frames_with_the_time_of_the_reading(examples: Path, tmp_path: Path) -> None:
    path = tmp_path / "readings.pcap"
    # More than one piece of the writer.
    assert make(examples / "make_readings.py", "--count", "70000", "-o", str(path)).returncode == 0
    data = path.read_bytes()
    assert struct.unpack_from("<IHHiIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    assert len(data) == 24 + 70000 * (16 + 14 + 20 + 8 + 64)
    for at in (*range(24, 24 + 122 * 300, 122), len(data) - 122):
        seconds, nanoseconds, captured, wire = struct.unpack_from("<IIII", data, at)
        frame = data[at + 16 : at + 122]
        assert captured == wire == len(frame)
        ip, udp = frame[14:34], frame[34:]
        assert internet_checksum(ip) == 0
        assert internet_checksum(ip[12:] + struct.pack(">HH", 17, len(udp)) + udp) == 0
        assert struct.unpack_from(">HH", udp, 2) == (9400, 72)
        assert struct.unpack_from("<Q", udp, 8)[0] == seconds * 10**9 + nanoseconds
        assert not any(udp[8 + 37 :])


def test_orders_refer_to_an_order_added_before_with_its_price_and_stock(generator: Callable[[str], Any]) -> None:
    orders = generator("make_orders.py")["records"](5000, 11)
    added: dict[int, tuple[Any, ...]] = {}
    for kind, ref, px, qty, stock, zero in orders.tolist():
        assert not any(zero)
        if kind == b"A":
            assert ref not in added
            added[ref] = (px, qty, stock)
        else:
            assert added[ref] == (px, qty, stock)
    assert {k: int(np.sum(orders["kind"] == k)) > 500 for k in (b"A", b"E", b"X")} == {
        b"A": True,
        b"E": True,
        b"X": True,
    }
