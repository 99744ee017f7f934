"""What lies in the folder of rings: the rings, and what merely has the name of one.

One idea: nothing that lies there can stop the listing. Each file is looked at by name, without waiting, locking or
writing, and what is no usable ring is named with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from .control import FOLDER, PREFIX, Ring, RingAbsent, RingError, RingForeign, RingNotReady, RingStats


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the folder. ``kind``: *ring* with ``stats``; or *half-made*, *unusable* or *foreign*, and ``why``."""

    name: str
    kind: str
    stats: RingStats | None
    why: str


def entries(prefix: str = "") -> list[Entry]:
    """All whose name begins with ``prefix``, in order of name. Raises OSError if the folder cannot be read."""
    wanted = f"{PREFIX}{prefix}"
    names = sorted(path.name.removeprefix(PREFIX) for path in FOLDER.iterdir() if path.name.startswith(wanted))
    return [entry for name in names if (entry := _look(name)) is not None]


def _look(name: str) -> Entry | None:
    """None: it was removed meanwhile."""
    try:
        return Entry(name, "ring", Ring.stats(name), "")
    except RingNotReady as error:
        return Entry(name, "half-made", None, str(error))
    except RingAbsent:
        return None
    except (RingForeign, ValueError) as error:
        return Entry(name, "foreign", None, str(error))
    except RingError as error:
        return Entry(name, "unusable", None, str(error))
    except OSError as error:
        return Entry(name, "unusable", None, error.strerror or str(error))
