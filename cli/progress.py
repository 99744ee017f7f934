"""A progress bar on standard error, where that is a terminal; Rich is loaded there only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .output import animated

if TYPE_CHECKING:
    from rich.progress import Progress


class Bar:
    """Progress in bytes of input; does nothing where standard error is no terminal."""

    def __init__(self, progress: Progress | None, total: int | None, label: str) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task(label, total=total)

    def at(self, position: int) -> None:
        """The work has come to this byte."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=position)


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Bar]:
    """A bar on standard error that disappears when the work is done; ``total`` in bytes, None if unknown."""
    if not animated():
        yield Bar(None, total, label)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from .tables import console

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        yield Bar(progress, total, label)
