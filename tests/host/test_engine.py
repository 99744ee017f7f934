"""Engines are compiled once, cached safely, and checked before they run."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sevenm.boundary import ABI
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.engine import build as build_module
from sevenm.host.engine import code
from sevenm.host.engine.code import EngineError
from sevenm.host.engine.compiled import CompiledEngine, load_engine
from sevenm.host.engine.toolchain import NoCompiler, find_compiler

pytestmark = pytest.mark.needs("compiler")


def load(bundle: Bundle) -> CompiledEngine:
    return load_engine(bundle.read("engine.c"), bundle.structure, len(bundle.rules))


@pytest.mark.parametrize("room", [3, 4096])
@pytest.mark.parametrize("n", [0, 1, 63, 64, 255, 256, 257, 1000])
def test_decisions_on_any_number_of_events_are_right(
    n: int, room: int, manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    data = [bytes([i * 7 % 256]) * (i % 3) for i in range(n)]
    bundle = make_bundle(manifest)
    engine = load(bundle)
    engine.room = room
    decisions = engine.run(EventBatch.from_bytes(data, wire_len=[2] * n), bundle.rules)
    engine.close()
    assert decisions.fired.tolist() == [[len(d) > 0 and bool(d[0] >> r & 1) for d in data] for r in range(3)]
    assert decisions.malformed.tolist() == [len(d) == 0 for d in data]
    assert decisions.truncated.tolist() == [len(d) < 2 for d in data]


def test_the_second_load_comes_from_the_cache(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path
) -> None:
    bundle = make_bundle(manifest)
    assert not load(bundle).cached
    assert load(bundle).cached
    assert len(list(engine_cache.glob("*.so"))) == 1
    assert stat.S_IMODE(engine_cache.stat().st_mode) == 0o700
    assert [p.suffix for p in engine_cache.iterdir()] == [".so"], "nothing is left behind"


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "replaced"])
def test_a_damaged_cache_entry_is_built_again(
    damage: str, manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path
) -> None:
    bundle = make_bundle(manifest)
    load(bundle).close()
    (path,) = engine_cache.glob("*.so")
    good = path.read_bytes()
    middle = len(good) // 2
    bad = {
        "truncated": good[:middle],
        "emptied": b"",
        "flipped": good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        "replaced": b"\x7fELF, or so it says",
    }[damage]
    path.unlink()
    path.write_bytes(bad)
    engine = load(bundle)
    assert not engine.cached
    assert engine.run(EventBatch.from_bytes([b"\x01"]), bundle.rules).fired.tolist() == [[True], [False], [False]]
    assert load(bundle).cached


def test_a_cache_that_others_may_write_is_not_used(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path
) -> None:
    engine_cache.mkdir(parents=True)
    engine_cache.chmod(0o777)
    bundle = make_bundle(manifest)
    assert not load(bundle).cached
    assert not load(bundle).cached
    assert not list(engine_cache.iterdir())


def test_where_no_cache_can_be_made_the_engine_still_runs(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path
) -> None:
    engine_cache.parent.mkdir()
    engine_cache.write_text("a file where the folder should be")
    bundle = make_bundle(manifest)
    assert load(bundle).run(EventBatch.from_bytes([b"\x06"]), bundle.rules).fired.tolist() == [[False], [True], [True]]


def test_on_a_full_disk_the_engine_still_runs_and_nothing_is_kept(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "CACHE_ROOM_MIN", 1 << 62)
    bundle = make_bundle(manifest)
    assert load(bundle).run(EventBatch.from_bytes([b"\x06"]), bundle.rules).fired.tolist() == [[False], [True], [True]]
    assert list(engine_cache.iterdir()) == []


def test_the_cache_is_bounded(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_module, "CACHE_MAX", 2)
    for digit in "123":
        load(make_bundle({**manifest, "structure": digit * 64})).close()
    assert len(list(engine_cache.glob("*.so"))) == 2


def test_another_plans_engine_is_refused(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    source = make_bundle(manifest).read("engine.c")
    with pytest.raises(
        EngineError, match=f"engine.c has structure {'ab' * 32}, expected {'cd' * 32}; build the bundle"
    ):
        load_engine(source, "cd" * 32, 3)
    with pytest.raises(EngineError, match=r"engine.c has number of rules 3, expected 4"):
        load_engine(source, manifest["structure"], 4)
    with pytest.raises(EngineError, match=rf"engine.c has ABI 1, expected {ABI}; build"):
        load_engine(source.replace(b"{SM_ABI,", b"{1,"), manifest["structure"], 3)


def test_what_the_compiler_says_is_shown(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], engine_cache: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        load(make_bundle(manifest, "int sm_match(void) { return nothing_such; }\n" + "x y z;\n" * 50))
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("cannot compile engine.c (exit code 1):")
    assert "nothing_such" in str(caught.value)
    assert "more lines" in lines[-1] and len(lines) <= 11
    assert not list(engine_cache.iterdir())


def test_source_without_a_match_function_does_not_load(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    with pytest.raises(EngineError, match=r"the compiled engine cannot be loaded: .*sm_"):
        load(make_bundle(manifest, "int nothing;"))


def test_a_closed_engine_says_so(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    engine = load(make_bundle(manifest))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="the engine was closed"):
        engine.run(EventBatch.from_bytes([b"a"]), ())


def test_without_the_c_runtime_engines_run_as_well(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(code, "available", lambda: False)
    code.c_types.cache_clear()
    try:
        bundle = make_bundle(manifest)
        engine = load(bundle)
        fired = engine.run(EventBatch.from_bytes([b"\1", b"\2", b"\0"]), bundle.rules).fired
        assert fired.tolist() == [[True, False, False], [False, True, False], [False, False, False]]
        engine.close()
        (tmp_path / "text.so").write_text("no engine")
        with pytest.raises(EngineError, match=r"cannot be loaded: .*text\.so"):
            CompiledEngine(tmp_path / "text.so", False)
    finally:
        code.c_types.cache_clear()


def test_code_stays_mapped_while_somebody_holds_it(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    bundle = make_bundle(manifest)
    engine = load(bundle)
    engine.hold()
    engine.hold()
    engine.close()
    assert engine.mapped
    assert len(engine.run(EventBatch.from_bytes([b"\1"]), bundle.rules)) == 1, "a holder may go on"
    engine.release()
    assert engine.mapped and engine.address != 0
    engine.release()
    assert not engine.mapped


@pytest.mark.parametrize(
    ("answer", "message"),
    [("0", "the engine decided 0 of 100 events"), ("n + 1", "the engine decided 101 of 100"), ("63", "63 of 100")],
)
def test_an_engine_that_breaks_its_contract_is_found_out(
    answer: str, message: str, manifest: dict[str, Any], make_bundle: Callable[..., Bundle]
) -> None:
    source = (
        make_bundle(manifest).read("engine.c").decode().replace("return start < n ? start : n;", f"return {answer};")
    )
    bundle = make_bundle(manifest, source)
    with pytest.raises(EngineError, match=message):
        load(bundle).run(EventBatch.from_bytes([b"a"] * 100), bundle.rules)


def test_without_a_compiler_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCompiler) as caught:
        find_compiler()
    assert str(caught.value) == (
        "no C compiler found (looked for gcc, clang, cc): install one (Debian: apt install gcc libc6-dev), set CC, "
        "or use the reference engine"
    )
    monkeypatch.setenv("CC", "no-such-cc -O1")
    with pytest.raises(NoCompiler, match="CC='no-such-cc -O1': there is no program no-such-cc; install it or unset CC"):
        find_compiler()
    monkeypatch.setenv("CC", "'gcc")
    with pytest.raises(NoCompiler, match="is no command"):
        find_compiler()


def test_the_compiler_named_by_cc_is_used_with_its_arguments(
    manifest: dict[str, Any], make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch, engine_cache: Path
) -> None:
    bundle = make_bundle(manifest)
    load(bundle).close()
    monkeypatch.setenv("CC", "cc -DANOTHER=1")
    assert find_compiler() == ["cc", "-DANOTHER=1"]
    assert not load(bundle).cached, "other arguments may mean other code"
    assert len(list(engine_cache.glob("*.so"))) == 2


def test_two_engines_can_be_loaded_at_once(manifest: dict[str, Any], make_bundle: Callable[..., Bundle]) -> None:
    one = load(make_bundle(manifest))
    other = load(make_bundle({**manifest, "structure": "0" * 64, "rules": [], "blocks": []}))
    batch = EventBatch.from_bytes([b"\x01"])
    rules = make_bundle(manifest).rules
    assert len(one.run(batch, rules).fired_entries) == 1
    assert len(other.run(batch, ()).fired_entries) == 0
    assert one.run(batch, rules).fired.tolist() == [[True], [False], [False]]
