"""The classic pcap format: a header of 24 bytes, then records. Micro- and nanosecond, both byte orders.

One idea: indexing is a chain of 16-byte record headers, followed in C where there is a C runtime and in Python where
there is not. Standard: draft-ietf-opsawg-pcap. The length of a frame check sequence, which the link type field may
state, is not taken off the frames.
"""

from __future__ import annotations

import struct

from sevenm.host.capture.format import (
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
    too_long,
)
from sevenm.host.engine.ingress import CaptureIngress

HEADER = 24
MAGIC = {
    b"\xd4\xc3\xb2\xa1": (False, False),
    b"\xa1\xb2\xc3\xd4": (True, False),
    b"\x4d\x3c\xb2\xa1": (False, True),
    b"\xa1\xb2\x3c\x4d": (True, True),
}
"""First four bytes -> (big endian, nanoseconds)."""


class Classic:
    """Raises FormatError for a header of another version or with a link type that is not supported."""

    def __init__(self, header: bytes, use_native: bool) -> None:
        self.big, self.nano = MAGIC[header[:4]]
        major, minor, _zone, _accuracy, snaplen, link = struct.unpack(">HHiIII" if self.big else "<HHiIII", header[4:])
        if (major, minor) != (2, 4):
            raise FormatError(f"pcap version {major}.{minor}, expected 2.4; convert it with editcap -F pcapng", 4)
        self.link: int = link & 0x03FFFFFF  # the bits above tell the frame check sequence
        try:
            check_link(self.link)
        except FormatError as error:
            raise FormatError(str(error), 20) from None
        self.facts = Facts(
            "pcap",
            "big" if self.big else "little",
            [Interface(self.link, snaplen, "1e-09" if self.nano else "1e-06")],
            sections=1,
        )
        self.use_native = use_native

    @property
    def link_type(self) -> int | None:
        return self.link

    def index(self, buffer: memoryview, start: int, end: int, events: Table) -> Step:
        if self.use_native:
            return c_step("sm_index_pcap", buffer, start, end, self.big, self.nano, events=events)
        return self._index(buffer, start, end, events)

    def describe(self, ingress: CaptureIngress) -> None:
        ingress.describe(self.big, nano=self.nano)

    def _index(self, data: memoryview, at: int, end: int, events: Table) -> Step:
        head = struct.Struct(">IIII" if self.big else "<IIII")
        unit = 1 if self.nano else 1000
        rows: list[tuple[int, int, int, int]] = []
        clamped = need = found = 0
        status = Status.FULL
        while len(rows) < len(events):
            if end - at < 16:
                need, status = 16, Status.MORE
                break
            seconds, fraction, cap_len, wire_len = head.unpack_from(data, at)
            if cap_len > CAP_MAX:
                found, status = cap_len, Status.TOO_LONG
                break
            if end - at - 16 < cap_len:
                need, status = 16 + cap_len, Status.MORE
                break
            clamped += wire_len < cap_len
            rows.append((at + 16, seconds * 10**9 + fraction * unit, cap_len, max(wire_len, cap_len)))
            at += 16 + cap_len
        fill(events, rows)
        return Step(at, need, found, clamped, len(rows), status)

    def control(self, buffer: memoryview, start: int, end: int) -> Step:
        raise AssertionError("a pcap has no control blocks")

    def explain(self, step: Step) -> str:
        return too_long(step.found)
