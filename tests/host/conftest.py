"""What the host's tests share: a small engine written by hand, bundles around it, and captures built by hand."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sevenm import boundary
from sevenm.host.bundle import Bundle
from sevenm.host.native import NativeMissing, native

ENGINE_C = f"""
#include <string.h>
{boundary.c_text()}
{boundary.ENGINE_INTERFACE}
/* Rule r fires on bit r of the event's bytes. No bytes: malformed. Fewer than on the wire: truncated. */
uint64_t sm_match({boundary.MATCH_ARGUMENTS})
{{
    uint64_t start = 0, used = 0;
    (void)context, (void)ports;
    for (; start < n && room - used >= N_RULES; start += 64) {{
        sm_chunk *chunk = chunks + start / 64;
        memset(chunk, 0, sizeof *chunk);
        for (uint32_t r = N_RULES; r-- > 0;) {{
            sm_fired entry = {{0, r, 0}};
            for (uint64_t i = 0; i < 64 && start + i < n; i++) {{
                const sm_event *event = &events[start + i];
                if (event->cap_len > r / 8 && (buffer[event->offset + r / 8] >> r % 8 & 1))
                    entry.events |= UINT64_C(1) << i;
            }}
            if (entry.events) {{
                fired[used++] = entry;
                chunk->fired++;
            }}
        }}
        for (uint64_t i = 0; i < 64 && start + i < n; i++) {{
            chunk->malformed |= (uint64_t)(events[start + i].cap_len == 0) << i;
            chunk->truncated |= (uint64_t)(events[start + i].cap_len < events[start + i].wire_len) << i;
        }}
    }}
    return start < n ? start : n;
}}
const struct sm_info sm_info = {{SM_ABI, N_RULES, N_RULES, 0, "DIGEST"}};
"""


@pytest.fixture(autouse=True)
def engine_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "cache" / "sevenm"


@pytest.fixture
def need_native() -> None:
    """Skips where the C runtime was not built."""
    try:
        native()
    except NativeMissing as error:
        pytest.skip(f"compiler: {error}")


def rule(name: str, **actions: Any) -> dict[str, Any]:
    base = {"block": 0, "deliver": [], "count": [], "forward": 0, "drop": False, "default": False, "line": 1}
    return {"name": name, **base, **actions}


@pytest.fixture
def manifest() -> dict[str, Any]:
    """A manifest that is right, to be changed."""
    return {
        "format": 1,
        "name": "edge",
        "digest": "ab" * 32,
        "version": "0.1.0",
        "source": "packet",
        "record_size": None,
        "reach": 64,
        "rules": [
            rule("web", deliver=[0], count=[0]),
            rule("dns", deliver=[0, 1], count=[0, 1], forward=0b101),
            rule("bad", drop=True, forward=0b10),
        ],
        "blocks": [{"name": "all", "mode": "all", "start": 0, "stop": 3, "layout": None}],
        "channels": ["traffic", "names"],
        "counters": ["seen", "asked"],
        "layouts": [],
        "files": {},
        "core": None,
    }


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Writes a manifest with an engine as a bundle, and opens it."""

    def make(manifest: dict[str, Any], source: str = ENGINE_C) -> Bundle:
        folder = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
        folder.mkdir()
        text = source.replace("N_RULES", str(len(manifest["rules"]))).replace("DIGEST", manifest["digest"])
        (folder / "engine.c").write_text(text)
        files = {"engine.c": hashlib.sha256(text.encode()).hexdigest()}
        (folder / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
        return Bundle.open(folder)

    return make


Packet = tuple[int, int, bytes]
"""Timestamp in ns, length on the wire, captured bytes."""


@pytest.fixture
def make_pcap() -> Callable[..., bytes]:
    """Builds a pcap by hand: ``make_pcap(packets, big=…, nano=…, link=…)``."""

    def make(packets: Sequence[Packet], big: bool = False, nano: bool = False, link: int = 1) -> bytes:
        order = ">" if big else "<"
        magic = 0xA1B23C4D if nano else 0xA1B2C3D4
        out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
        for ts_ns, wire, data in packets:
            fraction = ts_ns % 10**9 // (1 if nano else 1000)
            out += [struct.pack(order + "IIII", ts_ns // 10**9, fraction, len(data), wire), data]
        return b"".join(out)

    return make
