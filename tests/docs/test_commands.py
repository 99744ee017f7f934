"""Every shell command and every piece of Python in the documents runs, and prints what the document says it prints.

A block fenced as ``sh`` is run with bash, one fenced as ``python`` as a program of its own, the blocks of one document
one after the other in one folder that has a copy of the examples. A block fenced as ``text`` is the output of the block
before it. A block after ``<!-- not run: reason -->`` is not run; each of its lines must then be a command that is known
here, and its files and targets must be there. A document with ``<!-- needs: TOOL -->`` is run where that tool of
``tests/conftest.py`` is; one with ``<!-- needs: namespaces -->`` has a network namespace of its own.
``--update-golden`` writes the outputs anew.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sevenm.cli.commands import COMMANDS, command

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^\n]*?) -->\n)?^```(?P<kind>sh|python|text)\n(?P<body>.*?)^```$", re.M | re.S
)
NAMESPACES = "<!-- needs: namespaces -->"
NEEDS = re.compile(r"<!-- needs: (\w+) -->")
SECONDS_MAX = 600
VARIES = re.compile(
    r"\b[0-9a-f]{64}\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\b|\b[\d.]+ s \([^)]* events/s\)(, [\d.]+ s behind the pace)?"
)
"""Digests change with the compiler, times and rates with the run; a document shows them as a dash."""


@dataclass(frozen=True)
class Block:
    """``start`` and ``end`` of the body, in characters; ``why`` a block is not run."""

    kind: str
    body: str
    why: str | None
    start: int
    end: int


def blocks(text: str) -> list[Block]:
    return [Block(m["kind"], m["body"], m["why"], m.start("body"), m.end("body")) for m in BLOCK.finditer(text)]


RUNNABLE = [p for p in DOCUMENTS if any(b.kind != "text" and b.why is None for b in blocks(p.read_text("utf-8")))]
MARKED = [
    pytest.param(p, marks=[pytest.mark.needs(tool) for tool in NEEDS.findall(p.read_text("utf-8"))]) for p in RUNNABLE
]


@pytest.mark.needs("compiler", "g++")
@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_print_what_the_document_says(path: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    text = path.read_text(encoding="utf-8")
    if NAMESPACES in text:
        request.getfixturevalue("namespace")
    printed, changes = "", []
    for block in blocks(text):
        if block.kind != "text" and block.why is None:
            printed = run(block, tmp_path)
        elif block.kind == "text":
            found = VARIES.sub("-", printed)
            changes.append((block, found))
    if request.config.getoption("--update-golden"):
        for block, found in reversed(changes):
            text = text[: block.start] + found + text[block.end :]
        path.write_text(text, encoding="utf-8")
        changes = [(block, found) for block, (_, found) in zip(only_text(text), changes, strict=True)]
    for block, found in changes:
        assert found == block.body


def only_text(text: str) -> list[Block]:
    return [block for block in blocks(text) if block.kind == "text"]


def run(block: Block, folder: Path) -> str:
    """What the block prints on either stream; it must succeed."""
    command = [sys.executable, "-c"] if block.kind == "python" else ["bash", "-euo", "pipefail", "-c"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [*command, block.body], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{block.body}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_that_are_not_run_are_known(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.why is not None:
            assert len(block.why) > 10, "say why"
            for line in block.body.splitlines():
                check(shlex.split(line, comments=True))


def check(words: list[str]) -> None:
    """A make target, a test of this repository, a command of sevenm, git, or the activation of .venv."""
    words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    match words:
        case [] | ["git", *_] | [".", ".venv/bin/activate"]:
            pass
        case ["sevenm", ("run" | "filter") as name, *arguments] if "-i" in arguments:
            # What arrives at an interface cannot be written down; that the command is understood can be tested.
            command(name).make_context(name, list(arguments))
        case ["sevenm", name, *_]:
            assert name in COMMANDS
        case ["make", *targets]:
            known = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
            assert set(targets) <= set(known)
        case [".venv/bin/pytest", *arguments]:
            assert all((ROOT / word).exists() for word in arguments if word.startswith("tests"))
        case _:
            pytest.fail(f"neither run nor known: {shlex.join(words)}")


def test_blocks_are_found_with_their_reasons() -> None:
    text = "a\n```sh\nx\n```\n```text\ny\n```\n<!-- not run: no network -->\n```sh\nz\n```\n```\nother\n```\n"
    text += "```python\n1\n```\n"
    found = [(block.kind, block.body, block.why) for block in blocks(text)]
    assert found == [
        ("sh", "x\n", None), ("text", "y\n", None), ("sh", "z\n", "no network"), ("python", "1\n", None)
    ]  # fmt: skip


def test_every_fenced_command_names_its_language() -> None:
    """A command in a block without a language would be run by nobody."""
    wrong = []
    for path in DOCUMENTS:
        for language, body in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text("utf-8"), flags=re.M | re.S):
            if language not in ("sh", "python", "text") and re.search(
                r"^(\$ |sevenm |make |pip |python )", body, flags=re.M
            ):
                wrong.append(f"{path.relative_to(ROOT)}: {body.splitlines()[0]}")
    assert wrong == []
