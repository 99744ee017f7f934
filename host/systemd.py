"""What a service manager is told: that the service is ready, lives, or stops (sd_notify(3)), without a library.

One idea: one datagram to the socket that the environment names; where it names none, nothing happens.
"""

from __future__ import annotations

import os
import socket
import time


def notify(*lines: str) -> bool:
    """Sends ``READY=1`` and the like; whether there was somebody to tell. One that does not listen is no error."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address or address[0] not in "/@":
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        try:
            sender.connect("\0" + address[1:] if address[0] == "@" else address)
            sender.send("\n".join(lines).encode())
        except OSError:
            return False
    return True


class Watchdog:
    """``alive`` is called whenever work gets on; twice in the time that the manager wants to hear of it, it does."""

    def __init__(self) -> None:
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        wanted = os.environ.get("WATCHDOG_USEC", "")
        self.seconds: float | None = int(wanted) / 2e6 if mine and wanted.isdigit() and int(wanted) else None
        """Between two messages; None where no manager watches."""
        self._due = 0.0

    def alive(self) -> None:
        if self.seconds is not None and (now := time.monotonic()) >= self._due:
            self._due = now + self.seconds
            notify("WATCHDOG=1")
