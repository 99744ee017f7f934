"""docs/boundary.md is what ``sevenm/boundary.py`` says. Written anew by ``pytest --update-golden``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm import boundary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "boundary.md"
INTRO = """# What crosses a boundary

Structs, numbers and limits that C, Python and gateware agree on. They are defined in `sevenm/boundary.py` and nowhere
else: the C header `sm_boundary.h`, the declarations cffi reads, the NumPy dtypes and this page are made from it.

"""


def test_the_page_of_the_boundary_is_current(request: pytest.FixtureRequest) -> None:
    page = INTRO + boundary.markdown()
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
