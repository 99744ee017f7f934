"""The Plan: what a rule file means, as data that every back end reads and none may add to."""

from __future__ import annotations

from .plan import (
    CHANNELS_MAX,
    COUNTERS_MAX,
    FORMAT,
    NODES_MAX,
    PORTS,
    RULES_MAX,
    Block,
    Plan,
    PlanError,
    Rule,
    prune,
)  # fmt: skip

__all__ = [
    "CHANNELS_MAX", "COUNTERS_MAX", "FORMAT", "NODES_MAX", "PORTS", "RULES_MAX", "Block", "Plan", "PlanError", "Rule",
    "prune",
]  # fmt: skip
