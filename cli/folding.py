"""Whether rings that several workers have for one channel are shown as one: an option of `ring list`, `stat`, `top`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from sevenm.host.ring import Entry, entries, sets

Command = TypeVar("Command", bound=Callable[..., int])


def each_option(command: Command) -> Command:
    """Adds --each as ``each``."""
    return click.option(
        "--each", is_flag=True, help="The rings of several workers one by one, not added up by channel."
    )(command)


def looking(each: bool) -> Callable[[str], list[Entry]]:
    """What finds the rings whose name begins with a prefix."""
    return entries if each else lambda prefix: sets.folded(entries(prefix))
