"""What both capture formats share: bounds, link types, why indexing stops, and the error.

One idea: a format turns bytes into events in steps. A step says how far it came and why it stopped; reading more,
reporting and batching are the reader's affair (``sevenm.host.capture.pcap``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from sevenm import boundary
from sevenm.host.engine.ingress import CaptureIngress
from sevenm.host.native import native

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Table: TypeAlias = "NDArray[np.void] | list[None]"
"""Room for events: (n,) sm_event, or a list of n where nobody looks at them."""

CAP_MAX = boundary.CAPTURE_MAX
"""Most bytes of one event; libpcap's largest snapshot length."""
BLOCK_MAX = 16 << 20
"""Most bytes of one pcapng block."""

LINK_ETHERNET = 1
LINK_USER0 = 147
"""What sevenm writes bare schema records as."""
NO_PACKETS = "holds schema records, but the rules are on packets"
LINK_NAMES = {
    0: "NULL", 1: "Ethernet", 6: "IEEE802_5", 8: "SLIP", 9: "PPP", 10: "FDDI", 50: "PPP_HDLC", 51: "PPP_ETHER",
    100: "ATM_RFC1483", 101: "RAW", 104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 108: "LOOP", 113: "LINUX_SLL",
    117: "PFLOG", 119: "IEEE802_11_PRISM", 122: "IP_OVER_FC", 127: "IEEE802_11_RADIOTAP", 138: "APPLE_IP_OVER_IEEE1394",
    140: "MTP2", 141: "MTP3", 143: "DOCSIS", 147: "USER0", 148: "USER1", 149: "USER2", 150: "USER3", 151: "USER4",
    152: "USER5", 153: "USER6", 154: "USER7", 155: "USER8", 156: "USER9", 157: "USER10", 158: "USER11", 159: "USER12",
    160: "USER13", 161: "USER14", 162: "USER15", 163: "IEEE802_11_AVS", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX",
    192: "PPI", 195: "IEEE802_15_4_WITHFCS", 197: "ERF", 201: "BLUETOOTH_HCI_H4_WITH_PHDR", 220: "USB_LINUX_MMAPPED",
    227: "CAN_SOCKETCAN", 228: "IPV4", 229: "IPV6", 230: "IEEE802_15_4_NOFCS", 231: "DBUS", 239: "NFLOG",
    247: "INFINIBAND", 249: "USBPCAP", 251: "BLUETOOTH_LE_LL", 253: "NETLINK", 276: "LINUX_SLL2", 277: "Z_WAVE_SERIAL",
}  # fmt: skip


class CaptureError(ValueError):
    """A capture that cannot be read or written on; says which file, where in it, what was expected, what to do."""


class Status(IntEnum):
    """Why a step stopped; the same values as SM_STEP_… in csrc/index.h. From TOO_LONG on they are errors."""

    FULL = 0
    MORE = 1
    CONTROL = 2
    TOO_LONG = 3
    BLOCK = 4
    TRAILER = 5
    OUTSIDE = 6
    INTERFACE = 7
    LINK = 8


class Step(NamedTuple):
    """``position``: first byte not consumed. ``need``: bytes that the record there has, if status is MORE.
    ``found``: the value at fault. ``clamped``: events whose wire length was raised to the captured one."""

    position: int
    need: int
    found: int
    clamped: int
    events: int
    status: Status


@dataclass(slots=True)
class Interface:
    """One interface of a capture. ``resolution`` is the unit of its clock in seconds, as text ("1e-06", "2^-30")."""

    link_type: int
    snaplen: int
    resolution: str
    offset_s: int = 0


@dataclass(slots=True)
class Facts:
    """What a capture says of itself, and what was done about its defects while it was read so far."""

    format: str = ""  # "pcap", "pcapng" or "records"
    byte_order: str = "little"
    interfaces: list[Interface] = field(default_factory=list)
    sections: int = 0
    clamped: int = 0
    """Events that claimed fewer bytes on the wire than were captured; what was captured was on the wire."""
    cut_at: int | None = None
    """Byte at which a record starts that the capture ends in the middle of."""
    cut_bytes: int = 0
    """Bytes there are of that record; it is no event."""

    @property
    def resolution(self) -> str:
        """Unit of the timestamps; several if the interfaces differ."""
        return ", ".join(sorted({i.resolution for i in self.interfaces}))

    def warnings(self) -> list[str]:
        """One sentence for each kind of defect that was found."""
        out = []
        if self.cut_at is not None:
            out.append(
                f"the capture ends in the middle of a record, {self.cut_bytes} bytes after its start at byte "
                f"{self.cut_at}; everything before it was read"
            )
        if self.clamped:
            out.append(
                f"{self.clamped} events had fewer bytes on the wire than captured; the captured length was taken"
            )
        return out


