"""The writer of libsevenm: drivers in C and C++ under sanitizers, what they find, and the examples from end to end."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from sevenm import boundary
from sevenm.cli.sources import compile_file
from sevenm.host.ring import Ring, RingAbsent, RingReader

ROOT = Path(__file__).resolve().parents[2]
LIB, CSRC, DRIVERS = ROOT / "host" / "lib", ROOT / "host" / "csrc", ROOT / "tests" / "host" / "csrc"
RULES = ROOT / "examples" / "sensors.7m"
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
LONG = ["-DSM_SPINS=1", "-DSM_SLICE_US=60000000"]
"""Nobody spins, and nothing but the other side ends a sleep."""
N = 20_000
Run = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = [pytest.mark.needs("compiler"), pytest.mark.needs("g++")]


def make(command: Sequence[object], folder: Path, warnings: bool = True) -> None:
    done = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr if warnings else "") == (0, ""), done.stderr


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Run]:
    """``build("lib_publish.c", "gcc", ["-fsanitize=thread"])(arguments)`` runs a driver over the library's sources."""

    def of(driver: str, compiler: str, flags: Sequence[str] = (), lib: Path = LIB) -> Run:
        plus = {"gcc": "g++", "clang": "clang++"}[compiler]
        if shutil.which(compiler) is None or shutil.which(plus) is None:
            pytest.skip(f"{compiler} is not installed")
        boundary.write_header(tmp_path)
        (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
        if subprocess.run([compiler, *flags, "empty.c"], cwd=tmp_path, capture_output=True, check=False).returncode:
            pytest.skip(f"{compiler} has no runtime of its sanitizer (Debian: libclang-rt-dev)")
        common = ["-O1", "-g", *flags, f"-I{lib}", f"-I{DRIVERS}"]
        sources = [*sorted(lib.glob("*.c")), *sorted(CSRC.glob("ring*.c"))]
        # gcc's thread sanitizer warns of fences, which those of the library are not about.
        strict = [*WARNINGS, *(["-Wno-tsan"] if compiler == "gcc" else [])]
        own = [compiler, "-std=c11", "-D_GNU_SOURCE", *common, f"-I{CSRC}", f"-I{tmp_path}"]
        objects = []
        for source in sources:
            objects.append(tmp_path / f"{source.stem}.o")
            make([*own, "-c", source, "-o", objects[-1]], tmp_path, warnings=False)
        language = [plus, "-std=c++17"] if driver.endswith(".cpp") else [compiler, "-std=c11", "-D_GNU_SOURCE"]
        if driver.endswith(".c"):
            language += ["-Wno-sign-conversion", f"-I{CSRC}", f"-I{tmp_path}"]
        make([*language, *common, *strict, "-o", "driver", DRIVERS / driver, *objects, "-lpthread"], tmp_path)

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            # The thread sanitizer of older compilers cannot place its shadow under this kernel's address randomisation.
            fixed = ["setarch", platform.machine(), "-R"] if shutil.which("setarch") else []
            options = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66", "ASAN_OPTIONS": "exitcode=66 detect_leaks=1"}
            return subprocess.run(
                [*fixed, tmp_path / "driver", *map(str, arguments)], capture_output=True, text=True, timeout=300,
                env=os.environ | options, check=False,
            )  # fmt: skip

        return run

    return of


CHECKED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


BUILDS = pytest.mark.parametrize(
    ("compiler", "flags"), [("gcc", CHECKED), ("clang", CHECKED), ("clang", [])], ids=["gcc", "clang", "clang-plain"]
)


@BUILDS
def test_every_event_is_delivered_or_counted_and_misuse_is_an_error(
    build: Callable[..., Run], ring: str, compiler: str, flags: list[str], soak: bool
) -> None:
    run = build("lib_publish.c", compiler, flags)
    done = run(ring, 100_000 if soak else 2000, 88172645463325252, 50_000)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "1000 turns and 50000 events\n")


