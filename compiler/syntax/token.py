"""A word or symbol of the source, and where it stands."""

from __future__ import annotations


class Token(str):
    """The text itself. ``type`` is the grammar's terminal; line and column count from 1."""

    __slots__ = ("column", "line", "start_pos", "type")

    type: str
    start_pos: int
    line: int
    column: int
