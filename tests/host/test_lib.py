"""libsevenm: installed under a folder, found by pkg-config, and both examples receive every event."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sevenm.host.ring import POLICIES, Ring, RingWriter

ROOT = Path(__file__).resolve().parents[2]
BUILD = {
    "subscriber.c": ("cc", ["-std=c99", "-Wpedantic"]),
    "subscriber.cpp": ("c++", ["-std=c++17", "-Wpedantic"]),
}
N = 20_000

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.needs("g++")]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    prefix = tmp_path_factory.mktemp("prefix")
    env = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run([ROOT / "host/lib/install", prefix], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return prefix


@pytest.fixture(scope="module")
def programs(prefix: Path) -> dict[str, Path]:
    env = os.environ | {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "sevenm"], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    made = {}
    for source, (compiler, options) in BUILD.items():
        made[source] = prefix / source.replace(".", "-")
        command = [compiler, *options, "-Wall", "-Wextra", "-Werror", "-o", made[source], ROOT / "examples" / source]
        done = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    return made


@pytest.fixture
def name() -> Iterator[str]:
    name = f"test-lib-{uuid.uuid4().hex}"
    yield name
    Path(f"/dev/shm/sevenm.{name}").unlink(missing_ok=True)


def start(prefix: Path, program: Path, *arguments: str) -> subprocess.Popen[str]:
    env = os.environ | {"LD_LIBRARY_PATH": str(prefix / "lib")}
    pipe = subprocess.PIPE
    return subprocess.Popen([program, *arguments], env=env, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("policy", POLICIES)
def test_both_examples_receive_every_event(prefix: Path, programs: dict[str, Path], name: str, policy: str) -> None:
    with RingWriter.create(name, slots=32768, slot_size=96) as writer:
        readers = [start(prefix, program, name, source, policy) for source, program in programs.items()]
        while sum(one.pid is not None for one in writer.stats().subscribers) < 2:
            time.sleep(0.01)
        records = np.zeros(N, writer.dtype)
        records["rule"], records["cap_len"] = 3, 64
        for at in range(0, N, 500):
            writer.write(records[at : at + 500])
    said = [reader.communicate(timeout=60) for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0]
    assert said == [
        (f"first: seq 0, rule 3, 64 bytes\n{N} received\n", ""),
        (f"first: seq 0, rule 3\n{N} received, {N * 64} bytes\n", ""),
    ]
    assert [one.name for one in Ring.stats(name).subscribers] == [""], "they have left"


def test_the_default_subscriber_gets_what_waited(prefix: Path, programs: dict[str, Path], name: str) -> None:
    with RingWriter.create(name, slots=256, slot_size=96) as writer:
        writer.write(np.zeros(100, writer.dtype))
    out, error = start(prefix, programs["subscriber.c"], name).communicate(timeout=60)
    assert (out.splitlines()[-1], error) == ("100 received", "")


@pytest.mark.parametrize("source", BUILD)
def test_errors_are_the_rings(prefix: Path, programs: dict[str, Path], name: str, source: str) -> None:
    for arguments, message in (
        ((name,), f"there is no ring {name} (it is made by its producer, in /dev/shm/sevenm.{name})\n"),
        ((name, "a", "drop"), "policy must be one of drop_newest, block, drop_oldest, not drop\n"),
        ((name, "a/b"), 'a subscriber\'s name must be 1 to 31 of A-Z a-z 0-9 . _ -, not "a/b"\n'),
    ):
        reader = start(prefix, programs[source], *arguments)
        assert (*reader.communicate(timeout=60), reader.returncode) == ("", message, 3)


def test_only_the_interface_is_exported(prefix: Path) -> None:
    done = subprocess.run(
        ["nm", "-D", "--defined-only", prefix / "lib/libsevenm.so"], capture_output=True, text=True, check=True
    )
    names = {line.split()[-1] for line in done.stdout.splitlines()}
    declared = re.findall(r"^SEVENM_API .*?\b(sevenm_\w+)\(", (ROOT / "host/lib/sevenm.h").read_text(), re.M)
    assert names == {*declared}
