"""Objects: machine code made beforehand, of several levels, and what a machine without a compiler makes of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenm.boundary import Level
from sevenm.bundles import open_bundle
from sevenm.compiler.backends.c.classifiers import BIT_VECTORS
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.bundle import write_bundle
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.reference import evaluate
from sevenm.engines import default_engine, open_running
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.devices.device import DeviceError
from sevenm.host.devices.host import HostDevice
from sevenm.host.engine.code import VARIABLE, EngineError
from sevenm.host.engine.code_cache import DIGEST_BYTES, seal
from sevenm.host.engine.objects import LEVELS, build_object, load_level, load_object, object_name
from sevenm.host.engine.toolchain import NoCompiler
from tests.compiler.generated_c import plan_of

HERE = platform.machine()
pytestmark = [
    pytest.mark.needs("compiler"),
    pytest.mark.skipif(HERE not in LEVELS, reason=f"compiler: no objects are built for {HERE}"),
]


SENSORS = Path(__file__).resolve().parents[2] / "examples" / "sensors.7m"
EVENTS = EventBatch.from_bytes([bytes([i % 50, 0, 0, 7, 0, i % 251]) for i in range(300)])


@pytest.fixture(scope="module")
def plan() -> Plan:
    g = Graph()
    address, port = g.load(g.false, 0, 4), g.load(g.false, 4, 2)
    tests = [(g.member(address, [(i << 24, i << 24 | 0xFFFF)]), g.member(port, [(i, 999 * i)])) for i in range(1, 43)]
    return plan_of(g, [g.all(*pair) for pair in tests])


@pytest.fixture(scope="module")
def built(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With an object, whose rules are looked up in tables that are filled when a level is chosen."""
    folder = tmp_path_factory.mktemp("built") / "bundle"
    write_bundle(
        plan,
        folder,
        False,
        classifier=BIT_VECTORS,
        objects=lambda source: {object_name(HERE): build_object(source, HERE)},
    )
    return Bundle.open(folder)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv(VARIABLE, raising=False)
    yield


def levels_here() -> list[Level]:
    """Of an object here, best first; what the kernel says of the processor tells whether they run."""
    if HERE != "x86_64":
        return list(LEVELS[HERE])
    flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
    needs = {
        level: {flag.removeprefix("-m").replace("bmi", "bmi1").replace("bmi12", "bmi2") for flag in with_}
        for level, with_ in LEVELS[HERE].items()
    }
    return [level for level in needs if level is Level.PLAIN or needs[level] <= flags]


