"""Events from whatever holds them: bytes, arrays, records out of a ring, files, anything that gives batches.

One idea: everything becomes batches that lie where the bytes already are; only what has no buffer of its own is copied.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sevenm.compiler.plan import Plan
from sevenm.host.batch import EVENT, EventBatch
from sevenm.host.capture.format import LINK_ETHERNET, NO_PACKETS, CaptureError
from sevenm.host.capture.pcap_classic import MAGIC as CLASSIC_MAGIC
from sevenm.host.capture.pcapng import MAGIC as PCAPNG_MAGIC
from sevenm.host.devices.device import DeviceUnavailable
from sevenm.host.ingress import INGRESS, Ingress, IngressKind, LiveOptions, Wanted
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.split import Split
from sevenm.host.registry import RegistryError

CAPTURE, RECORDS, PACKET = "capture", "records", "packet"
MAGICS = (*CLASSIC_MAGIC, PCAPNG_MAGIC)
TOGETHER = 4096
"""Byte strings that are packed into one batch."""

Events: TypeAlias = (
    bytes | bytearray | memoryview | str | PathLike[str] | NDArray[Any] | EventBatch | Ingress | Iterable[bytes]
)
"""What can be matched. Bytes are one event. A text or a path is a file: a capture, or, for rules on records, bare
records. An array is a run of records: those that a ring's reader gives, records of the rules' schema, or rows of bytes.
Anything else gives byte strings, one an event."""


class CaptureWarning(UserWarning):
    """A file could be read, but something is wrong with it."""


def open_events(source: str, plan: Plan, ingress: str | None = None) -> Ingress:
    """The events that ``source`` names, through the registered ingress of that name; by default a capture, but for
    rules on records bare records where the file does not begin like a capture. "-" is standard input.

    Raises CaptureError for what cannot be read or is not what the rules are on, RegistryError, DeviceUnavailable."""
    name = ingress or _guess(source, plan)
    kind = _kind(name)
    if kind.live:
        raise CaptureError(f"{source}: {name} is a live ingress, not a file; say -i {name}:{source} instead of -r")
    hint = "; if it holds bare records, say --ingress records" if ingress is None and plan.source == "record" else ""
    try:
        reader = kind.open(source, _wanted(plan))
    except CaptureError as error:
        raise CaptureError(f"{error}{hint}") from error
    try:
        _check_link(reader, plan, hint)
    except CaptureError:
        reader.close()
        raise
    return reader


def open_live(spec: str, plan: Plan, options: LiveOptions | None = None) -> LiveIngress:
    """The live ingress that ``spec`` names: ``KIND:NAME`` with a kind that `sevenm devices` lists as live, or the name
    of an interface. It receives from ``begin`` on.

    Raises CaptureError for what cannot be opened or is not what the rules are on, RegistryError, DeviceUnavailable."""
    name, source, kind = _live_kind(spec)
    reader = kind.open(source, _wanted(plan, options or LiveOptions()))
    if not isinstance(reader, LiveIngress):
        reader.close()
        raise RegistryError(f"{INGRESS.entries()[name][0]}: opens a {type(reader).__name__}, which is no LiveIngress")
    try:
        _check_link(reader, plan, "")
    except CaptureError:
        reader.close()
        raise
    return reader


def open_split(spec: str, plan: Plan, parts: int, options: LiveOptions | None = None) -> Split:
    """The same in so many parts, one for each worker, that share out what comes by flows.

    Raises CaptureError for what cannot be split, and what ``open_live`` raises."""
    name, source, kind = _live_kind(spec)
    if kind.split is None:
        raise CaptureError(
            f"{spec}: what comes by {name} cannot be shared out to several workers; that of "
            f"{', '.join(_splitting())} can; leave --workers out"
        )
    made = kind.split(source, _wanted(plan, options or LiveOptions()), parts)
    try:
        _check_link(made, plan, "")
    except CaptureError:
        made.close()
        raise
    return made


def _live_kind(spec: str) -> tuple[str, str, IngressKind]:
    """The kind's name, what it is to open, and the kind."""
    head, colon, rest = spec.partition(":")
    registered = INGRESS.names()
    name, source = (head, rest) if colon and head in registered else (PACKET, spec)
    kind = _kind(name)
    if not kind.live:
        raise CaptureError(f"{spec}: {name} is not a live ingress; say -r {source or 'FILE'} --ingress {name}")
    if not source:
        raise CaptureError(f"{spec}: expected {name}:NAME, for example {name}:eth0")
    return name, source, kind


def _splitting() -> list[str]:
    """The kinds that can be split, of those that can be loaded."""
    out = []
    for name in INGRESS.names():
        with suppress(RegistryError):
            out += [name] if INGRESS.load(name).split is not None else []
    return out