class Format(Protocol):
    """One format's indexer over one capture; keeps what the capture said so far."""

    facts: Facts

    @property
    def link_type(self) -> int | None:
        """None until the capture has said it."""
        ...

    def index(self, buffer: memoryview, start: int, end: int, events: Table) -> Step:
        """Indexes bytes [start, end), which start at a record, into the table."""
        ...

    def describe(self, ingress: CaptureIngress) -> None:
        """Tells an indexer in C what the capture said so far."""
        ...

    def control(self, buffer: memoryview, start: int, end: int) -> Step:
        """Reads what a step stopped at with CONTROL. Raises FormatError."""
        ...

    def explain(self, step: Step) -> str:
        """What is wrong, what was expected and what to do, for a step that stopped at an error."""
        ...


class FormatError(ValueError):
    """What is wrong at a position of the buffer; the reader adds the file and the offset."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


def check_link(link: int) -> None:
    """Raises FormatError for a link type that no rule can be about."""
    if link not in (LINK_ETHERNET, LINK_USER0):
        raise FormatError(
            f"link type {link_name(link)} is not supported, expected 1 (Ethernet) or 147 (USER0, schema records); "
            "capture on an Ethernet interface"
        )


def link_name(link: int) -> str:
    """The number and, if known, the name."""
    return f"{link} ({LINK_NAMES[link]})" if link in LINK_NAMES else f"{link} (unknown)"


def too_long(found: int) -> str:
    """The text for Status.TOO_LONG, in either format."""
    return (
        f"a record of {found} captured bytes, expected at most {CAP_MAX}; the file is damaged from here on "
        "or is not a capture"
    )


def c_step(function: str, buffer: memoryview, start: int, end: int, *middle: Any, events: Table) -> Step:
    """Calls an indexer of csrc/index.c."""
    ffi, lib = native()
    step = ffi.new("sm_step *")
    if isinstance(events, list):
        table = ffi.new("sm_event[]", len(events))
    else:
        table = ffi.from_buffer("sm_event[]", events, require_writable=True)
    data = ffi.from_buffer("uint8_t[]", buffer)
    getattr(lib, function)(data, start, end, *middle, table, len(events), step)
    return from_c(step, step.count)


def fill(events: Table, rows: list[tuple[int, int, int, int]]) -> None:
    """Puts (offset, ts_ns, cap_len, wire_len) into the first places of the table."""
    if not isinstance(events, list):
        events[: len(rows)] = rows


def from_c(step: Any, events: int) -> Step:
    """An ``sm_step`` that found so many events."""
    return Step(step.position, step.need, step.found, step.clamped, events, Status(step.status))


FIRST_BYTES = (
    (b"\x1f\x8b", "gzip data; decompress it first (gzip -dc FILE | sevenm … -r -)"),
    (b"\x28\xb5\x2f\xfd", "zstd data; decompress it first (zstd -dc FILE | sevenm … -r -)"),
    (b"\xfd7zXZ\0", "xz data; decompress it first (xz -dc FILE | sevenm … -r -)"),
    (b"BZh", "bzip2 data; decompress it first (bzip2 -dc FILE | sevenm … -r -)"),
    (b"\x04\x22\x4d\x18", "lz4 data; decompress it first (lz4 -dc FILE | sevenm … -r -)"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"snoop\0\0\0", "a Solaris snoop capture; convert it with editcap -F pcapng"),
    (b"GMBU", "a Microsoft Network Monitor capture; convert it with editcap -F pcapng"),
    (b"RTSS", "a Microsoft Network Monitor 1 capture; convert it with editcap -F pcapng"),
    (b"\xd4\xc3\xb2\xcd", "a Kuznetsov-patched pcap; convert it with editcap -F pcapng"),
    (b"\x34\xcd\xb2\xa1", "a Kuznetsov-patched pcap; convert it with editcap -F pcapng"),
    (b"\xa1\xb2\xcd\x34", "a Kuznetsov-patched pcap; convert it with editcap -F pcapng"),
    (b"\x7fELF", "an ELF program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\x93NUMPY", "a NumPy array; write its bytes with tofile() and read them as records"),
)


def name_first_bytes(data: bytes) -> str:
    """What a file that is no capture seems to be, from its first bytes."""
    for magic, name in FIRST_BYTES:
        if data.startswith(magic):
            return name
    if data and all(32 <= b < 127 or b in b"\t\r\n" for b in data):
        return f"text ({data[:16].decode()!r})"
    return f"bytes {data[:8].hex(' ')}"
