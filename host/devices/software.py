"""What devices that decide batches in this process have in common: generations, swaps, counters, attached events.

One idea: one lock, held while a batch is decided and while anything is swapped. So a swap falls between two batches,
and what is replaced is closed when nothing runs in it. What takes time, new rules and new rows, is made without it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Generic, Protocol, TypeVar

import numpy as np

from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.closing import Closing
from sevenm.host.devices.device import GENERATION_MAX, Capabilities, Decided, DeviceError, Prepared, TableEdit
from sevenm.host.engine.decisions import Decisions
from sevenm.host.ring.record import Engine
from sevenm.tables import Change, Row, Shape, TableError


class Runner(Prepared, Protocol):
    """A prepared bundle that decides batches; ``counters`` are its own, from when it was prepared. ``edit`` makes other
    rows of tables beside those in use, and returns what puts all of them in place; it is called only where the device
    has ``live_update``, one call after the other, and raises DeviceError or TableError where they do not fit."""

    bundle: Bundle

    def run(self, batch: EventBatch) -> Decisions: ...
    def counters(self) -> dict[str, int]: ...
    def edit(self, edit: TableEdit) -> Callable[[], None]: ...


R = TypeVar("R", bound=Runner)


class NoEdit:
    """For runners whose rows are built in."""

    def edit(self, edit: TableEdit) -> Callable[[], None]:
        raise DeviceError("these rules cannot change their rows")


def check_edit(bundle: Bundle, edit: TableEdit) -> None:
    """Raises DeviceError if the edit is for other rules, or for tables that these have not got."""
    if edit.structure != bundle.structure:
        raise DeviceError(f"the edit is for rules of structure {edit.structure}, these are of {bundle.structure}")
    if edit.bundle is not None and edit.bundle.structure != edit.structure:
        raise DeviceError(
            f"the edit is for rules of structure {edit.structure}, its bundle is of {edit.bundle.structure}"
        )
    for number in edit.rows:
        if not 0 <= number < len(bundle.shapes):
            raise DeviceError(f"there is no table {number}; {bundle.name} has {len(bundle.shapes)}")


def whole_rows(shape: Shape, rows: Sequence[Row], edit: Sequence[Row] | Change) -> tuple[Row, ...]:
    """All rows of a table that has ``rows``, after an edit, in the order that counts: for devices that load a table
    whole. Raises TableError where the edit does not fit."""
    return shape.changed(rows, edit) if isinstance(edit, Change) else shape.read(edit)


class SoftwareDevice(Closing, Generic[R]):
    """A ``Device`` of the kind that ``_prepare`` makes runners for."""

    engine: Engine
    name: str
    kind: type[R]

    def __init__(self) -> None:
        self.generation = 0
        self._lock, self._editing = Lock(), Lock()
        self._runner: R | None = None
        self._batches = self._events = self._punted = 0
        self._source: Iterator[EventBatch] = iter(())

    @abstractmethod
    def prepare(self, bundle: Bundle) -> R:
        """As ``Device.prepare``."""

    def capabilities(self) -> Capabilities:
        return Capabilities()

    def activate(self, prepared: Prepared, generation: int) -> None:
        if not isinstance(prepared, self.kind):
            raise DeviceError(f"the device {self.name} activates what its own prepare returned, not {prepared!r}")
        with self._lock:
            self._check(generation)
            if prepared is self._runner:
                raise DeviceError(f"the device {self.name} runs this already; prepare the bundle again")
            old, self._runner = self._runner, prepared
            self.generation = generation
            self._batches = self._events = self._punted = 0
            if old is not None:
                old.close()

    def update(self, edit: TableEdit, generation: int) -> None:
        if not self.capabilities().live_update:
            raise DeviceError(f"the device {self.name} cannot change rows; prepare and activate a bundle that has them")
        with self._editing:
            with self._lock:
                runner = self._active()
                self._check(generation)
            check_edit(runner.bundle, edit)
            try:
                put = runner.edit(edit)
            except TableError as error:
                raise DeviceError(str(error)) from error
            with self._lock:
                if self._runner is not runner:
                    raise DeviceError("other rules were activated while the edit was made; edit those")
                self._check(generation)
                put()
                if edit.bundle is not None:
                    runner.bundle = edit.bundle
                self.generation = generation

    def attach(self, batches: Iterator[EventBatch]) -> None:
        self._source = batches

    def process(self, batch: EventBatch) -> Decisions:
        return self._decide(batch)[0]

    def poll(self) -> Decided | None:
        batch = next(self._source, None)
        return None if batch is None else Decided(batch, *self._decide(batch))

    def counters(self) -> dict[str, int]:
        """``batches``, ``events`` and ``punted`` since the last ``activate``, then the runner's own."""
        with self._lock:
            own = {} if self._runner is None else self._runner.counters()
            return {"batches": self._batches, "events": self._events, "punted": self._punted, **own}

    def close(self) -> None:
        with self._lock:
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.close()

    def _decide(self, batch: EventBatch) -> tuple[Decisions, int]:
        with self._lock:
            runner = self._active()
            decisions = runner.run(batch)
            decisions.generation, decisions.bundle = self.generation, runner.bundle
            self._batches += 1
            self._events += len(batch)
            self._punted += int(np.count_nonzero(decisions.punt))
            return decisions, self.generation

    def _active(self) -> R:
        """The active rules; the lock is held."""
        if self._runner is None:
            raise DeviceError(f"the device {self.name} has no rules; prepare a bundle and activate it")
        return self._runner

    def _check(self, generation: int) -> None:
        if not self.generation < generation <= GENERATION_MAX:
            raise DeviceError(
                f"generation must be {self.generation + 1} to {GENERATION_MAX}, later than the last, not {generation}"
            )
