"""Decision pipelines from descriptions: fields, conditions and rules in, registers and logic out."""

from .description import All, Description, First, Rule
from .expr import all_of, any_of, captured, field, mux, one_of, port, size, time
from .pipeline import Pipeline

__all__ = [
    "All", "Description", "First", "Pipeline", "Rule", "all_of", "any_of", "captured", "field", "mux", "one_of", "port",
    "size", "time",
]  # fmt: skip
