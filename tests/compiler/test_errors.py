"""What authors read when a filter or a rule file is wrong, word for word.

Each ``tests/golden/errors/NAME.filter`` or ``NAME.7m`` stands beside the text that it is answered with; those in
``meaning/`` are sound as text and wrong in what they say. Write the answers anew with ``python -m pytest
tests/compiler/test_errors.py --update-golden`` and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler.check.program import check_file, check_filter
from sevenm.compiler.check.schema import lower_schema
from sevenm.compiler.diagnostics import CompileError, Diagnostic, render
from sevenm.compiler.syntax.parse import parse_expression_with_warnings, parse_with_warnings

FOLDER = Path(__file__).parent.parent / "golden" / "errors"
INPUTS = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".filter", ".7m"))


def answer(path: Path) -> str:
    """All findings of the file as they are shown."""
    text = path.read_bytes().decode()
    findings: tuple[Diagnostic, ...]
    meaning = path.parent.name == "meaning"
    try:
        if path.suffix == ".filter":
            expr, findings = parse_expression_with_warnings(text)
            findings = check_filter(expr, findings)[1] if meaning else findings
        else:
            file, findings = parse_with_warnings(text, path.name)
            for schema in file.schemas:
                lower_schema(schema)
            findings = check_file(file, findings, path.parent).findings if meaning else findings
    except CompileError as error:
        findings = error.diagnostics
    shown = "".join(f"{render(finding, text, path.name)}\n" for finding in findings)
    return shown.replace(f"{path.parent}/", "")


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.relative_to(FOLDER).with_suffix("").as_posix())
def test_error_reads_as_agreed(path: Path, request: pytest.FixtureRequest) -> None:
    found = answer(path)
    golden = path.with_suffix(".txt")
    if request.config.getoption("--update-golden"):
        golden.write_bytes(found.encode())
    assert found == golden.read_bytes().decode()
    severity = "warning" if path.stem.startswith("warn-") else "error"
    assert f": {severity}: " in found


def test_every_answer_has_its_input() -> None:
    assert {path.with_suffix("") for path in FOLDER.rglob("*.txt")} == {path.with_suffix("") for path in INPUTS}


def test_line_ends_and_characters_that_do_not_print_leave_the_caret_in_place() -> None:
    text = "tcp # one\x0c\u2028\r\nor\x0c\x1b == 1\r\n"
    with pytest.raises(CompileError) as raised:
        parse_expression_with_warnings(text)
    assert render(raised.value.diagnostics[0], text, "f").splitlines() == [
        "f:2:4: error: expected a field or a value, found character '\\x1b' [syntax]",
        "  |",
        "2 | or   == 1",
        "  |    ^",
    ]
