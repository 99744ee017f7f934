"""The pcapng format: sections of blocks. Packets are indexed in C or Python; sections and interfaces only here.

One idea: the blocks that change how packets are read (section header, interface description) are rare, so the
indexer stops at each and this file reads it; both indexers then see the same table of interfaces.
Standard: draft-ietf-opsawg-pcapng. Read are section headers, interface descriptions with if_tsresol and if_tsoffset,
enhanced, simple and obsolete packet blocks; blocks of other types are skipped. A simple packet has no timestamp: 0.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from sevenm.host.capture.format import (
    BLOCK_MAX,
    CAP_MAX,
    Facts,
    FormatError,
    Interface,
    Status,
    Step,
    Table,
    c_step,
    check_link,
    fill,
    link_name,
    too_long,
)
from sevenm.host.engine.ingress import CaptureIngress
from sevenm.host.native import native

MAGIC = b"\x0a\x0d\x0d\x0a"
SECTION, INTERFACE, PACKET, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
INTERFACES_MAX = 1024
"""Interfaces in one section."""
FACTS_MAX = 4096
"""Interfaces that the facts list, over all sections."""
OPTION_TSRESOL, OPTION_TSOFFSET = 9, 14


class Described(NamedTuple):
    """What an interface description says; ``sm_interface`` of csrc/index.h."""

    offset_s: int
    link: int
    snaplen: int
    exponent: int
    binary: int


_C_INTERFACE = struct.Struct("<qIIII")


class Pcapng:
    """Starts before the first section header. ``link_type`` is that of the first interface."""

    def __init__(self, use_native: bool) -> None:
        self.big = False
        self.link: int | None = None
        self.interfaces: list[Described] = []
        self._table = bytearray(INTERFACES_MAX * _C_INTERFACE.size)
        self.facts = Facts("pcapng")
        self.use_native = use_native

    @property
    def count(self) -> int:
        """Interfaces described in this section."""
        return len(self.interfaces)

    @property
    def link_type(self) -> int | None:
        return self.link

    def index(self, buffer: memoryview, start: int, end: int, events: Table) -> Step:
        link = self.link or 0
        if self.use_native:
            table = native().ffi.from_buffer("sm_interface[]", self._table)
            return c_step("sm_index_pcapng", buffer, start, end, self.big, table, self.count, link, events=events)
        return self._index(buffer, start, end, link, events)

    def describe(self, ingress: CaptureIngress) -> None:
        table = native().ffi.from_buffer("sm_interface[]", self._table)
        ingress.describe(self.big, link=self.link or 0, interfaces=table, count=self.count)

    def _index(self, data: memoryview, at: int, end: int, link: int, events: Table) -> Step:
        order = ">" if self.big else "<"
        rows: list[tuple[int, int, int, int]] = []
        clamped = need = found = 0
        status = Status.FULL
        while len(rows) < len(events):
            if end - at < 8:
                need, status = 12, Status.MORE
                break
            kind, total = struct.unpack_from(order + "II", data, at)
            if kind in (SECTION, INTERFACE):
                status = Status.CONTROL
                break
            if total < 12 or total % 4 or total > BLOCK_MAX:
                found, status = total, Status.BLOCK
                break
            if end - at < total:
                need, status = total, Status.MORE
                break
            (trailer,) = struct.unpack_from(order + "I", data, at + total - 4)
            if trailer != total:
                found, status = trailer, Status.TRAILER
                break
            if kind not in (ENHANCED, PACKET, SIMPLE):
                at += total
                continue
            overhead = 16 if kind == SIMPLE else 32
            if total < overhead:
                found, status = total, Status.BLOCK
                break
            number = 0
            if kind != SIMPLE:
                (number,) = struct.unpack_from(order + ("H" if kind == PACKET else "I"), data, at + 8)
            if number >= self.count:
                found, status = number, Status.INTERFACE
                break
            interface = self.interfaces[number]
            if interface.link != link:
                found, status = number, Status.LINK
                break
            ts_ns = 0
            if kind == SIMPLE:
                (wire_len,) = struct.unpack_from(order + "I", data, at + 8)
                cap_len = min(wire_len, interface.snaplen or wire_len)
            else:
                high, low, cap_len, wire_len = struct.unpack_from(order + "IIII", data, at + 12)
                ts_ns = nanoseconds(high << 32 | low, interface)
            if cap_len > CAP_MAX:
                found, status = cap_len, Status.TOO_LONG
                break
            if cap_len > total - overhead:
                found, status = cap_len, Status.OUTSIDE
                break
            clamped += wire_len < cap_len
            rows.append((at + overhead - 4, ts_ns, cap_len, max(wire_len, cap_len)))
            at += total
        fill(events, rows)
        return Step(at, need, found, clamped, len(rows), status)

    def control(self, buffer: memoryview, start: int, end: int) -> Step:
        """Reads the section header or interface description at ``start``."""
        if end - start < 12:
            return _more(start, 12)
        head = buffer[start : start + 12].tobytes()
        if head[:4] == MAGIC:
            orders = {b"\x4d\x3c\x2b\x1a": False, b"\x1a\x2b\x3c\x4d": True}
            if head[8:] not in orders:
                raise FormatError(
                    f"byte-order magic {head[8:].hex(' ')}, expected 1a 2b 3c 4d in either order; the section header "
                    "is damaged",
                    start + 8,
                )
            big = orders[head[8:]]
        else:
            big = self.big
        (total,) = struct.unpack_from(">I" if big else "<I", head, 4)
        least = 28 if head[:4] == MAGIC else 20
        if total < least or total % 4 or total > BLOCK_MAX:
            raise FormatError(_block_text(total), start)
        if end - start < total:
            return _more(start, total)
        block = buffer[start : start + total].tobytes()
        (trailer,) = struct.unpack_from(">I" if big else "<I", block, total - 4)
        if trailer != total:
            raise FormatError(_trailer_text(trailer), start)
        if head[:4] == MAGIC:
            self._section(block, big, start)
        else:
            self._interface(block, start)
        return Step(start + total, 0, 0, 0, 0, Status.FULL)

    def _section(self, block: bytes, big: bool, start: int) -> None:
        major, minor = struct.unpack_from(">HH" if big else "<HH", block, 12)
        if major != 1 or minor not in (0, 2):
            raise FormatError(
                f"pcapng version {major}.{minor}, expected 1.0; convert it with editcap -F pcapng", start + 12
            )
        self.big = big
        self.interfaces.clear()
        self.facts.sections += 1
        self.facts.byte_order = "big" if big else "little"

    def _interface(self, block: bytes, start: int) -> None:
        if self.count == INTERFACES_MAX:
            raise FormatError(f"more than {INTERFACES_MAX} interfaces in one section; split the capture", start)
        order = ">" if self.big else "<"
        link, _, snaplen = struct.unpack_from(order + "HHI", block, 8)
        exponent, binary, offset_s = _clock(block, order, start)
        if self.link is None:
            try:
                check_link(link)
            except FormatError as error:
                raise FormatError(str(error), start + 8) from None
            self.link = link
        described = Described(offset_s, link, snaplen, exponent, binary)
        _C_INTERFACE.pack_into(self._table, self.count * _C_INTERFACE.size, *described)
        self.interfaces.append(described)
        if len(self.facts.interfaces) < FACTS_MAX:
            resolution = f"2^-{exponent}" if binary else f"1e-{exponent:02}"
            self.facts.interfaces.append(Interface(link, snaplen, resolution, offset_s))

    def explain(self, step: Step) -> str:
        damaged = "the file is damaged from here on"
        match step.status:
            case Status.TOO_LONG:
                return too_long(step.found)
            case Status.BLOCK:
                return _block_text(step.found)
            case Status.TRAILER:
                return _trailer_text(step.found)
            case Status.OUTSIDE:
                return f"a packet of {step.found} captured bytes, more than its block holds; {damaged}"
            case Status.INTERFACE:
                return f"a packet of interface {step.found}, of {self.count} described in this section; {damaged}"
        link = self.interfaces[step.found].link
        return (
            f"a packet of interface {step.found} with link type {link_name(link)}, expected "
            f"{link_name(self.link or 0)} as on the first interface; split the capture by interface "
            "(tshark -Y 'frame.interface_id == 0' -w OUT)"
        )


def nanoseconds(ticks: int, interface: Described) -> int:
    """Ticks of an interface's clock as nanoseconds since 1970, held between 0 and 2**64 - 1."""
    exponent = interface.exponent
    base = 2 if interface.binary else 10
    time = ticks * 10**9 // int(base**exponent)
    return min(max(time + interface.offset_s * 10**9, 0), 2**64 - 1)


