"""Where events come from: the interface of an open ingress, and the kinds there are.

One idea: whatever a source is, it gives batches of events in order. A kind knows how to open one from what a person
writes after ``-r``; pcap files and files of bare records are kinds (``sevenm.host.capture.kinds``), and so is whatever
another package registers under ``sevenm.ingress``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sevenm.boundary import CAPTURE_MAX
from sevenm.host.registry import Registry

if TYPE_CHECKING:
    from sevenm.host.batch import EventBatch
    from sevenm.host.live.split import Split


class Ingress(Protocol):
    """An open source of events. ``link_type`` is 1 for Ethernet frames, 147 for bare records.

    ``size`` and ``position`` are for progress, in units of the source (bytes of a file): how much there is, None if
    that is not known, and how far it is. ``warnings`` says, after the last batch, which defects the source had."""

    @property
    def name(self) -> str: ...
    @property
    def link_type(self) -> int: ...
    @property
    def size(self) -> int | None: ...
    @property
    def position(self) -> int: ...
    def batches(self, max_events: int = ..., max_bytes: int = ..., source: int = ...) -> Iterator[EventBatch]: ...
    def warnings(self) -> list[str]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How to receive. ``promiscuous``: frames for others too. ``snap``: bytes of a frame that are kept, at most.
    ``hardware_time``: the interface's own timestamps, where it has them."""

    promiscuous: bool = True
    snap: int = CAPTURE_MAX
    hardware_time: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the rules are on: frames, or records of ``record_size`` bytes (None for frames), whose layout has the hash
    ``layout_hash``, 0 for frames."""

    record_size: int | None = None
    layout_hash: int = 0
    live: LiveOptions = LiveOptions()


def _nothing() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class IngressKind:
    """``label``: one line for people. ``open`` gives the source that the text names; it raises CaptureError or OSError.
    ``missing``: what has to be installed before it can be used, None if nothing is. ``live``: it opens a
    ``sevenm.host.live.live.LiveIngress``, and is named by ``-i`` instead of ``-r``. ``split`` opens it in so many
    parts, one for each worker, where its events can be shared out so that a flow stays whole; None: they cannot."""

    label: str
    open: Callable[[str, Wanted], Ingress]
    missing: Callable[[], str | None] = _nothing
    live: bool = False
    split: Callable[[str, Wanted, int], Split] | None = None


INGRESS = Registry("sevenm.ingress", "ingress", IngressKind)
"""Every kind of ingress that an installed package registers."""
