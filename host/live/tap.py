"""Frames that are sent out through a TAP device: the host, or a virtual machine, is the sender.

One idea: a TAP device is an interface whose other end is a file; what the host sends there is read from it
(``csrc/ingress_tap.c``). A device of that name is made if there is none, and ends with the file. Of several files each
is a queue of the device's, and the kernel chooses a frame's queue by a hash of its flow.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from sevenm.host.batch import EVENT
from sevenm.host.capture.format import LINK_ETHERNET, CaptureError
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.kernel import name_of, program
from sevenm.host.live.live import LiveIngress
from sevenm.host.live.split import Split, check_parts
from sevenm.host.native import native

SLOTS = 64
"""Frames that are read at a time."""
WAITING_MAX = 1 << 16
"""Frames that a queue holds at most, as far as is looked; by default it is 1,000 (txqueuelen)."""
DEVICE = Path("/dev/net/tun")
NAME_MAX = 15

TUNSETIFF, TUNATTACHFILTER = 0x400454CA, 0x401054D5
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE, IFF_UP = 0x0002, 0x1000, 0x0100, 0x1
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
GONE = (errno.EBADFD, errno.EIO, errno.ENODEV)


class TapDevice:
    """The TAP device ``name``, set up, with so many queues. ``files``: their descriptors, which whoever takes them
    closes. Raises CaptureError."""

    def __init__(self, name: str, queues: int = 1) -> None:
        self.name, self.files = name, list[int]()
        if not 1 <= len(name.encode()) <= NAME_MAX or "/" in name or "%" in name:
            raise CaptureError(f"tap:{name}: the name of an interface has 1 to {NAME_MAX} bytes, without / and %")
        _, self._lib = native()
        self._lock = threading.Lock()
        self._finished = False
        flags = IFF_TAP | IFF_NO_PI | (IFF_MULTI_QUEUE if queues > 1 else 0)
        with ExitStack() as stack:
            try:
                for _ in range(queues):
                    file = _device()
                    stack.callback(os.close, file)
                    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
                    self.files.append(file)
                self._set_up()
                self._index = socket.if_nametoindex(name)
            except OSError as error:
                raise CaptureError(f"tap:{name}: {_reason(error, queues > 1)}") from error
            there = self._lib.sm_xdp_queues(name.encode())
            if there > queues:
                raise CaptureError(
                    f"tap:{name}: other processes read {there - queues} queues of this device, and would get a part of "
                    "the frames"
                )
            stack.pop_all()
        self._before = self._dropped = self._drops()

    def begin(self) -> None:
        """Forgets what came so far: by one queue, while the others were not there yet."""
        for file in self.files:
            with suppress(OSError):
                for _ in range(WAITING_MAX):
                    os.read(file, self._lib.SM_LIVE_SLOT)
        self._before = self._dropped = self._drops()

    def finish(self) -> None:
        """Nothing comes from now on, by any queue."""
        self.dropped()
        with self._lock:
            if not self._finished:
                self._finished = True  # what is rejected from now on counts as dropped there, and is not ours
                filter_, code = program(keep=0)
                with suppress(OSError):
                    fcntl.ioctl(self.files[0], TUNATTACHFILTER, filter_)
                del code

    def dropped(self) -> int:
        """Frames that the device's queues had no room for."""
        with self._lock:
            if not self._finished:
                self._dropped = max(self._dropped, self._drops())
            return self._dropped - self._before

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


class TapIngress(LiveIngress):
    """The frames that come by one queue of the device, the first one by default."""

    def __init__(self, device: TapDevice, number: int = 0) -> None:
        super().__init__("sm_tap_ingress", device.name, LINK_ETHERNET)
        self._device, self._number, self._file = device, number, device.files[number]
        buffer = self.array("uint8_t", np.zeros(SLOTS * self.lib.SM_LIVE_SLOT, np.uint8))
        table = self.array("sm_event", np.zeros(SLOTS, EVENT))
        self.lib.sm_tap_ingress_open(self.struct, self._file, buffer, table, SLOTS, 0)

    def finish(self) -> None:
        """The first part that ends ends it for all, and each hands out what it has."""
        self._device.finish()
        super().finish()

    def close(self) -> None:
        super().close()
        os.close(self._file)

    def counters(self) -> dict[str, int]:
        """``dropped``: frames that the device's queues had no room for, which the first part tells."""
        dropped = 0 if self._number else self._device.dropped()
        return {"received": int(self.live.received), "dropped": dropped}

    def fault(self) -> str:
        return f"{self.name}: the device is gone" if int(self.live.fault) in GONE else super().fault()


class TapQueues(Split):
    """The queues of one device. The kernel hashes addresses, protocol and ports, the same for both directions."""

    def __init__(self, device: TapDevice) -> None:
        super().__init__(
            [TapIngress(device, number) for number in range(len(device.files))],
            "a hash of addresses, protocol and ports",
        )
        self._device = device
        self._begun = len(self.parts) == 1

    def begin(self, port: int = 0) -> None:
        super().begin(port)
        if not self._begun:
            self._device.begin()
            self._begun = True


def _device() -> int:
    try:
        return os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise CaptureError(f"{DEVICE}: cannot be opened: {str(error.strerror).lower()}") from error


def _reason(error: OSError, several: bool) -> str:
    if error.errno == errno.EPERM:
        return "needs the capability cap_net_admin, or a device that is this user's (ip tuntap add mode tap user NAME)"
    if error.errno == errno.EINVAL and several:
        return (
            "there is an interface of that name, which is no TAP device of several queues (ip tuntap add mode tap "
            "multi_queue makes one); leave --workers out, or let it be made"
        )
    if error.errno == errno.EINVAL:
        return "there is an interface of that name, which is no TAP device"
    if error.errno == errno.EBUSY:
        return "another process has this device open"
    return str(error.strerror).lower()


def _open(name: str, wanted: Wanted) -> TapIngress:
    return TapIngress(TapDevice(name))


def _split(name: str, wanted: Wanted, parts: int) -> TapQueues:
    check_parts(f"tap:{name}", parts)
    return TapQueues(TapDevice(name, parts))


def _missing() -> str | None:
    return None if sys.platform == "linux" else "TAP devices are Linux's"


TAP = IngressKind("frames sent through a TAP device, live", _open, _missing, True, _split)
