"""Frames that are sent out through a TAP device: the host, or a virtual machine, is the sender.

One idea: a TAP device is an interface whose other end is a file; what the host sends there is read from it
(``csrc/ingress_tap.c``). A device of that name is made if there is none, and ends with the file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.kernel import name_of, program
from sevenm.host.live.live import LiveIngress

SLOTS = 64
"""Frames that are read at a time."""
DEVICE = Path("/dev/net/tun")
NAME_MAX = 15

TUNSETIFF, TUNATTACHFILTER = 0x400454CA, 0x401054D5
IFF_TAP, IFF_NO_PI, IFF_UP = 0x0002, 0x1000, 0x1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
GONE = (errno.EBADFD, errno.EIO, errno.ENODEV)


class TapIngress(LiveIngress):
    """The frames that are sent through the TAP device ``name``, which is set up. Raises CaptureError."""

    def __init__(self, name: str) -> None:
        super().__init__("sm_tap_ingress", name, LINK_ETHERNET)
        if not 1 <= len(name.encode()) <= NAME_MAX or "/" in name or "%" in name:
            raise CaptureError(f"tap:{name}: the name of an interface has 1 to {NAME_MAX} bytes, without / and %")
        try:
            self._file = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise CaptureError(f"{DEVICE}: cannot be opened: {str(error.strerror).lower()}") from error
        try:
            fcntl.ioctl(self._file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            self._set_up()
            self._index = socket.if_nametoindex(name)
        except OSError as error:
            os.close(self._file)
            raise CaptureError(f"tap:{name}: {_reason(error)}") from error
        self._before = self._dropped = self._drops()
        self._finished = False
        buffer = self.array("uint8_t", np.zeros(SLOTS * self.lib.SM_LIVE_SLOT, np.uint8))
        table = self.array("sm_event", np.zeros(SLOTS, EVENT))
        self.lib.sm_tap_ingress_open(self.struct, self._file, buffer, table, SLOTS, 0)

    def finish(self) -> None:
        self.counters()
        self._finished = True  # what is rejected from now on counts as dropped there, and is not ours
        filter_, code = program(keep=0)
        with suppress(OSError):
            fcntl.ioctl(self._file, TUNATTACHFILTER, filter_)
        del code
        super().finish()

    def close(self) -> None:
        super().close()
        os.close(self._file)

    def counters(self) -> dict[str, int]:
        """``dropped``: frames that the device's queue had no room for."""
        if not self._finished:
            self._dropped = max(self._dropped, self._drops())
        return {"received": int(self.live.received), "dropped": self._dropped - self._before}

    def fault(self) -> str:
        return f"{self.name}: the device is gone" if int(self.live.fault) in GONE else super().fault()

    def _set_up(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack("16s24x", self.name.encode())
            flags: int = struct.unpack_from("H", fcntl.ioctl(control, SIOCGIFFLAGS, request), 16)[0]
            if not flags & IFF_UP:
                fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", self.name.encode(), flags | IFF_UP))

    def _drops(self) -> int:
        """The device's own count, of what could not be sent through it, whatever it is called; 0 where it is gone."""
        mine = name_of(self._index)
        for line in Path("/proc/thread-self/net/dev").read_text().splitlines():
            name, colon, numbers = line.partition(":")
            if colon and name.strip() == mine:
                return int(numbers.split()[11])
        return 0


def _reason(error: OSError) -> str:
    if error.errno == errno.EPERM:
        return "needs the capability cap_net_admin, or a device that is this user's (ip tuntap add mode tap user NAME)"
    if error.errno == errno.EINVAL:
        return "there is an interface of that name, which is no TAP device"
    if error.errno == errno.EBUSY:
        return "another process has this device open"
    return str(error.strerror).lower()


def _open(name: str, wanted: Wanted) -> TapIngress:
    return TapIngress(name)


def _missing() -> str | None:
    return None if sys.platform == "linux" else "TAP devices are Linux's"


TAP = IngressKind("frames sent through a TAP device, live", _open, _missing, live=True)
