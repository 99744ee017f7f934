"""The Device interface: what matches events, whatever it is made of.

One idea: an application cannot tell which device it runs on, except by asking. Generated C
(``sevenm.host.devices.host``), the NumPy reference and the RTL model (``sevenm.sim``) are devices; so is a network
card.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from sevenm.host.batch import EventBatch
    from sevenm.host.bundle import Bundle
    from sevenm.host.engine.decisions import Decisions
    from sevenm.host.ring.record import Engine


class DeviceError(RuntimeError):
    """The device cannot do what was asked; the message says why and what to do."""


@runtime_checkable
class Device(Protocol):
    """Life: ``load`` a bundle, ``start``, ``process`` any number of batches, ``close`` (also by ``with``).

    ``load`` may be called again with another bundle; every load counts the generation up, starting from 1.
    ``process`` is synchronous and keeps the order of events. It raises DeviceError before ``start``.
    ``counters`` are the device's own (cycles, batches, beats …), by name; the accounting of events is the session's.
    """

    @property
    def engine(self) -> Engine: ...
    @property
    def name(self) -> str: ...
    @property
    def generation(self) -> int: ...
    def load(self, bundle: Bundle) -> None: ...
    def start(self) -> None: ...
    def process(self, batch: EventBatch) -> Decisions: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Device: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
