"""What the host's tests share: an engine written by hand, bundles around it, captures, C programs under sanitizers."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sevenm import boundary
from sevenm.host.bundle import Bundle
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.host.native import NativeMissing, native
from tests.conftest import SOAK
from tests.host.objects import CSRC, ROOT, compiled

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
const struct sm_info sm_info = {{SM_ABI, N_RULES, N_RULES, 0, 0, 0, SM_LEVEL_PLAIN, 0, "DIGEST"}};
"""


DRIVERS = ROOT / "tests" / "host" / "csrc"
SANITIZERS = {"thread": "thread", "memory-and-undefined": "address,undefined"}
OPTIONS = {
    "TSAN_OPTIONS": "halt_on_error=1 exitcode=66",
    "ASAN_OPTIONS": "halt_on_error=1 exitcode=66 detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1 print_stacktrace=1",
}
SEED = 88172645463325252
RUN_S = 7200 if SOAK else 300
"""A driver that takes longer hangs."""
Driver = Callable[..., "subprocess.CompletedProcess[str]"]
Build = Callable[..., Driver]


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
    base = {"block": 0, "deliver": [], "count": [], "forward": 0, "computed": False, "drop": False, "default": False}
    return {"name": name, **base, "line": 1, **actions}


@pytest.fixture
def manifest() -> dict[str, Any]:
    """A manifest that is right, to be changed."""
    return {
        "format": 3,
        "name": "edge",
        "version": "0.1.0",
        "structure": "ab" * 32,
        "content": hashlib.sha256(b"[]").hexdigest(),
        "digest": "cd" * 32,
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
        "tables": [],
        "states": [],
        "files": {},
        "refused": {},
        "classifier": "auto",
        "core": None,
    }


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Bundle]:
    """Writes a manifest with an engine as a bundle, and opens it."""

    def make(manifest: dict[str, Any], source: str = ENGINE_C) -> Bundle:
        folder = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
        folder.mkdir()
        text = source.replace("N_RULES", str(len(manifest["rules"]))).replace("DIGEST", manifest["structure"])
        (folder / "engine.c").write_text(text)
        (folder / "rows.json").write_text("[]")
        files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("engine.c", "rows.json")}
        (folder / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
        return Bundle.open(folder)

    return make


Packet = tuple[int, int, bytes]
"""Timestamp in ns, length on the wire, captured bytes."""


@pytest.fixture
def bundle(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> Bundle:
    """Rule dns, bit 1 of the first byte, delivers to both channels: `traffic` and `names`."""
    return make_bundle(manifest)


@pytest.fixture
def engine(bundle: Bundle) -> CompiledEngine:
    return load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))


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


@pytest.fixture
def faulty(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """``faulty("loop.c", good, bad)``: the C runtime's sources with one fault, which is written once in that file."""

    def make(name: str, good: str, bad: str) -> Path:
        csrc: Path = shutil.copytree(CSRC, tmp_path / "csrc")
        text = (csrc / name).read_text()
        assert text.count(good) == 1
        (csrc / name).write_text(text.replace(good, bad))
        return csrc

    return make


@pytest.fixture(scope="session")
def build_driver(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build_driver("ring_threads.c", "gcc", "thread")(arguments)`` runs a program over the C runtime, sanitized.

    The sanitizer may be None. ``csrc``: another folder of its sources. ``parts``: those it needs, as patterns.
    ``flags``: for the compiler. Skips where the sanitizer is absent.
    """

    def build(
        source: str,
        compiler: str,
        kind: str | None,
        csrc: Path = CSRC,
        flags: Sequence[str] = (),
        parts: str = "ring*.c",
    ) -> Driver:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        folder = tmp_path_factory.mktemp("driver")
        command = [compiler, "-std=c11", "-O1", "-g", "-D_GNU_SOURCE"]
        if kind is not None:
            command += [f"-fsanitize={SANITIZERS[kind]}", "-fno-sanitize-recover=all"]
        (folder / "empty.c").write_text("int main(void) { return 0; }\n")
        if subprocess.run(
            [*command, "-o", "empty", "empty.c"], cwd=folder, capture_output=True, check=False
        ).returncode:
            pytest.skip(f"{compiler} has no runtime of its {kind} sanitizer (Debian: libclang-rt-dev)")
        command += flags
        sources = [DRIVERS / source, *(path for part in parts.split() for path in sorted(csrc.glob(part)))]
        objects = [compiled(command, one, csrc) for one in sources]
        program = folder / "driver"
        done = subprocess.run(
            [*command, "-o", program, *objects, "-lpthread"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            # The thread sanitizer of older compilers cannot place its shadow under this kernel's address randomisation.
            fixed = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
            return subprocess.run(
                [*fixed, program, *map(str, arguments)], capture_output=True, text=True, timeout=RUN_S,
                env=os.environ | OPTIONS, check=False,
            )  # fmt: skip

        return run

    return build


@pytest.fixture
def make_fuzzer(build_driver: Build, tmp_path: Path) -> Build:
    """``make_fuzzer("fuzz_udp.c", "seeded", parts="ingress_live.c")(rounds)`` runs a driver that has ``fuzz_one``
    (``fuzz.h``), under the address and undefined-behaviour sanitizers, on inputs made at random (``seeded``), or made
    by clang, led by coverage (``libFuzzer``)."""

    def make(source: str, inputs: str, csrc: Path = CSRC, parts: str = "ring*.c", flags: Sequence[str] = ()) -> Driver:
        kind = "memory-and-undefined"
        if inputs == "seeded":
            compiler = "gcc" if shutil.which("gcc") else "clang"
            run = build_driver(source, compiler, kind, csrc, ["-Wall", "-Wextra", "-Werror", *flags], parts)
            return lambda rounds: run(rounds, SEED)
        probe = tmp_path / "probe.c"
        probe.write_text("int LLVMFuzzerTestOneInput(void *data, long size) { return data && size < 0; }\n")
        command = ["clang", "-fsanitize=fuzzer,address", "-o", str(tmp_path / "probe"), str(probe)]
        if shutil.which("clang") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("clang has no libFuzzer (Debian: apt install libclang-rt-14-dev)")
        run = build_driver(source, "clang", kind, csrc, ["-DLIBFUZZER", "-fsanitize=fuzzer", *flags], parts)
        words = (f"-seed={SEED & 0x7FFFFFFF}", "-max_len=4096", "-len_control=0", "-verbosity=0")
        return lambda rounds: run(f"-runs={rounds}", *words)

    return make
