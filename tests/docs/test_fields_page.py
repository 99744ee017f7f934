"""docs/fields.md lists exactly the fields there are. Written anew by ``pytest --update-golden``."""

from __future__ import annotations

from pathlib import Path

import pytest

from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.protocols.fields import Field
from sevenm.compiler.protocols.packet_fields import packet_fields

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fields.md"
INTRO = """# Packet fields

Names are Wireshark's. A field is present only where its header is (see [meaning.md](meaning.md)). A type of `u16` holds
0 to 65535; a `flag` alone asks whether it is set; `bytes` can be sliced, as in `tcp.payload[0:4]`; `presence` has no
value. Several values are told apart with `any`, `all` or, for tags, `#1` and `#2`. `sevenm layout packet` prints this
table.

| Field | Type | Values | What it is |
|---|---|---|---|
"""


def row(field: Field) -> str:
    if field.type is not None:
        count = len(field.values()) if field.values else 0
        return f"| `{field.name}` | {field.type.text} | {count} | {field.about} |"
    kind = "bytes" if field.region is not None else "presence"
    return f"| `{field.name}` | {kind} | | {field.about} |"


def page() -> str:
    return INTRO + "\n".join(row(f) for f in packet_fields(Graph()).values()) + "\n"


def test_the_page_of_fields_is_current(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page()
