"""The compiler is known by its file, and what is no compiler is asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sevenm.host.engine.toolchain import NoCompiler, compiler_identity, file_identity, find_program, processor

pytestmark = pytest.mark.needs("compiler")


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_another_file_under_the_same_name_is_another_compiler(tmp_path: Path) -> None:
    real = Path(shutil.which("gcc") or shutil.which("cc") or shutil.which("clang") or "").resolve()
    compiler, link = tmp_path / "gcc-12", tmp_path / "cc"
    shutil.copy(real, compiler)
    link.symlink_to(compiler)
    first = compiler_identity([str(link)])
    assert str(compiler).encode() in first and first == compiler_identity([str(compiler), "-m32"])
    with compiler.open("r+b") as file:  # as long as before, and as old
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    os.utime(compiler, (1_000_000_000, 1_000_000_000))
    second = compiler_identity([str(link)])
    os.utime(compiler, (1_000_000_000, 1_000_000_000))
    assert len({first, second, compiler_identity([str(link)])}) == 3, "the time of the entry cannot be set back"


def test_what_stands_before_a_compiler_is_asked_what_it_runs(tmp_path: Path) -> None:
    for name in ("gcc", "ccache"):
        path = program(tmp_path / name, "echo version 1")
        assert compiler_identity([str(path)]) == b"version 1\n"
        program(path, "echo version 2")
        assert compiler_identity([str(path)]) == b"version 2\n"
    copy = tmp_path / "distcc"
    shutil.copy(shutil.which("true") or "", copy)
    assert compiler_identity([str(copy)]) != file_identity(copy), "a program, but not named as a compiler is"
    with pytest.raises(NoCompiler, match="cannot be run"):
        compiler_identity([str(tmp_path / "absent")])


def test_programs_are_found_as_a_shell_finds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "gcc").mkdir()
    (tmp_path / "plain").write_text("")
    path = program(tmp_path / "tool", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'folder'}:{tmp_path}")
    for name in ("gcc", "plain", "tool", "absent", str(path), str(tmp_path / "plain"), "./tool"):
        assert find_program(name) == shutil.which(name), name
    assert find_program("tool") == str(path)


def test_the_processor_is_named() -> None:
    assert processor() == processor() != b""
