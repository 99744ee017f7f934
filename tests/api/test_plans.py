"""Plans that are found by the text of their rule file: the same one, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm import plans as module
from sevenm.compiler import Compiled, compile_text
from sevenm.plans import find_plan, keep_plan

TEXT = "rules web on packet first { rule dns: udp.dstport == 53 => deliver names  default => drop }"
WARNED = "rules r on packet all { rule a: tcp.dstport != 80 => deliver x }"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sevenm" / "plans"


def kept(text: str = TEXT, name: str = "web") -> Compiled:
    compiled = compile_text(text, name)
    keep_plan(text, name, compiled)
    return compiled


def test_the_plan_that_was_kept_is_found_by_text_and_name(cache: Path) -> None:
    assert find_plan(TEXT, "web") is None
    plan = kept().plan
    found = find_plan(TEXT, "web")
    assert found == plan
    assert found is not None and (found.digest, found.names, found.name) == (plan.digest, plan.names, "web")
    assert find_plan(TEXT + "\n", "web") is None and find_plan(TEXT, "other") is None
    assert [path.suffix for path in cache.iterdir()] == [".plan"]


def test_a_damaged_plan_is_not_used(cache: Path) -> None:
    kept()
    (path,) = cache.iterdir()
    data = path.read_bytes()
    assert b'"drop"' in data
    for damaged in (data[:-1], data.replace(b'"drop"', b'"dorp"'), b"", b"{}" + data[-32:]):
        path.write_bytes(damaged)
        assert find_plan(TEXT, "web") is None
    path.write_bytes(data)
    assert find_plan(TEXT, "web") is not None
    cache.chmod(0o777)
    assert find_plan(TEXT, "web") is None, "others could have written it"


def test_another_compiler_means_another_plan(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept()
    monkeypatch.setattr(module, "generators", lambda: "another version")
    assert find_plan(TEXT, "web") is None


def test_what_has_a_warning_or_rows_elsewhere_is_not_kept(cache: Path, tmp_path: Path) -> None:
    assert kept(WARNED).warnings
    assert find_plan(WARNED, "web") is None
    (tmp_path / "rows.csv").write_text("key,value\n10.0.0.0/8,1\n")
    keep_plan(TEXT + ' // from "rows.csv"', "web", compile_text(TEXT, "web"))
    assert not cache.exists() or not list(cache.iterdir())


def test_the_plans_that_are_kept_are_bounded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PLANS_MAX", 2)
    for number in range(4):
        kept(TEXT.replace("53", str(number + 1)))
    assert len(list(cache.iterdir())) == 2
