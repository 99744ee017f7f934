"""Interfaces in a network namespace of our own, frames to send, and rules to run on what arrives."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.bundle import Bundle
from sevenm.host.capture.pcap import open_capture

CLONE_NEWNET = 0x40000000
OFFICE = Path(__file__).resolve().parents[3] / "examples" / "capture" / "office.pcap"
RULES = """
rules office on packet first {
  rule web: tcp.dstport in {80, 443} => deliver web, count web
  rule dns: udp.dstport == 53        => deliver dns
  rule tag: vlan.id == 7             => count tagged
  rule arp: arp                      => drop
  default => count rest
}
"""
Send = Callable[[list[bytes]], None]
Ip = Callable[..., str]


def libc(call: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), call)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)


@pytest.fixture
def namespace() -> Iterator[None]:
    """This thread, and processes that it starts, are in an empty network namespace, which ends with the test."""
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc("unshare", CLONE_NEWNET)
    try:
        yield
    finally:
        libc("setns", before, CLONE_NEWNET)
        os.close(before)


@pytest.fixture
def ip(namespace: None) -> Ip:
    """``ip("link set lo up")``, in the namespace."""

    def run(arguments: str) -> str:
        done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {arguments}: {done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def veth(ip: Ip) -> tuple[str, str]:
    """Two interfaces with a wire between them, which carries nothing but what a test sends."""
    ip("link add live0 type veth peer name live1")
    for name in ("live0", "live1"):
        # No neighbour discovery, no multicast listener reports.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip(f"link set {name} up")
    return "live0", "live1"


@pytest.fixture
def send(veth: tuple[str, str]) -> Iterator[Send]:
    """Sends frames into the second interface, for the first one to receive."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        sender.bind((veth[1], 0))

        def out(frames: list[bytes]) -> None:
            for frame in frames:
                sender.send(frame)

        yield out


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def engine_cache(engines: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One cache for all of these tests, because they compile the same rules."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(engines))
    return engines / "sevenm"


@pytest.fixture(scope="session")
def frames() -> list[bytes]:
    """Real traffic."""
    with open_capture(OFFICE) as reader:
        return [batch.data(i) for batch in reader.batches() for i in range(len(batch))]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(write_bundle(compile_text(RULES, "office").plan, tmp_path / "office", gateware=False))
