"""The Device interface: what matches events, whatever it is made of.

One idea: an application cannot tell which device it runs on, except by asking. Generated C (``host.py``), the NumPy
reference and the simulated core (``sevenm.sim``) are devices, and so is a network card. What differs between them is in
``Capabilities``, and what there is to choose from in the registry ``DEVICES``.

A device lives through *generations*. ``prepare`` makes everything that a bundle needs, as long as it takes, beside what
runs; ``activate`` swaps it in between two events; ``update`` swaps the rows of tables in the same way. The controller
gives each of these swaps a number, strictly ascending, and every decision carries the number of what decided it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from sevenm.host.devices.errors import DeviceError as DeviceError
from sevenm.host.devices.errors import DeviceUnavailable as DeviceUnavailable
from sevenm.host.registry import Registry

if TYPE_CHECKING:
    from sevenm.host.batch import EventBatch
    from sevenm.host.bundle import Bundle
    from sevenm.host.engine.decisions import Decisions
    from sevenm.host.ring.record import Engine
    from sevenm.tables import Change, Row

GENERATION_MAX = (1 << 32) - 1
"""A delivered record has 32 bits for its generation."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a device can do. ``window``: bytes of an event that it sees, None if all that were captured.
    ``tables``: kind of key ("exact", "lpm", "ternary", "range") -> most rows. ``state``: it keeps state between
    events. ``punts``: it may leave events to the host. ``live_update``: it has ``update``. ``owns_ingress``: it
    produces decided events itself, so it has ``poll`` but neither ``process`` nor ``attach``."""

    window: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)
    state: bool = False
    punts: bool = False
    live_update: bool = False
    owns_ingress: bool = False


@dataclass(frozen=True, slots=True)
class TableEdit:
    """New rows for some tables, at once. ``rows``: by the table's place in the bundle, all of its rows, or a ``Change``
    of them. ``structure``: the digest of the rules they are for, so that an edit never lands in others. ``bundle``: of
    that structure, with the rows that all tables have then, whose names and digest count from there on; None: the names
    stay, and no digest is known."""

    structure: str
    rows: Mapping[int, Sequence[Row] | Change]
    bundle: Bundle | None = None


class Decided(NamedTuple):
    """Events, what was decided of them, and the generation that did."""

    events: EventBatch
    decisions: Decisions
    generation: int


class Prepared(Protocol):
    """What ``prepare`` made of a bundle. ``close`` gives it up if it is not to be activated; the device closes the one
    that it runs."""

    @property
    def bundle(self) -> Bundle: ...
    def close(self) -> None: ...


@runtime_checkable
class Device(Protocol):
    """Life: ``prepare`` a bundle, ``activate`` it, ``process`` or ``poll``, all that again, ``close`` (or ``with``).

    **Threads.** ``prepare`` may run in any thread while another one decides, and so may what ``update`` has to make.
    Everything else waits for the batch that is being decided, so a swap falls between two batches and nothing is
    unloaded while it runs.

    **Generations** are given by the controller, from 1 to GENERATION_MAX, each larger than the one before; 0 before the
    first. ``activate`` takes what this device's ``prepare`` returned, once. ``update`` changes the rows of all tables
    named in the edit at once. If one of the three raises, what ran before goes on as it was.

    **Deciding.** ``process`` decides a batch, in order, on a device that does not own its ingress; a batch may be
    empty. ``poll`` gives the next events with their decisions on every device: those that a card received, or the next
    batch of the iterator that was given to ``attach``; None if there are none now (a card) or no more (``attach``).

    **Counters** have one epoch on every device: they count from the last ``activate``. An ``update`` does not reset
    them. Every device has ``batches``, ``events`` and ``punted`` (events left to the host), which are 0 before the
    first ``activate``; others are its own (cycles, beats …). The accounting of matches is the session's.

    Raises DeviceError for what cannot be done, and for a call in the wrong order."""

    @property
    def engine(self) -> Engine: ...
    @property
    def name(self) -> str: ...
    @property
    def generation(self) -> int: ...
    def capabilities(self) -> Capabilities: ...
    def prepare(self, bundle: Bundle) -> Prepared: ...
    def activate(self, prepared: Prepared, generation: int) -> None: ...
    def update(self, edit: TableEdit, generation: int) -> None: ...
    def attach(self, batches: Iterator[EventBatch]) -> None: ...
    def process(self, batch: EventBatch) -> Decisions: ...
    def poll(self) -> Decided | None: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Device: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def start(device: Device, bundle: Bundle, generation: int | None = None) -> None:
    """Prepares the bundle and activates it, by default as the generation after the device's."""
    prepared = device.prepare(bundle)
    try:
        device.activate(prepared, device.generation + 1 if generation is None else generation)
    except BaseException:
        prepared.close()
        raise


def _nothing() -> str | None:
    return None


def _never(bundle: Bundle) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """What a package registers. ``label``: one line for people. ``make`` opens a device. ``needs``: the files of a
    bundle that it loads. ``missing``: what has to be installed before it can be used, and how; None if nothing is.
    ``carried``: whether a bundle brings what makes up for that."""

    label: str
    make: Callable[[], Device]
    needs: tuple[str, ...] = ()
    missing: Callable[[], str | None] = _nothing
    carried: Callable[[Bundle], bool] = _never


DEVICES = Registry("sevenm.devices", "device", DeviceKind)
"""Every device that an installed package registers."""