def test_every_level_gives_the_same_answer_and_says_which_it_is(
    built: Bundle, plan: Plan, no_compiler: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    e = EVENTS.events
    want = evaluate(plan, EVENTS.buffer, e["offset"], e["cap_len"], e["wire_len"], e["ts_ns"]).fired
    assert want.any()
    path, source = built.path(object_name(HERE)), built.read("engine.c")
    best, *_ = here = levels_here()
    first = load_object(path, source, plan.structure, len(plan.rules))
    assert first.level is best
    first.close()
    for level in LEVELS[HERE]:
        monkeypatch.setenv(VARIABLE, level.name.lower())
        if level not in here:
            with pytest.raises(EngineError, match=f"SEVENM_LEVEL={level.name.lower()}: .* lacks it; unset it to use"):
                load_object(path, source, plan.structure, len(plan.rules))
            continue
        engine = load_object(path, source, plan.structure, len(plan.rules))
        assert engine.level is level
        assert (engine.run(EVENTS, plan.rules).fired == want).all(), level
        engine.close()


def test_without_a_compiler_the_object_runs(built: Bundle, no_compiler: None) -> None:
    trusted = open_bundle(built.folder, prebuilt=True)
    assert default_engine(trusted) == ("host", None)
    with open_running("host", trusted) as device:
        assert device.process(EVENTS).fired.any()
        assert isinstance(device, HostDevice) and device.code == f"{levels_here()[0].name.lower()}, prebuilt"


def test_an_object_is_not_run_unasked(built: Bundle, no_compiler: None) -> None:
    bundle = open_bundle(built.folder)
    assert object_name(HERE) not in bundle.files
    name, why = default_engine(bundle)
    assert name == "reference" and why is not None and "no C compiler" in why
    with pytest.raises(DeviceError, match="no C compiler"):
        open_running("host", bundle)


def test_a_compiler_is_preferred_and_a_level_is_compiled_alone(built: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_running("host", built) as device:
        assert isinstance(device, HostDevice) and device.code == f"{levels_here()[0].name.lower()}, compiled here"
    monkeypatch.setenv(VARIABLE, "plain")
    with open_running("host", built) as device:
        assert isinstance(device, HostDevice) and device.code == "plain, compiled here"
    monkeypatch.setenv(VARIABLE, "sse9")
    with pytest.raises(EngineError, match="SEVENM_LEVEL='sse9' is none of"):
        open_running("host", built)


def test_a_level_is_compiled_once_and_kept_beside_the_others(
    built: Bundle, plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = built.read("engine.c")
    for level in levels_here():
        monkeypatch.setenv(VARIABLE, level.name.lower())
        for cached in (False, True):
            engine = load_level(source, plan.structure, len(plan.rules), level)
            assert (engine.cached, engine.level) == (cached, level)
            assert engine.run(EVENTS, plan.rules).fired.any()
            engine.close()
    assert len(list((tmp_path / "sevenm").glob("level-*.so"))) == len(levels_here())
    with pytest.raises(EngineError, match="expected 7; build the bundle again"):
        load_level(source, plan.structure, 7, levels_here()[-1])


def test_what_the_compiler_says_of_an_object_is_shown_in_part() -> None:
    with pytest.raises(EngineError) as caught:
        build_object(b"int sm_match(void) { return nothing_such; }\n" + b"x y z;\n" * 50, HERE)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("cannot build an object (exit code 1):")
    assert lines[1].startswith("  engine.c:") and len(lines) == 10
    assert lines[-1].endswith(" more lines")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("a byte", "not made from the engine.c"),
        ("other source", "not made from the engine.c"),
        ("other machine", "holds no code for"),
        ("no ELF", "holds no code for"),
    ],
)
def test_what_does_not_belong_here_is_not_mapped(
    damage: str, message: str, built: Bundle, plan: Plan, tmp_path: Path
) -> None:
    data, source = bytearray(built.read(object_name(HERE))), built.read("engine.c")
    if damage == "a byte":
        data[len(data) // 2] ^= 1
    if damage == "other source":
        source += b"\n"
    path = tmp_path / "engine.so"
    path.write_bytes(data)
    if damage in ("other machine", "no ELF"):
        data[18 if damage == "other machine" else 0] ^= 1
        path.write_bytes(data[:-DIGEST_BYTES])
        seal(path)
    with pytest.raises(EngineError, match=message):
        load_object(path, source, plan.structure, len(plan.rules))


def test_a_foreign_architecture_needs_its_compiler(no_compiler: None) -> None:
    other = next(name for name in LEVELS if name != HERE)
    with pytest.raises(NoCompiler, match=f"needs {other}-linux-gnu-gcc.*apt install"):
        build_object(b"", other)


@pytest.mark.needs("aarch64")
@pytest.mark.skipif(HERE == "aarch64", reason="aarch64: every other test here ran on it")
def test_the_object_for_aarch64_runs_there(plan: Plan, tmp_path: Path) -> None:
    """Loaded by a program under qemu, which asks for its level; that of another architecture is refused."""
    source = emit(plan).encode()
    (tmp_path / "engine.so").write_bytes(build_object(source, "aarch64"))
    (tmp_path / "main.c").write_text(
        '#include <assert.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n#include "sm_boundary.h"\n'
        "extern struct sm_info sm_info;\nuint32_t sm_use_level(uint32_t level);\n"
        'int main(void) { printf("%u ", sm_info.level); printf("%u%u ", sm_use_level(SM_LEVEL_AVX2), '
        'sm_use_level(SM_LEVEL_PLAIN)); printf("%u %s", sm_info.level, sm_info.structure); return 0; }\n'
    )
    from sevenm import boundary

    (tmp_path / "sm_boundary.h").write_text(boundary.c_header())
    command = ["aarch64-linux-gnu-gcc", "-std=c11", "main.c", "engine.so", "-Wl,-rpath,.", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    run = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "./main"]
    said = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"{Level.NEON:d} 01 {Level.PLAIN:d} {plan.structure}"


def test_build_says_what_it_added(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sevenm.cli.main",
        "build",
        str(SENSORS),
        "-o",
        "out",
        "--no-gateware",
        "--object",
        HERE,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    assert f"out/engine-{HERE}.so" in done.stdout
    assert object_name(HERE) in Bundle.open(tmp_path / "out").files