def _more(start: int, need: int) -> Step:
    return Step(start, need, 0, 0, 0, Status.MORE)


def _block_text(found: int) -> str:
    expected = f"a multiple of 4 from 12 to {BLOCK_MAX} that fits its type"
    return f"a block of {found} bytes, expected {expected}; the file is damaged from here on"


def _trailer_text(found: int) -> str:
    return (
        f"a block that ends with length {found}, expected the length it starts with; the file is damaged from here on"
    )


def _clock(block: bytes, order: str, start: int) -> tuple[int, int, int]:
    """(exponent, binary, offset in s) from the options of an interface description."""
    exponent, binary, offset_s = 6, 0, 0
    at, end = 16, len(block) - 4
    while end - at >= 4:
        code, length = struct.unpack_from(order + "HH", block, at)
        if code == 0:
            break
        value = block[at + 4 : at + 4 + length]
        if at + 4 + length > end:
            raise FormatError(
                f"option {code} of {length} bytes is longer than its block; the file is damaged", start + at
            )
        wanted = {OPTION_TSRESOL: 1, OPTION_TSOFFSET: 8}.get(code, length)
        if length != wanted:
            raise FormatError(f"option {code} has {length} bytes, expected {wanted}; the file is damaged", start + at)
        if code == OPTION_TSRESOL:
            exponent, binary = value[0] & 0x7F, value[0] >> 7
        elif code == OPTION_TSOFFSET:
            (offset_s,) = struct.unpack(order + "q", value)
        at += 4 + (length + 3) // 4 * 4
    return exponent, binary, offset_s
