"""Python's search for cycles, while much is made that has none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Inside, nobody looks for cycles of objects: trees and graphs of a hundred thousand parts have none, and to look
    through them again and again while they grow takes almost as long as to make them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
