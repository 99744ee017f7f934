"""Whether a commit is slower than another: a handful of quick measures of both, in turn, and an exit code.

    python bench/gate.py OLD [NEW] [--rounds N] [--tolerance PERCENT] [--only NAME ...] [--json FILE]
    python bench/gate.py --commands 'COMMAND OLD' 'COMMAND NEW' [...]

OLD and NEW are commits; without NEW it is the working tree as it is, with what is not committed yet. Both are checked
out into git worktrees under build/gate, built there, and kept for the next time. Every round measures each figure of
OLD, NEW, NEW, OLD. NEW is slower where the median ratio of the rounds lies above 1 + tolerance and Wilcoxon's
signed-rank test excludes chance (``_gate_statistic.py``). With --commands two whole processes are compared instead, by
processor time.

Exit code: 0 NEW is not slower, 1 it is, 2 it could not be told (no such commit, a build that fails, nothing to
compare).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from _gate_process import Unmeasurable, processor_time
from _gate_statistic import LEVEL, Verdict, compare, rounds_needed
from _machine import machine_facts

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "gate"
KEPT_MAX = 6
"""Checkouts that are kept, the newest used."""
BUILD_S_MAX = 900


class Trouble(Exception):
    """It cannot be told; says why and what to do."""


def git(*arguments: str, **more: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, **more
    )
    if done.returncode:
        raise Trouble(f"git {' '.join(arguments)}: {done.stderr.strip() or 'failed'}")
    return done.stdout.strip()


def commit_of(name: str) -> str:
    try:
        return git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except Trouble:
        raise Trouble(f"there is no commit {name!r} here; git log shows those that are") from None


def working_tree() -> str:
    """A commit of everything that is in the working tree and not ignored; branch and index stay as they are."""
    with tempfile.TemporaryDirectory() as folder:
        index = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", "HEAD", env=index)
        git("add", "--all", env=index)
        tree = git("write-tree", env=index)
    if tree == git("rev-parse", "HEAD^{tree}"):
        return commit_of("HEAD")
    author = {f"GIT_{role}_{what}": "gate" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return git("commit-tree", tree, "-p", "HEAD", "-m", "working tree", env={**os.environ, **author})


def checkout(commit: str) -> Path:
    """A built checkout of the commit, kept by its tree. Raises Trouble with the builder's words."""
    folder = KEPT / git("rev-parse", f"{commit}^{{tree}}")[:16]
    built = folder / "build" / ".gate"
    if built.exists():
        built.touch()
        return folder
    remove(folder)
    KEPT.mkdir(parents=True, exist_ok=True)
    git("worktree", "add", "--detach", "--force", str(folder), commit)
    command = [sys.executable, "setup.py", "-q", "egg_info", "build_ext", "--inplace"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_S_MAX)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{commit[:12]} takes more than {BUILD_S_MAX} s to build") from None
    if done.returncode:
        raise Trouble(f"{commit[:12]} does not build: {(done.stderr.strip().splitlines() or ['no word why'])[-1]}")
    built.parent.mkdir(exist_ok=True)
    built.touch()
    return folder


def remove(folder: Path) -> None:
    """A checkout, whether git knows it or not."""
    if folder.exists():
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
    git("worktree", "prune")


def prune() -> None:
    """Lets go of checkouts that were not used for longest."""
    stamps = sorted(KEPT.glob("*/build/.gate"), key=lambda stamp: stamp.stat().st_mtime, reverse=True)
    for stamp in stamps[KEPT_MAX:]:
        remove(stamp.parent.parent)


