"""The Plan: what a rule file means, as data that every back end reads and none may add to."""

from __future__ import annotations

from .names import Name, Names
from .ops import PORTS
from .plan import (
    CHANNELS_MAX,
    COUNTERS_MAX,
    FORMAT,
    NODES_MAX,
    RULES_MAX,
    STATES_MAX,
    TABLES_MAX,
    Plan,
    PlanError,
    prune,
)  # fmt: skip
from .program import Action, Block, Rule, actions
from .state import Cell, State
from .table import Column, Key, Row, Table, TableError

__all__ = [
    "CHANNELS_MAX", "COUNTERS_MAX", "FORMAT", "NODES_MAX", "PORTS", "RULES_MAX", "STATES_MAX", "TABLES_MAX", "Action",
    "Block", "Cell", "Column", "Key", "Name", "Names", "Plan", "PlanError", "Row", "Rule", "State", "Table",
    "TableError", "actions", "prune",
]  # fmt: skip
