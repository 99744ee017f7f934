"""Engines of filters that are found by their text: the same one, or none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sevenm import filters as module
from sevenm.bundles import bundle_for
from sevenm.compiler import compile_filter
from sevenm.filters import Filters
from sevenm.host.engine.code import Code
from sevenm.host.engine.compiled import load_engine

pytestmark = pytest.mark.needs("compiler")
TEXT = "udp.dstport == 53"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed engine, as the cache of engines has it."""
    folder = tmp_path_factory.mktemp("engines")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        with bundle_for(compile_filter(TEXT).plan, gateware=False) as bundle:
            code = load_engine(bundle.read("engine.c"), bundle.structure, 1)
    finally:
        os.environ.pop("XDG_CACHE_HOME") if before is None else os.environ.update(XDG_CACHE_HOME=before)
    code.close()
    return code.path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sevenm" / "filters"


def found(text: str = TEXT) -> bool:
    code: Code | None = Filters().find(text)
    if code is not None:
        assert code.cached and code.n_rules == 1
        code.close()
    return code is not None


def test_what_was_kept_is_found_by_its_text_alone(built: Path, cache: Path) -> None:
    assert not found()
    Filters().keep(TEXT, built)
    assert found() and not found(TEXT + " ") and not found("udp")
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def test_a_damaged_entry_is_not_used(built: Path, cache: Path) -> None:
    Filters().keep(TEXT, built)
    (path,) = cache.iterdir()
    data = path.read_bytes()
    for damaged in (data[:-1], data[:5000] + bytes([data[5000] ^ 1]) + data[5001:], b""):
        path.write_bytes(damaged)
        assert not found()
    path.write_bytes(data)
    assert found()
    cache.chmod(0o777)
    assert not found(), "others could have written it"


def test_other_code_another_compiler_or_other_packages_mean_another_engine(
    built: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, packages = tmp_path / "code" / "part", tmp_path / "site-packages"
    source.mkdir(parents=True)
    packages.mkdir()
    (source / "lower.py").write_text("a = 1\n")
    monkeypatch.setattr(module, "_SOURCES", (tmp_path, tmp_path / "code"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages)])
    Filters().keep(TEXT, built)
    assert found()
    before = (source / "lower.py").stat()
    (source / "lower.py").write_text("a = 2\n")
    os.utime(source / "lower.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not found(), "as long and as old as before, but changed"
    Filters().keep(TEXT, built)
    assert found()
    (packages / "lark-9.dist-info").mkdir()
    assert not found(), "a package was installed"
    Filters().keep(TEXT, built)
    monkeypatch.setenv("CC", "cc -DANOTHER=1")
    assert not found(), "other arguments may mean other code"
    monkeypatch.setenv("CC", "no-such-compiler")
    assert not found()
    Filters().keep(TEXT, built)  # nothing is kept without a compiler, and nothing fails
    assert len(list(cache.iterdir())) == 3


def test_there_is_a_bound(built: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILTERS_MAX", 2)
    for number in range(4):
        Filters().keep(f"udp.dstport == {number}", built)
    assert len(list(cache.iterdir())) == 2
