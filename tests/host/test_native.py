"""The C runtime is optional, and its absence is explained."""

from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sevenm.host import native as module
from sevenm.host.native import WHY, NativeMissing, available, native
from sevenm.host.ring import RingReader, RingWriter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an install without a compiler."""
    name = f"{module.__package__}._native"
    real = builtins.__import__

    def fail(target: str, *arguments: Any) -> Any:
        if target == "_native":
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(target, *arguments)

    monkeypatch.setattr(builtins, "__import__", fail)


@pytest.mark.needs("compiler")
def test_native_is_built_here() -> None:
    assert available()
    assert native().lib.SM_RING_ABI == 2


@pytest.mark.usefixtures("missing")
def test_missing_runtime_is_explained_where_it_is_needed() -> None:
    assert not available()
    for call in (native, lambda: RingWriter.create("x"), lambda: RingReader.attach("x")):
        with pytest.raises(NativeMissing) as caught:
            call()
        assert str(caught.value) == WHY
    assert "there was no working C compiler when sevenm was installed" in WHY
    assert "apt install gcc libc6-dev" in WHY


def test_install_without_a_compiler_succeeds(tmp_path: Path) -> None:
    """setuptools builds everything but the extension, says so, and ends well."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for folder in ("compiler", "hdl", "host", "sim", "cli"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copytree(ROOT / "sevenm", tmp_path / "sevenm", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build", "--build-base", "out", "--build-lib", "out/lib"],
        cwd=tmp_path,
        env=os.environ | {"CC": "/nonexistent/cc"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert 'building extension "sevenm.host._native" failed' in done.stderr
    built = tmp_path / "out" / "lib" / "sevenm" / "host"
    assert not list(built.glob("_native*.so"))
    assert (built / "native.py").exists()
    assert (built / "csrc" / "ring.cdef").exists()
