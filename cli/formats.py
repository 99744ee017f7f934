"""What `sevenm subscribe` writes records as: lines for people, JSON lines, CSV, a capture, or an Arrow stream.

One idea: a sink takes one batch of a ring at a time and keeps nothing of it. Every format says the same of a record;
only a capture cannot say which rule it was.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import click
import numpy as np
from numpy.typing import NDArray

from sevenm.arrow import pyarrow, to_arrow
from sevenm.events import batch_of_records
from sevenm.host.capture.format import LINK_ETHERNET, LINK_USER0
from sevenm.host.capture.writer import CaptureWriter
from sevenm.records import Meaning, Plain, engine_name, flag_names

from . import output
from .describe import HEAD_MAX, packet, timestamp
from .errors import Exit, Failure

ENDINGS = {".txt": "table", ".jsonl": "jsonl", ".csv": "csv", ".pcap": "pcap", ".arrow": "arrow", ".arrows": "arrow"}
"""What a file is written as if nothing is said of it."""
BINARY = ("pcap", "arrow")
BYTES_SHOWN = 24
"""Bytes of a record in a line for people, where nobody says what they mean."""
Records = NDArray[np.void]


class Sink(Protocol):
    """``write`` takes a batch, which is given back to the ring afterwards. ``close`` ends the file."""

    def write(self, records: Records) -> None: ...
    def close(self) -> None: ...


def format_of(name: str | None, target: str) -> str:
    """The format that was asked for, else that of the file's ending, else a table. Raises Failure where a file does
    not say it, or a terminal would get bytes."""
    if name is None:
        ending = Path(target).suffix
        if target != "-" and ending not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise Failure(f"-w {target}: say --format, or end the name in one of {known}", Exit.USAGE)
        name = "table" if target == "-" else ENDINGS[ending]
    if name in BINARY and target == "-" and sys.stdout.isatty():
        raise Failure(f"standard output is a terminal; give a file for {name}: -w FILE", Exit.USAGE)
    return name


def open_sink(name: str, target: str, meaning: Meaning, records: Records, packets: bool) -> Sink:
    """A sink of that format; "-" is standard output. ``records``: none, of the ring's dtype. ``packets``: whether the
    ring has frames. Raises CaptureError or OSError if the file cannot be written, MissingExtra for Arrow."""
    if name == "pcap":
        return _Capture(target, LINK_ETHERNET if packets else LINK_USER0)
    if name == "arrow":
        return _Arrow(target, meaning, records)
    text: dict[str, Callable[[str, Meaning, bool], Sink]] = {"table": _Table, "jsonl": _JsonLines, "csv": _Csv}
    return text[name](target, meaning, packets)


class _Capture:
    def __init__(self, target: str, link_type: int) -> None:
        self._writer = CaptureWriter(target, link_type)

    def write(self, records: Records) -> None:
        self._writer.write(batch_of_records(records))

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    """An IPC stream, which needs no end to be read."""

    def __init__(self, target: str, meaning: Meaning, records: Records) -> None:
        pa = pyarrow()
        self._meaning, self._target = meaning, target
        self._file = _open(target)
        self._stream = pa.ipc.new_stream(self._file, to_arrow(records, meaning).schema)

    def write(self, records: Records) -> None:
        with _naming(self._target):
            self._stream.write_batch(to_arrow(records, self._meaning))
            self._file.flush()

    def close(self) -> None:
        with _naming(self._target):
            self._stream.close()
            _close(self._file)


class _Text(ABC):
    """One text per record."""

    def __init__(self, target: str, meaning: Meaning, packets: bool) -> None:
        self.meaning, self.packets = meaning, packets
        self.about = "info" if packets else (None if meaning.types else "data")
        """What a packet is in a few words, or the bytes of a record that nobody knows the fields of."""
        self._target, self._file = target, _open(target)
        self._put(self.head())

    def head(self) -> str:
        return ""

    @abstractmethod
    def line(self, record: dict[str, Any], fields: dict[str, Plain | None], about: str) -> str: ...

    def write(self, records: Records) -> None:
        self._put("".join(self.line(*said) for said in self._said(records)))

    def close(self) -> None:
        _close(self._file)

    def _put(self, text: str) -> None:
        with _naming(self._target):
            self._file.write(text.encode("utf-8", "backslashreplace"))
            self._file.flush()

    def _said(self, records: Records) -> Iterator[tuple[dict[str, Any], dict[str, Plain | None], str]]:
        """Of each record: its header, its fields, and the line that describes a packet, or the bytes of a record."""
        columns = self.meaning.plain(records)
        names = [name for name in records.dtype.names or () if name not in ("data", "reserved")]
        heads = zip(*(records[name].tolist() for name in names), strict=True)
        batch = batch_of_records(records)
        for number, head in enumerate(heads):
            record = dict(zip(names, head, strict=True))
            data = batch.data(number)
            about = packet(data[:HEAD_MAX]) if self.packets else data.hex()
            yield record, {name: values[number] for name, values in columns.items()}, about


class _JsonLines(_Text):
    def line(self, record: dict[str, Any], fields: dict[str, Plain | None], about: str) -> str:
        out = {
            "seq": record["seq"],
            "ts_ns": record["ts_ns"],
            "time": timestamp(record["ts_ns"]),
            "rule": record["rule"],
            "name": self.meaning.rule(record["rule"]),
            "generation": record["generation"],
            "wire_len": record["wire_len"],
            "cap_len": record["cap_len"],
            "engine": engine_name(record["engine"]),
            "source": record["source"],
            "flags": flag_names(record["flags"]),
        }
        if self.about is not None:
            out[self.about] = about
        if self.meaning.types:
            out["fields"] = fields
        return json.dumps(out) + "\n"


class _Csv(_Text):
    HEAD = ("seq", "time", "rule", "name", "generation", "wire_len", "cap_len", "engine", "source", "flags")

    def head(self) -> str:
        return self._row([*self.HEAD, *filter(None, [self.about]), *self.meaning.types])

    def line(self, record: dict[str, Any], fields: dict[str, Plain | None], about: str) -> str:
        return self._row(
            [
                record["seq"],
                timestamp(record["ts_ns"]),
                record["rule"],
                self.meaning.rule(record["rule"]),
                record["generation"],
                record["wire_len"],
                record["cap_len"],
                engine_name(record["engine"]),
                record["source"],
                " ".join(flag_names(record["flags"])),
                *([] if self.about is None else [about]),
                *fields.values(),
            ]
        )

    def _row(self, values: list[Any]) -> str:
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(values)
        return out.getvalue()


class _Table(_Text):
    def head(self) -> str:
        self._width = max([len("rule"), *map(len, self.meaning.rules)])
        what = "packet" if self.packets else (self.about or "fields")
        text = f"{'seq':>8}  {'time':30}  {'rule':{self._width}}  {'gen':>4}  {'bytes':>5}  {'flags':5}  {what}"
        plain = self._file is not sys.stdout.buffer or not sys.stdout.isatty() or output.plain()
        return (text if plain else click.style(text, bold=True)) + "\n"

    def line(self, record: dict[str, Any], fields: dict[str, Plain | None], about: str) -> str:
        rule = self.meaning.rule(record["rule"]) or str(record["rule"])
        flags = "".join(name[0].upper() for name in flag_names(record["flags"])) or "-"
        named = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        if not self.packets:
            about = "" if self.about is None else about[: 2 * BYTES_SHOWN]
        what = output.clean("  ".join(filter(None, (about, named))))
        text = (
            f"{record['seq']:8}  {timestamp(record['ts_ns']):30}  {rule:{self._width}}  {record['generation']:4}  "
            f"{record['wire_len']:5}  {flags:5}  {what}"
        )
        return text.rstrip() + "\n"


def _open(target: str) -> IO[bytes]:
    return sys.stdout.buffer if target == "-" else Path(target).open("wb")


@contextmanager
def _naming(target: str) -> Iterator[None]:
    """A file that cannot be written on is named: the system's own error does not say which it was."""
    try:
        yield
    except OSError as error:
        if error.filename is None and target != "-":
            error.filename = target
        raise


def _close(file: IO[bytes]) -> None:
    if file is not sys.stdout.buffer:
        file.close()
