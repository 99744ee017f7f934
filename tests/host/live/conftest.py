"""Frames to send, and rules to run on what arrives."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import write_bundle
from sevenm.host.bundle import Bundle
from sevenm.host.capture.pcap import open_capture

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


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Bundle]:
    """The bundle of a rule file's text."""

    def made(text: str) -> Bundle:
        plan = compile_text(text, "flows").plan
        return Bundle.open(write_bundle(plan, tmp_path / plan.digest[:8], gateware=False))

    return made