def of_commits(options: argparse.Namespace) -> tuple[dict[str, Verdict], dict[str, str], dict[str, str]]:
    """(verdicts, what could not be compared, units)."""
    from _gate_measures import NAMES, measures  # not for --commands, which needs nothing of it

    unknown = [name for name in options.only or () if name not in NAMES]
    if unknown:
        raise Trouble(f"there is no measure {unknown[0]!r}, only {', '.join(NAMES)}")
    commits = commit_of(options.old), commit_of(options.new) if options.new else working_tree()
    print(f"OLD {commits[0][:12]}, NEW {commits[1][:12]}{'' if options.new else ' (working tree)'}", flush=True)
    old, new = (checkout(commit) for commit in commits)
    prune()
    with (
        tempfile.TemporaryDirectory() as folder,
        measures((old, new), Path(folder), options.only or list(NAMES)) as (found, absent),
    ):
        for name, why in absent.items():
            print(f"not compared: {name}: {why}", flush=True)
        if not found:
            raise Trouble("nothing of what was asked for can be measured on both sides")
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        try:
            return compare(found, enough(options.rounds, len(found)), options.tolerance / 100), absent, NAMES
        except (Unmeasurable, ValueError) as error:
            raise Trouble(str(error)) from error


def of_commands(options: argparse.Namespace) -> tuple[dict[str, Verdict], dict[str, str], dict[str, str]]:
    old, new = (shlex.split(command) for command in options.commands)
    name = f"{options.commands[0]} | {options.commands[1]}"
    try:
        pair = partial(processor_time, old), partial(processor_time, new)
        verdicts = compare({name: pair}, enough(options.rounds, 1), options.tolerance / 100)
    except (Unmeasurable, OSError, ValueError) as error:
        raise Trouble(str(error)) from error
    return verdicts, {}, {name: "ms of the process"}


def enough(rounds: int, measures: int) -> int:
    least = rounds_needed(measures)
    if rounds < least:
        raise Trouble(f"{measures} measures need {least} rounds at least: with {rounds} chance is never excluded")
    return rounds


def show(name: str, unit: str, verdict: Verdict) -> None:
    low, high = min(verdict.ratios), max(verdict.ratios)
    old, new = (sorted(times)[len(times) // 2] for times in (verdict.old, verdict.new))
    print(
        f"{'SLOWER' if verdict.slower else 'ok':6} {name:22} NEW/OLD {verdict.ratio:.3f} ({low:.3f} to {high:.3f})  "
        f"{old:.2f} -> {new:.2f} {unit}; p {verdict.p:.2g}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", nargs="?", metavar="OLD")
    parser.add_argument("new", nargs="?", metavar="NEW")
    parser.add_argument("--commands", nargs=2, metavar=("OLD", "NEW"), help="two commands instead of two commits")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--tolerance", type=float, default=5.0, metavar="PERCENT", help="slower by this is not slower")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the measures")
    parser.add_argument("--json", type=Path, help="the figures, for machines")
    options = parser.parse_args()
    if (options.commands is None) == (options.old is None):
        parser.error("name two commands, or the commit OLD")
    if not 0 <= options.tolerance < 1000:
        parser.error(f"a tolerance of {options.tolerance:g} % makes no sense")
    facts = machine_facts()
    try:
        verdicts, absent, units = of_commands(options) if options.commands else of_commits(options)
    except (Trouble, Unmeasurable) as error:
        print(f"gate.py: {error}", file=sys.stderr)
        return 2
    for name, verdict in verdicts.items():
        show(name, units[name], verdict)
    slower = [name for name, verdict in verdicts.items() if verdict.slower]
    said = f"slower by more than {options.tolerance:g} %: {', '.join(slower)}" if slower else "nothing is slower"
    print(f"{said} (tolerance {options.tolerance:g} %, level {LEVEL:g} of the whole, load {facts['load']} before)")
    if options.json is not None:
        body: dict[str, Any] = {"machine": facts, "tolerance": options.tolerance / 100, "level": LEVEL}
        body |= {"old": options.commands[0] if options.commands else options.old, "not_compared": absent}
        body |= {"new": options.commands[1] if options.commands else options.new or "working tree", "slower": slower}
        body["measures"] = {
            name: {**vars(verdict), "ratio": verdict.ratio, "slower": verdict.slower, "unit": units[name]}
            for name, verdict in verdicts.items()
        }
        options.json.write_text(json.dumps(body, indent=1) + "\n")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
