"""Plans as text: what a file compiles to, and what a pass makes of it, held against files that people have read.

Each ``tests/golden/plan/NAME.filter`` or ``NAME.7m`` stands beside the Plan's text, each of ``tests/golden/punt``
beside that of the Plan with a window of 256 bytes. ``--update-golden`` writes the texts anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.passes.punt import punt
from sevenm.compiler.plan import Plan
from sevenm.compiler.plan.ops import OPS, Node
from sevenm.compiler.plan.text import expression, text

GOLDEN = Path(__file__).parent.parent / "golden"
PASSES: dict[str, Callable[[Plan], Plan]] = {"plan": lambda plan: plan, "punt": lambda plan: punt(plan, 256)}
INPUTS = sorted(path for name in PASSES for path in (GOLDEN / name).iterdir() if path.suffix in (".filter", ".7m"))


def compiled(path: Path) -> Plan:
    source = path.read_text()
    return (compile_filter(source) if path.suffix == ".filter" else compile_text(source, path.stem)).plan


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_plan_reads_as_agreed(path: Path, request: pytest.FixtureRequest) -> None:
    found = text(PASSES[path.parent.name](compiled(path)))
    golden = path.with_suffix(".txt")
    if request.config.getoption("--update-golden"):
        golden.write_text(found)
    assert found == golden.read_text()


def test_every_text_has_its_input() -> None:
    for name in PASSES:
        texts = {path.stem for path in (GOLDEN / name).glob("*.txt")}
        assert texts == {path.stem for path in INPUTS if path.parent.name == name}


def test_every_operation_has_words() -> None:
    for name, op in OPS.items():
        node = Node(name, tuple(range(op.least)), (1, 2, 0, 1)[: {"load": 3, "old": 4, "value": 4}.get(name, 2)], 0, 1)
        assert expression(node)
