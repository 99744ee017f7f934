"""Cores as source text, held against files that people have read.

Each ``tests/golden/gateware/NAME.filter`` or ``NAME.7m`` stands beside its ``NAME.py``. Write the texts anew with
``python -m pytest tests/compiler/test_gateware_golden.py --update-golden`` and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.backends.gateware.emit import emit_source, load_source

FOLDER = Path(__file__).parent.parent / "golden" / "gateware"
INPUTS = sorted(path for path in FOLDER.iterdir() if path.suffix in (".filter", ".7m"))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_the_core_reads_as_agreed(path: Path, request: pytest.FixtureRequest) -> None:
    source = path.read_text()
    plan = (compile_filter(source) if path.suffix == ".filter" else compile_text(source, path.stem)).plan
    found = emit_source(plan)
    golden = path.with_suffix(".py")
    if request.config.getoption("--update-golden"):
        golden.write_text(found.text)
    assert found.text == golden.read_text()
    assert load_source(found).Match.__doc__ == "What the core says of each packet."


def test_every_text_has_its_input() -> None:
    assert len(INPUTS) >= 4
    assert {path.stem for path in FOLDER.glob("*.py")} == {path.stem for path in INPUTS}
