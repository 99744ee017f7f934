"""How often `stat` and `top` look: one option, so that both take the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., int])
INTERVAL_MIN = 0.01
"""Seconds; with fewer it would do nothing but look."""


def interval_option(command: Command) -> Command:
    """Adds --interval, in seconds, as ``interval``."""
    return click.option(
        "--interval",
        type=click.FloatRange(INTERVAL_MIN),
        default=1.0,
        show_default=True,
        metavar="S",
        help="Seconds between looks.",
    )(command)