@BUILDS
def test_the_classes_deliver_every_event_and_throw(
    build: Callable[..., Run], ring: str, compiler: str, flags: list[str]
) -> None:
    done = build("lib_events.cpp", compiler, flags)(ring, 20_000)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "40000 events\n")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_race_in_the_inline_calls(build: Callable[..., Run], ring: str, compiler: str) -> None:
    done = build("lib_publish.c", compiler, ["-fsanitize=thread"])(ring, 0, 1, 50_000)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_sleeper_is_left_asleep(build: Callable[..., Run], ring: str) -> None:
    done = build("lib_publish.c", "gcc" if shutil.which("gcc") else "clang", LONG)(ring, 0, 1, 50_000)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("good", "bad", "flags", "steps", "code", "said"),
    [
        ("__ATOMIC_RELEASE", "__ATOMIC_RELAXED", ["-fsanitize=thread"], 0, 66, "ThreadSanitizer: data race"),
        (" sevenm_wake(writer);\n", " (void)0;\n", LONG, 0, 2, "lib_publish.c:"),
        ("i >= writer->reserved", "i > writer->reserved", [], 10, 2, "!sevenm_event(writer, 0, 0, 1)"),
        ("writer->first += n;\n", "", [], 2000, 2, "lib_publish.c:"),
        ("writer->end - writer->next >= n", "writer->end - writer->next + 1 >= n", [], 2000, 2, "lib_publish.c:"),
    ],
)
def test_the_driver_finds_faults(
    build: Callable[..., Run], ring: str, tmp_path: Path, good: str, bad: str, flags: list[str], steps: int, code: int,
    said: str,
) -> None:  # fmt: skip
    lib = shutil.copytree(LIB, tmp_path / "lib")
    text = (lib / "sevenm.h").read_text()
    assert text.count(good) == 1
    (lib / "sevenm.h").write_text(text.replace(good, bad))
    done = build("lib_publish.c", "gcc" if shutil.which("gcc") else "clang", flags, lib)(ring, steps, 7, 50_000)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is installed, with both publishers and the header of what they publish beside it."""
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    prefix = tmp_path_factory.mktemp("prefix")
    make([ROOT / "host/lib/install", prefix], ROOT)
    sevenm = [sys.executable, "-m", "sevenm.cli.main"]
    with (prefix / "sample.h").open("w") as header:
        subprocess.run([*sevenm, "layout", RULES, "--c"], stdout=header, check=True, cwd=ROOT)
    env = os.environ | {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "sevenm"], env=env, capture_output=True, text=True, check=True
    ).stdout.split()
    for source, language in (("publisher.c", ["cc", "-std=c99"]), ("publisher.cpp", ["c++", "-std=c++17"])):
        program = prefix / source.replace(".", "-")
        make([*language, *WARNINGS, f"-I{prefix}", "-o", program, ROOT / "examples" / source, *flags], prefix)
    make(["cc", "-o", prefix / "subscriber", ROOT / "examples" / "subscriber.c", *flags], prefix)
    return prefix


@pytest.fixture(params=["publisher-c", "publisher-cpp"])
def start(request: pytest.FixtureRequest, prefix: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts one of the publishers, or another program."""

    def of(*arguments: object, program: object = None) -> subprocess.Popen[str]:
        env = os.environ | {"LD_LIBRARY_PATH": str(prefix / "lib"), "NO_COLOR": "1"}
        command = [prefix / request.param if program is None else program, *map(str, arguments)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=env, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)

    return of


def fired(count: int) -> dict[str, int]:
    """Events by rule of examples/sensors.7m, by the publishers' own arithmetic."""
    number = np.arange(count)
    temp, fault = number * 37 % 10000, number % 100 == 99
    hot, cold = ~fault & (temp > 8000), ~fault & (temp < 2000)
    counts = {"hot": hot.sum(), "cold": cold.sum(), "fault": fault.sum(), "default": (~hot & ~cold & ~fault).sum()}
    return {name: int(n) for name, n in counts.items()}


