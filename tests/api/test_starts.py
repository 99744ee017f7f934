"""What a rule file needs to run again, found by its text: the same, or nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import pytest

from sevenm import starts as module
from sevenm.bundles import bundle_for
from sevenm.compiler import compile_text
from sevenm.compiler.syntax.brackets import SOURCE_MAX
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.starts import Start, find_start, keep_start

pytestmark = pytest.mark.needs("compiler")
TEXT = """rules web on packet first {
  rule dns: udp.dstport == 53 => deliver names, count asked
  rule six: ipv6 => forward 3, forward 5
  default => drop
}"""
UNKEPT = {
    "records": "schema s v1 size 64 @endian(big) { a: u8; b: u8[63] } rules r on s all { rule one: a == 1 => drop }",
    "a table": "table t : u8 -> port max 4 { 1: 2 } rules r on packet all { rule one: ip => forward t[ip.ttl] }",
    "a set": "set s : u16 = { 1, 2 } rules r on packet all { rule one: udp.dstport in $s => drop }",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the engine of the rule file, which takes the compiler seconds, and nothing else."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        keep(TEXT).close()
    shutil.rmtree(folder / "sevenm" / "starts")
    return folder


@pytest.fixture
def file(compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rule file, and a cache that has its engine."""
    shutil.copytree(compiled, tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "web.7m"
    path.write_text(TEXT)
    return path


@pytest.fixture
def kept(file: Path) -> Iterator[Path]:
    """The folder with what was kept of it."""
    engine = keep(TEXT)
    yield file.parent / "cache" / "sevenm" / "starts"
    engine.close()


def keep(text: str, name: str = "web") -> CompiledEngine:
    plan = compile_text(text, name).plan
    with bundle_for(plan, gateware=False) as bundle:
        engine = load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))
    keep_start(text, plan, engine)
    return engine


def found(file: Path) -> Start | None:
    both = find_start(str(file))
    if both is None:
        return None
    start, code = both
    assert code.cached and (code.n_rules, code.structure) == (len(start.rules), start.structure)
    code.close()
    return start


def test_what_was_kept_is_found_by_the_text_and_the_name_of_the_file(file: Path) -> None:
    assert found(file) is None
    keep(TEXT).close()
    plan, start = compile_text(TEXT, "web").plan, found(file)
    assert start is not None
    assert (start.name, start.digest, start.structure) == ("web", plan.digest, plan.structure)
    assert (start.block_names, start.channels, start.counters) == (["web"], ["names"], ["asked"])
    assert [astuple(rule) for rule in start.rules] == [
        ("dns", 0, [0], [0], 0, False, 2), ("six", 0, [], [], 0b101000, False, 3), ("default", 0, [], [], 0, True, 4),
    ]  # fmt: skip
    file.write_bytes(module.BOM + TEXT.encode())
    assert found(file) is not None, "the compiler does not see a byte order mark either"
    assert found(file.rename(file.with_name("other.7m"))) is None
    for absent in ("absent.7m", "with\0nul"):
        assert found(file.with_name(absent)) is None
    file.write_text(TEXT + "\n")
    assert found(file) is None


def test_what_is_damaged_or_gone_is_not_used(file: Path, kept: Path) -> None:
    (path,) = kept.iterdir()
    start = found(file)
    assert start is not None
    data = path.read_bytes()
    for damaged in (data[:-1], data.replace(b"names", b"nemas"), b"", b"[]" + data[-32:]):
        path.write_bytes(damaged)
        assert found(file) is None
    path.write_bytes(data)
    kept.chmod(0o777)
    assert found(file) is None, "others could have written it"
    kept.chmod(0o700)
    engine = kept.parent / start.engine
    code = engine.read_bytes()
    engine.unlink()
    assert found(file) is None
    engine.write_bytes(code[:-1] + bytes([code[-1] ^ 1]))
    assert found(file) is None
    engine.write_bytes(code)
    assert found(file) == start


def test_an_engine_of_another_interface_is_not_used(file: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(file) is not None
    monkeypatch.setattr(module, "ABI", module.ABI + 1)
    assert found(file) is None


def test_other_code_or_another_compiler_means_another_one(
    file: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = module.depends_on()
    monkeypatch.setattr(module, "depends_on", lambda: [*known, b"more"])
    assert found(file) is None
    monkeypatch.setattr(module, "depends_on", lambda: known)
    assert found(file) is not None
    monkeypatch.setattr(module, "depends_on", list)
    assert found(file) is None, "nothing can be kept"


@pytest.mark.parametrize("what", list(UNKEPT))
def test_what_counting_alone_cannot_run_is_not_kept(file: Path, what: str) -> None:
    keep(UNKEPT[what]).close()
    assert not (file.parent / "cache" / "sevenm" / "starts").exists()
    keep(TEXT).close()
    assert found(file) is not None, "else the check above would say nothing"


def test_code_that_is_not_in_the_cache_is_not_kept(file: Path, tmp_path: Path) -> None:
    engine = keep(TEXT)
    (path,) = (tmp_path / "cache" / "sevenm" / "starts").iterdir()
    path.unlink()
    engine.path = tmp_path / "elsewhere.so"
    keep_start(TEXT, compile_text(TEXT, "web").plan, engine)
    engine.close()
    assert found(file) is None


def test_what_is_kept_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STARTS_MAX", 2)
    for number in range(4):
        keep(TEXT + "\n" * number).close()  # other texts, one engine
    assert len(list((file.parent / "cache" / "sevenm" / "starts").iterdir())) == 2


def test_a_pipe_is_left_to_whoever_compiles_it(kept: Path) -> None:
    """Though it has the text of a file that was kept: it can be read once."""
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    os.close(writing)
    assert find_start(f"/dev/fd/{reading}") is None
    assert os.read(reading, 2 * len(TEXT)) == TEXT.encode()
    os.close(reading)


def test_what_is_too_long_for_a_rule_file_is_not_read(file: Path) -> None:
    assert module.TEXT_MAX == SOURCE_MAX
    os.truncate(file, SOURCE_MAX + 1)
    assert found(file) is None
