"""The gate between two commits trips on a slow-down that was put in, not on the same against itself, and its statistic
is the exact signed-rank test."""

from __future__ import annotations

import importlib
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "bench" / "gate.py"


@pytest.fixture(scope="module")
def statistic() -> ModuleType:
    return importlib.import_module("_gate_statistic")


def test_p_is_that_of_all_signs_counted_out(statistic: ModuleType) -> None:
    """By the definition: of all signs that n differences can have, those whose ranks sum up to as much."""
    rng = random.Random(1)
    for n in range(1, 9):
        sizes = rng.sample(range(1, 50), n)
        signs = [rng.choice((-1, 1)) for _ in sizes]
        rank = {size: at for at, size in enumerate(sorted(sizes), 1)}
        seen = sum(rank[size] for size, sign in zip(sizes, signs, strict=True) if sign > 0)
        sums = [
            sum(r for r, up in zip(rank.values(), ups, strict=True) if up)
            for ups in itertools.product((0, 1), repeat=n)
        ]
        wanted = sum(total >= seen for total in sums) / len(sums)
        found = statistic.signed_rank_p([size * sign for size, sign in zip(sizes, signs, strict=True)])
        assert found == pytest.approx(wanted)


def test_p_with_equal_sizes_and_zeros(statistic: ModuleType) -> None:
    """Ranks 1.5, 1.5 and 3: of 8 sums those of at least 4.5 are 4.5, 4.5 and 6; what is 0 says nothing."""
    assert statistic.signed_rank_p([1, -1, 2, 0]) == pytest.approx(3 / 8)
    assert statistic.signed_rank_p([0.0, 0.0]) == 1
    assert statistic.signed_rank_p([1] * 12) == 2**-12


def measured(statistic: ModuleType, seed: int, slower: float, noise: float) -> bool:
    """Of a machine that gets slower by 2 % with every measurement, and whose runs are noisy."""
    rng, drift = random.Random(seed), itertools.count()
    old, new = (lambda by=by: by * 1.02 ** next(drift) * rng.lognormvariate(0, noise) for by in (1.0, slower))
    return bool(statistic.compare({"it": (old, new)}, 12, 0.05)["it"].slower)


def test_a_slow_down_is_found_and_none_is_not(statistic: ModuleType) -> None:
    assert sum(measured(statistic, seed, 1.0, 0.1) for seed in range(100)) <= 1
    assert sum(measured(statistic, seed, 1.04, 0.03) for seed in range(100)) <= 5, "within the tolerance"
    assert sum(measured(statistic, seed, 1.15, 0.05) for seed in range(100)) >= 95
    assert not any(measured(statistic, seed, 0.8, 0.05) for seed in range(50)), "faster is not slower"


def test_rounds_that_cannot_exclude_chance_are_refused(statistic: ModuleType) -> None:
    for measures in (1, 6, 20):
        enough = statistic.rounds_needed(measures)
        worst = [1.0] * 2 * enough, [9.0] * 2 * enough
        assert statistic.judge(*worst, 0.05, measures).slower
        assert not statistic.judge(*(side[:-2] for side in worst), 0.05, measures).slower


def gate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(GATE), *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120
    )


def work(n: int) -> str:
    """A program that computes so much."""
    return f"{sys.executable} -I -S -c 'sum(i * i for i in range({n}))'"


def test_a_command_that_was_made_slower_fails_the_gate(tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    done = gate("--commands", work(100_000), work(600_000), "--rounds", "5", "--json", str(file))
    assert done.returncode == 1, done.stdout + done.stderr
    found = json.loads(file.read_text())
    (measure,) = found["measures"].values()
    assert found["slower"] == list(found["measures"]) and measure["ratio"] > 1.2 and measure["p"] < 0.05
    assert len(measure["ratios"]) == 5 and len(measure["old"]) == len(measure["new"]) == 10
    assert "SLOWER" in done.stdout and "slower by more than 5 %" in done.stdout


def test_a_command_beside_itself_passes_the_gate() -> None:
    done = gate("--commands", work(100_000), work(100_000), "--rounds", "5", "--tolerance", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is slower" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["no-such-commit"], "there is no commit 'no-such-commit'"),
        (["HEAD", "--only", "everything"], "there is no measure 'everything', only filter udp"),
        (["--commands", "true", "no-such-program-here"], "no-such-program-here"),
        (["--commands", "true", "false"], "false ends with exit code 1"),
        (["--commands", "true", "true", "--rounds", "2"], "1 measures need 5 rounds"),
        (["HEAD", "--tolerance", "-1"], "a tolerance of -1 % makes no sense"),
        ([], "name two commands, or the commit OLD"),
    ],
)
def test_what_cannot_be_told_is_no_verdict(arguments: list[str], why: str) -> None:
    done = gate(*arguments)
    assert done.returncode == 2 and why in done.stderr and "Traceback" not in done.stderr


def test_the_working_tree_is_a_commit_and_nothing_else_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed and what is new is in it; branch, index and files stay."""
    program = importlib.import_module("gate")
    monkeypatch.setattr(program, "ROOT", tmp_path)

    def git(*arguments: str) -> str:
        own = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run([*own, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    git("init", "-q")
    (tmp_path / "one").write_text("1")
    git("add", "one")
    git("commit", "-qm", "one")
    head = git("rev-parse", "HEAD").strip()
    assert program.working_tree() == head, "nothing is changed"
    (tmp_path / "one").write_text("2")
    (tmp_path / "two").write_text("new")
    status = git("status", "--porcelain")
    made = program.working_tree()
    assert (git("show", f"{made}:one"), git("show", f"{made}:two")) == ("2", "new")
    assert git("status", "--porcelain") == status and git("rev-parse", "HEAD").strip() == head
