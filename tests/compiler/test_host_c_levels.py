"""Every level of the generated C against the reference, whatever processor this is: AVX-512 in plain C by SIMDe, NEON
under qemu, each between pages that cannot be touched. The engine says which level ran."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sevenm.boundary import Level
from sevenm.compiler import compile_text
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.sim.packets import batch as generated
from sevenm.sim.rule_sets import RuleSets
from tests.compiler.driven import SANITIZED, Driven, driven
from tests.compiler.generated_c import PORT, boundary_events, compiler, plan_of, random_graph

pytestmark = pytest.mark.needs("compiler")

SIMDE = ("-DSM_AVX512=1", f"-I{Path(__file__).with_name('simde')}")
WRAPS = ("-fwrapv", "-fno-sanitize=signed-integer-overflow")
"""SIMDe adds signed bytes as such."""
LEVELS = [
    pytest.param(Level.AVX512, id="avx512", marks=pytest.mark.needs("simde")),
    pytest.param(Level.NEON, id="neon", marks=pytest.mark.needs("aarch64")),
]


def build(level: Level, folder: Path, plan: Plan, *flags: str, source: str | None = None) -> Driven:
    """The Plan's engine of a level, on this processor or an emulated one."""
    if level is Level.NEON:
        command, runner = ["aarch64-linux-gnu-gcc", "-static"], ["qemu-aarch64"]
    else:
        command, runner = [compiler(), *(SIMDE if level is Level.AVX512 else ["-DSM_PORTABLE"])], []
    return driven(plan, folder, [*command, *(flags or ("-O1",))], runner, source)


@pytest.mark.parametrize("level", LEVELS)
def test_random_graphs_match_the_reference(level: Level, tmp_path: Path, soak: bool) -> None:
    for seed in range(200 if soak else 1):
        graph, conditions = random_graph(seed + 1, 160)
        mode = "first" if seed % 3 == 2 else "all"
        engine = build(level, tmp_path / str(seed), plan_of(graph, conditions, mode))
        assert engine.check(EventBatch(*boundary_events(seed), PORT), level).fired.any()


@pytest.mark.parametrize("level", LEVELS)
def test_whole_rule_files_match_the_reference(level: Level, tmp_path: Path, soak: bool) -> None:
    """Rules on packets, looked up in bit vectors, with tables and named sets, and with a state."""
    state = "rules nearer on packet all { rule ttl: ip.ttl < prev(ip.ttl per ip.src) => count nearer }"
    for seed in range(60 if soak else 1):
        more = "\n".join(RuleSets(random.Random(seed), tables=True).block(f"b{at}").text for at in range(2))
        many = "\n".join(
            f"rule r{i}: ip.dst in {i * 5 % 256}.{i}.0.0/{i % 16 + 2} and udp.dstport in {{{i}..{900 * i}}} => count n"
            for i in range(1, 71)
        )
        plan = compile_text(f"{state}\n{more}\nrules many on packet all {{ {many} }}", "t").plan
        text = emit(plan)
        assert "_all(" in text
        engine = build(level, tmp_path / str(seed), plan, "-O0", source=text)
        frames = generated(seed + 5, 700)
        assert plan.tables and plan.states and engine.check(frames, level).fired.any(axis=1).sum() > 10
        engine.check(frames.slice(0, 1), level)


@pytest.mark.needs("simde")
def test_avx512_behaves_as_it_is_defined(tmp_path: Path) -> None:
    """Under ASan and UBSan, which see what the emulated loads and stores touch."""
    graph, conditions = random_graph(4, 120)
    engine = build(Level.AVX512, tmp_path, plan_of(graph, conditions), *SANITIZED, *WRAPS)
    assert engine.check(EventBatch(*boundary_events(4), PORT), Level.AVX512).fired.any()


def test_a_seeded_fault_is_found(tmp_path: Path) -> None:
    """A comparison that is off by one, in the level's own text."""
    graph, conditions = random_graph(1, 160)
    plan = plan_of(graph, conditions)
    text = emit(plan).replace("COMPARE_LOOP(T, ltk, T k, a[i] < k)", "COMPARE_LOOP(T, ltk, T k, a[i] <= k)")
    engine = build(Level.PLAIN, tmp_path, plan, source=text)
    with pytest.raises(AssertionError, match="differences"):
        engine.check(EventBatch(*boundary_events(1), PORT), Level.PLAIN)
