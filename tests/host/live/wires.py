"""Virtual wires for tests of live ingress: one end here, the other in a network namespace that frames are sent from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

SENDER = """
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((sys.argv[1], 0))
frames = [bytes.fromhex(line) for line in sys.stdin.read().split()]
for _ in range(int(sys.argv[2])):
    for frame in frames:
        link.send(frame)
"""
_numbers = count()


def ip(*words: str) -> str:
    """Runs ip(8)."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Wire:
    """``near`` is an interface here, ``far`` one in the namespace ``space``."""

    near: str
    far: str
    space: str

    def run(self, *command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command in the namespace."""
        return subprocess.run(
            ["ip", "netns", "exec", self.space, *command], input=text, capture_output=True, text=True, check=True
        )

    def send(self, frames: list[bytes], times: int = 1) -> None:
        """Every frame goes out, in order."""
        self.run(sys.executable, "-c", SENDER, self.far, str(times), text="\n".join(f.hex() for f in frames))

    def sent(self) -> int:
        """Frames that the far end has sent, by the kernel's count."""
        path = f"/sys/class/net/{self.far}/statistics/tx_packets"
        return int(self.run("cat", path).stdout)


@contextmanager
def wire(*more: str, mtu: int = 1500, both: bool = False) -> Iterator[Wire]:
    """A pair of veth interfaces, both up and silent. ``more``: words for ``ip link add`` about the near end, or about
    ``both``. Skips without the permission to."""
    if os.geteuid() != 0:
        pytest.skip("root: making virtual interfaces needs it")
    number = f"{os.getpid() % 100000}{next(_numbers)}"
    made = Wire(f"xdp{number}a", f"xdp{number}b", f"xdp{number}")
    done = subprocess.run(["ip", "netns", "add", made.space], capture_output=True, text=True, check=False)
    if "not permitted" in done.stderr:
        pytest.skip(f"root: making network namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    try:
        ip("link", "add", made.near, *more, "mtu", str(mtu), "type", "veth", "peer", "name", made.far,
           *(more if both else ()), "mtu", str(mtu), "netns", made.space)  # fmt: skip
        # No router solicitations and the like among what is counted.
        made.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{made.far}/disable_ipv6")
        subprocess.run(["sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{made.near}/disable_ipv6"], check=True)
        ip("-n", made.space, "link", "set", made.far, "up")
        ip("link", "set", made.near, "up")
        yield made
    finally:
        subprocess.run(["ip", "link", "del", made.near], capture_output=True, check=False)
        ip("netns", "del", made.space)
