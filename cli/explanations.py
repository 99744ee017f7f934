"""What `sevenm check --explain` says: how the C looks rules up, what it costs, and which packets are quicker."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from sevenm.compiler.backends.c.emit import explained, explained_shape
from sevenm.compiler.passes.cost import Choice, describe
from sevenm.compiler.plan import Plan


def lines(plan: Plan) -> list[str]:
    """For people."""
    return [*map(describe, explained(plan)), explained_shape(plan)]


def facts(plan: Plan) -> dict[str, Any]:
    """For machines."""
    return {
        "lookups": [_choice(choice) for choice in explained(plan)],
        "shape": explained_shape(plan).splitlines(),
    }


def _choice(choice: Choice) -> dict[str, Any]:
    return {
        "block": choice.block,
        "chosen": choice.chosen.name,
        "unit": choice.unit,
        "ways": [asdict(way) for way in choice.ways],
        "outside": dict(Counter(choice.rows.reasons)),
    }