def _kind(name: str) -> IngressKind:
    kind = INGRESS.load(name)
    lacks = kind.missing()
    if lacks is not None:
        raise DeviceUnavailable(f"the ingress {name} is not available: {lacks}")
    return kind


def _wanted(plan: Plan, live: LiveOptions | None = None) -> Wanted:
    wanted = Wanted() if plan.source == "packet" else Wanted(plan.layouts[0].size, plan.layouts[0].hash)
    return wanted if live is None else replace(wanted, live=live)


def batches_of(events: Events, plan: Plan) -> Iterator[EventBatch]:
    """The events in order, in batches; defects of a file are warnings. Raises what ``open_events`` does, ValueError for
    an array that holds no events of these rules, TypeError for what holds no byte strings."""
    if isinstance(events, EventBatch):
        yield events
    elif isinstance(events, bytes | bytearray | memoryview):
        yield EventBatch.from_bytes([bytes(events)])
    elif isinstance(events, np.ndarray):
        yield batch_of_array(events, plan)
    elif isinstance(events, str | PathLike):
        reader = open_events(fspath(events), plan)
        try:
            yield from reader.batches()
            for defect in reader.warnings():
                warnings.warn(f"{reader.name}: {defect}", CaptureWarning, stacklevel=2)
        finally:
            reader.close()
    elif isinstance(events, Iterable):
        strings = iter(events)
        while some := list(islice(strings, TOGETHER)):
            yield EventBatch.from_bytes(some)
    else:
        _check_link(events, plan, "")
        yield from events.batches()


def batch_of_array(array: NDArray[Any], plan: Plan) -> EventBatch:
    """The events of an array, in place where it is contiguous.

    (n,) records of a ring: the data of each. (n,) of a structured dtype: each is the bytes of one. (n, size) uint8:
    each row is one. Raises ValueError for another array, or records that are not as long as the rules' schema says."""
    fields = array.dtype.fields
    if array.ndim == 1 and fields is not None and {"data", "cap_len", "wire_len", "ts_ns"} <= fields.keys():
        return batch_of_records(array)
    array = np.ascontiguousarray(array)
    flat, table = _bytes_of(array), np.zeros(len(array) if array.ndim else 0, EVENT)
    if array.ndim == 1 and fields is not None:
        size = array.itemsize
    elif array.ndim == 2 and array.dtype == np.uint8:
        size = array.shape[1]
    else:
        raise ValueError(
            f"an array of events is (n,) of records or (n, size) of uint8, not {array.shape} of {array.dtype}"
        )
    if plan.source == "record" and size != plan.layouts[0].size:
        raise ValueError(f"a record of {plan.layouts[0].name} has {plan.layouts[0].size} bytes, not {size}")
    table["offset"] = np.arange(len(array), dtype=np.uint64) * np.uint64(size)
    table["cap_len"] = table["wire_len"] = size
    return EventBatch(flat, table)


def batch_of_records(records: NDArray[np.void]) -> EventBatch:
    """The data of each of (n,) records of a ring, in place where they are contiguous."""
    records = np.ascontiguousarray(records)
    assert records.dtype.fields is not None
    table = np.zeros(len(records), EVENT)
    table["offset"] = np.arange(len(records)) * records.itemsize + records.dtype.fields["data"][1]
    room = np.uint32(records.dtype["data"].itemsize)
    table["cap_len"] = np.minimum(records["cap_len"], room)
    for name in ("wire_len", "ts_ns"):
        table[name] = records[name]
    return EventBatch(_bytes_of(records), table)


def _bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.view(np.uint8).reshape(-1) if array.size else np.zeros(0, np.uint8)


def _check_link(reader: Ingress | Split, plan: Plan, hint: str) -> None:
    if plan.source == "packet" and reader.link_type != LINK_ETHERNET:
        raise CaptureError(f"{reader.name}: {NO_PACKETS}")
    if plan.source == "record" and reader.link_type == LINK_ETHERNET:
        raise CaptureError(
            f"{reader.name}: holds Ethernet frames, but the rules are on bare records; "
            f"say `over udp.dstport == PORT` in the block if the records come in UDP{hint}"
        )


def _guess(source: str, plan: Plan) -> str:
    """A pipe, or what cannot be read, is taken for a capture."""
    if plan.source == "packet" or source == "-":
        return CAPTURE
    try:
        if not Path(source).is_file():
            return CAPTURE
        with Path(source).open("rb") as file:
            return CAPTURE if file.read(4) in MAGICS else RECORDS
    except OSError:
        return CAPTURE
