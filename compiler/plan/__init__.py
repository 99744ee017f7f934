"""The Plan: what a rule file means, as data that every back end reads and none may add to."""

from __future__ import annotations

from sevenm.tables import Column, Key, Row, TableError

from .names import Name, Names
from .plan import (
    BLOCK_RULES_MAX,
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
from .table import Table

__all__ = [
    "BLOCK_RULES_MAX", "FORMAT", "NODES_MAX", "RULES_MAX", "STATES_MAX", "TABLES_MAX", "Action", "Block", "Cell",
    "Column", "Key", "Name", "Names", "Plan", "PlanError", "Row", "Rule", "State", "Table", "TableError", "actions",
    "prune",
]  # fmt: skip
