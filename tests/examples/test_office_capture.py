"""The capture holds what its script says it recorded; read here with a parser of a few lines that shares no code."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

CLAIMED = {
    "arp": 4, "tag": 30, "two tags": 30, "icmp": 30, "icmpv6": 30, "neighbour discovery": 10, "ip options": 8,
    "hop-by-hop": 10, "fragment 4": 20, "fragment 6": 10, "tcp 4": 200, "tcp 6": 80, "udp 4": 200, "udp 6": 6,
    "GET": 5, "ClientHello": 3, "dns over udp": 10, "dns over tcp": 10, "AAAA asked": 2, "NXDOMAIN": 2, "ssh": 4,
    "reading": 200, "time exceeded": 2, "too big 4": 1, "too big 6": 1, "port unreachable": 1, "reset": 10,
}  # fmt: skip
"""Kinds of traffic, and how many frames of each there are at least."""


def frames(path: Path) -> list[bytes]:
    data = path.read_bytes()
    assert struct.unpack_from("<I2xH", data)[0] == 0xA1B23C4D, "not a little-endian nanosecond pcap"
    assert struct.unpack_from("<I", data, 20) == (1,), "not Ethernet"
    out, at = [], 24
    while at < len(data):
        _, nanoseconds, captured, wire = struct.unpack_from("<IIII", data, at)
        assert nanoseconds < 10**9
        assert captured == wire, "a frame was cut"
        out.append(data[at + 16 : at + 16 + captured])
        at += 16 + captured
    return out


def kinds(frame: bytes) -> set[str]:
    out, at = set[str](), 12
    while frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        out.add("two tags" if "tag" in out else "tag")
        at += 4
    ethertype, base = frame[at : at + 2], at + 2
    if ethertype == b"\x08\x06":
        return out | {"arp"}
    if ethertype == b"\x08\x00":
        version, protocol, l4 = "4", frame[base + 9], base + 4 * (frame[base] & 15)
        offset = struct.unpack_from(">H", frame, base + 6)[0]
        end = base + struct.unpack_from(">H", frame, base + 2)[0]
        if offset & 0x3FFF:
            out.add("fragment 4")
        if l4 > base + 20:
            out.add("ip options")
        if offset & 0x1FFF:
            return out
    else:
        assert ethertype == b"\x86\xdd"
        version, protocol, l4 = "6", frame[base + 6], base + 40
        end = l4 + struct.unpack_from(">H", frame, base + 4)[0]
        if protocol == 0:
            out.add("hop-by-hop")
            protocol, l4 = frame[l4], l4 + 8 + 8 * frame[l4 + 1]
        if protocol == 44:
            out.add("fragment 6")
            if struct.unpack_from(">H", frame, l4 + 2)[0] & ~7:
                return out
            protocol, l4 = frame[l4], l4 + 8
    return out | transport(version, protocol, frame[l4:end])


def transport(version: str, protocol: int, data: bytes) -> set[str]:
    if protocol in (1, 58):
        errors = {(1, 11): "time exceeded", (1, 3): "port unreachable", (58, 2): "too big 6"}
        out = {"icmp" if protocol == 1 else "icmpv6", errors.get((protocol, data[0]), "")}
        if (protocol, data[0], data[1]) == (1, 3, 4):
            out = {"icmp", "too big 4"}
        if protocol == 58 and data[0] in (135, 136):
            out.add("neighbour discovery")
        return out - {""}
    ports = struct.unpack_from(">HH", data)
    if protocol == 17:
        out, payload = {f"udp {version}"}, data[8:]
        if 53 in ports:
            out.add("dns over udp")
            if payload[3] & 15 == 3:
                out.add("NXDOMAIN")
            if not payload[2] & 0x80 and payload[12:].split(b"\0", 1)[1][:2] == b"\0\x1c":
                out.add("AAAA asked")
        if ports[1] == 9400 and len(payload) == 64:
            out.add("reading")
        return out
    assert protocol == 6
    out, payload = {f"tcp {version}"}, data[data[12] >> 4 << 2 :]
    if 53 in ports:
        out.add("dns over tcp")
    if data[13] & 4:
        out.add("reset")
    if payload.startswith(b"GET /"):
        out.add("GET")
    if 22 in ports and payload.startswith(b"SSH-2.0"):
        out.add("ssh")
    if payload[:1] == b"\x16" and payload[5:6] == b"\x01":
        out.add("ClientHello")
    return out


def test_holds_every_kind_of_traffic_that_it_claims(office: Path) -> None:
    found = Counter(kind for frame in frames(office) for kind in kinds(frame))
    assert {kind: found[kind] for kind, least in CLAIMED.items() if found[kind] < least} == {}


def test_is_at_most_a_mebibyte_and_its_frames_could_be_on_a_wire(office: Path) -> None:
    assert office.stat().st_size <= 1 << 20
    assert max(map(len, frames(office))) <= 14 + 8 + 1500


def test_names_no_address_that_belongs_to_somebody(office: Path) -> None:
    allowed = (b"\xc6\x33\x64", b"\xcb\x00\x71", b"\x0a\x42\x06")
    for frame in frames(office):
        assert frame[6] & 2, "a source MAC that is not locally administered"
        if frame[12:14] == b"\x08\x00":
            assert frame[26:29] in allowed
            assert frame[30:33] in allowed
        if frame[12:14] == b"\x86\xdd":
            assert frame[22:26] == b"\x20\x01\x0d\xb8" or frame[22:24] in (b"\xfe\x80", b"\0\0")


def test_recording_script_is_sound_shell(examples: Path) -> None:
    script = examples / "capture" / "record.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed: record.sh was only parsed")
    done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_recording_script_says_that_it_needs_root(examples: Path, tmp_path: Path) -> None:
    # A program called id that answers as an ordinary user's would.
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    script = examples / "capture" / "record.sh"
    done = subprocess.run(
        ["bash", str(script)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "record.sh: needs root to make network namespaces; run it with sudo\n"
