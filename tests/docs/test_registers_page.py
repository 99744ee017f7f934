"""The registers in docs/gateware.md are those of ``sevenm/registers.py``, as the gateware and the driver have them."""

from __future__ import annotations

from pathlib import Path

from sevenm import registers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gateware.md"


def test_the_page_has_the_map() -> None:
    assert f"\n{registers.page()}\n" in PAGE.read_text()
