"""The folder of compiled code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sevenm.host.engine.code_cache import cache_folder, is_sealed, keep_sealed, prune, seal, unsealed, usable


def test_what_was_unused_for_longest_leaves_a_full_cache(tmp_path: Path) -> None:
    for age in range(4):
        (tmp_path / f"{age}.so").write_text("")
        os.utime(tmp_path / f"{age}.so", (1000 - age, 1000 - age))
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.so", "1.so"]


def test_a_sealed_file_that_changed_is_not_sealed(tmp_path: Path) -> None:
    path = tmp_path / "engine.so"
    path.write_bytes(b"code")
    assert not is_sealed(path)
    seal(path)
    assert is_sealed(path)
    path.write_bytes(b"C" + path.read_bytes()[1:])
    assert not is_sealed(path)
    assert not is_sealed(tmp_path / "absent.so")


def test_what_is_kept_is_read_back_and_bounded_by_its_ending(tmp_path: Path) -> None:
    (tmp_path / "other.so").write_text("")
    for age, name in enumerate(("young.plan", "old.plan", "oldest.plan")):
        keep_sealed(tmp_path / name, name.encode(), 3)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    assert unsealed(tmp_path / "oldest.plan") == b"oldest.plan", "which counts as a use"
    keep_sealed(tmp_path / "new.plan", b"new", 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.plan", "oldest.plan", "other.so", "young.plan"]
    assert unsealed(tmp_path / "old.plan") is None
    (tmp_path / "new.plan").write_bytes((tmp_path / "new.plan").read_bytes()[:-1])
    assert unsealed(tmp_path / "new.plan") is None


def test_what_cannot_be_kept_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken.plan").mkdir()
    keep_sealed(tmp_path / "taken.plan", b"data", 3)
    keep_sealed(tmp_path / "absent" / "one.plan", b"data", 3)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.plan"]


def test_a_folder_that_others_may_write_is_not_used(tmp_path: Path) -> None:
    assert usable(tmp_path / "own") == tmp_path / "own"
    (tmp_path / "own").chmod(0o777)
    assert usable(tmp_path / "own") is None
    (tmp_path / "file").write_text("")
    assert usable(tmp_path / "file") is None


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "sevenm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "sevenm"