def wait_for(ring: str) -> None:
    for _ in range(600):
        with suppress(RingAbsent):
            if Ring.stats(ring).producer_pid is not None:
                return
        time.sleep(0.02)
    pytest.fail(f"the publisher made no ring {ring} within 12 s")


def test_every_event_goes_through_rules(start: Callable[..., subprocess.Popen[str]], ring: str) -> None:
    publisher = start(ring, N, "block", 60)
    wait_for(ring)
    run = start("-m", "sevenm.cli.main", "run", RULES, "-i", f"ring:{ring}", "--json", program=sys.executable)
    out, error = run.communicate(timeout=120)
    assert publisher.communicate(timeout=60) == (f"(default): {N} delivered, 0 undelivered\n", "")
    assert (run.returncode, publisher.returncode) == (0, 0), error
    report = json.loads(out)
    assert report["events"] == report["ingress"]["received"] == N
    assert {rule["name"]: rule["events"] for rule in report["rules"]} == fired(N)
    assert (report["malformed"], report["truncated"], report["ingress"]["undelivered"]) == (0, 0, 0)


def test_every_event_arrives_at_both_subscribers(
    start: Callable[..., subprocess.Popen[str]], ring: str, prefix: Path
) -> None:
    """One reads with libsevenm beside the default one, which is `sevenm subscribe`."""
    publisher = start(ring, N, "block", 60)
    wait_for(ring)
    beside = start(ring, "beside", "block", program=prefix / "subscriber")
    arguments = ["subscribe", ring, "--rules", RULES, "--format", "csv", "--field", "sensor", "--field", "seq"]
    subscriber = start("-m", "sevenm.cli.main", *arguments, program=sys.executable)
    assert publisher.communicate(timeout=60) == (
        f"(default): {N} delivered, 0 undelivered\nbeside: {N} delivered, 0 undelivered\n",
        "",
    )
    out, error = subscriber.communicate(timeout=60)
    assert (subscriber.returncode, publisher.returncode) == (0, 0), error
    assert beside.communicate(timeout=60) == (f"first: seq 0, rule 0, 64 bytes\n{N} received\n", "")
    rows = [line.split(",") for line in out.splitlines()[1:]]
    assert [(int(row[-2]), int(row[-1])) for row in rows] == [(n % 16, n // 16) for n in range(N)]


def test_the_ring_says_what_it_carries_and_what_had_no_room(
    start: Callable[..., subprocess.Popen[str]], ring: str
) -> None:
    publisher = start(ring, 70_000)
    assert publisher.communicate(timeout=60) == ("(default): 65536 delivered, 4464 undelivered\n", "")
    layout = compile_file(str(RULES)).plan.layouts[0]
    stats = Ring.stats(ring)
    assert (stats.layout_hash, stats.closed, stats.undelivered["full"]) == (layout.hash, True, 4464)
    with RingReader.attach(ring, layout_hash=layout.hash) as reader:
        records = reader.read(100)
        assert records["seq"].tolist() == list(range(100))
        assert set(records["cap_len"]) == set(records["wire_len"]) == {layout.size}


def test_what_cannot_be_is_said(start: Callable[..., subprocess.Popen[str]], ring: str) -> None:
    for arguments, code, text in (
        (("a/b",), 3, 'a ring\'s name must be 1 to 100 of A-Z a-z 0-9 . _ -, not "a/b"\n'),
        ((ring, 1, "drop"), 3, "policy must be one of drop_newest, block, drop_oldest, not drop\n"),
        ((ring, 1, "block", 0), 3, f"nobody subscribed to ring {ring}\n"),
        ((), 2, "usage: "),
    ):
        publisher = start(*arguments)
        out, error = publisher.communicate(timeout=60)
        assert (publisher.returncode, out, error.startswith(text)) == (code, "", True), error
