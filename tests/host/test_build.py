"""The C compiler as a program: what it makes, what it complains of, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.host.engine import build
from sevenm.host.engine.build import compile_to, kept
from sevenm.host.engine.code import EngineError
from sevenm.host.engine.code_cache import seal
from sevenm.host.engine.toolchain import NoCompiler


def program(folder: Path, text: str) -> list[str]:
    """A compiler that does what the text says; its last argument is the file to write."""
    path = folder / "some-cc"
    path.write_text(f"#!/bin/sh\nfor out; do :; done\n{text}\n")
    path.chmod(0o700)
    return [str(path)]


def test_it_is_told_where_to_write(tmp_path: Path) -> None:
    out = compile_to(tmp_path / "out.so", program(tmp_path, 'echo made > "$out"'), "compile it")
    assert out == tmp_path / "out.so" and out.read_text() == "made\n"


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("exit 3", "(exit code 3):\n  it said nothing"),
        ("exit 0", "(exit code 0):\n  it said nothing"),
        ('echo "$out: no room" >&2; exit 1', "(exit code 1):\n  out.so: no room"),
        ("seq 10 >&2; exit 1", "(exit code 1):\n  " + "\n  ".join([*map(str, range(1, 9)), "… 2 more lines"])),
    ],
)
def test_its_complaint_is_shown_in_part(does: str, said: str, tmp_path: Path) -> None:
    command = program(tmp_path, does)
    with pytest.raises(EngineError) as caught:
        compile_to(tmp_path / "out.so", command, "compile engine.c")
    assert str(caught.value) == f"{command[0]} cannot compile engine.c {said}"


def test_one_that_does_not_end_or_does_not_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "COMPILE_S_MAX", 0.1)
    command = program(tmp_path, "exec sleep 60")
    with pytest.raises(EngineError) as caught:
        compile_to(tmp_path / "out.so", command, "compile engine.c")
    assert str(caught.value) == f"{command[0]} took more than 0.1 s over engine.c; use fewer rules"
    with pytest.raises(NoCompiler) as absent:
        compile_to(tmp_path / "out.so", [str(tmp_path / "absent")], "compile engine.c")
    assert str(absent.value) == f"{tmp_path / 'absent'} cannot be run: No such file or directory"


def test_what_was_made_is_kept_until_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: list[Path] = []

    def make(folder: Path) -> Path:
        out = folder / "code.so"
        out.write_bytes(b"code")
        seal(out)
        made.append(folder)
        return out

    def ask() -> tuple[bytes, bool]:
        return kept("one.so", make, lambda path, cached: (path.read_bytes()[:4], cached))

    assert [ask(), ask()] == [(b"code", False), (b"code", True)]
    (tmp_path / "sevenm" / "one.so").write_bytes(b"damaged")
    assert [ask(), ask()] == [(b"code", False), (b"code", True)]
    (tmp_path / "sevenm").chmod(0o777)  # others may write there, so that nothing is kept
    assert [ask(), ask()] == [(b"code", False)] * 2
    assert len(made) == 4 and not any(folder.exists() for folder in made)
