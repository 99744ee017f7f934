"""Decision pipelines from descriptions: fields, conditions and rules in, registers and logic out."""

from ..tables.shape import Slot
from .description import All, Description, First, Rule
from .expr import all_of, any_of, captured, field, mux, one_of, port, size, time
from .pipeline import Pipeline
from .tables import Table

__all__ = [
    "All", "Description", "First", "Pipeline", "Rule", "Slot", "Table", "all_of", "any_of", "captured", "field", "mux",
    "one_of", "port", "size", "time",
]  # fmt: skip
