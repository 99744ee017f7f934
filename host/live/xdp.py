"""AF_XDP: the frames of an interface, redirected by an XDP program into memory of this process.

One idea: opening is one attempt after the other at the same two steps: sockets for all queues, then the program. What
is redirected here does not reach the kernel's network stack; other queues and interfaces are not touched. The best way
that interface and driver have is taken, and ``mode`` says which it was:

=================  =====================================================================================
native zero-copy   the driver runs the program, and the card writes into our memory
native copy        the driver runs the program, the kernel copies the frame
generic            the kernel's stack runs the program and copies the frame; every interface has it
=================  =====================================================================================

The queues are dealt out to as many parts as are wanted. A card sends a flow's frames to one queue (RSS), and a queue
has one part, so a flow's frames keep their order.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from sevenm.boundary import CAPTURE_MAX
from sevenm.host.capture.format import CaptureError
from sevenm.host.engine.ingress import BURST
from sevenm.host.ingress import IngressKind, Wanted
from sevenm.host.live.split import Split, check_parts
from sevenm.host.live.xdp_bpf import BpfError, Program
from sevenm.host.live.xdp_ingress import XdpIngress
from sevenm.host.live.xdp_interface import XdpInterface, why
from sevenm.host.live.xdp_program import AF_XDP, REDIRECT
from sevenm.host.native import available

FRAMES = 8192
"""Frames of each queue that can wait to be matched."""
MODES = (
    ("native zero-copy", "XDP_FLAGS_DRV_MODE", "XDP_ZEROCOPY"),
    ("native copy", "XDP_FLAGS_DRV_MODE", "XDP_COPY"),
    ("generic", "XDP_FLAGS_SKB_MODE", "XDP_COPY"),
)
"""Name, how the program is attached, how the sockets are bound; the best first."""
FINAL = {
    errno.EPERM,
    errno.EACCES,
    errno.EBUSY,
    errno.EEXIST,
    errno.ENODEV,
    errno.ENETDOWN,
    errno.ENOMEM,
    errno.ENOBUFS,
}
"""What no other mode makes good."""


def open_queues(
    interface: str,
    queue: int | None = None,
    promiscuous: bool = False,
    frames: int = FRAMES,
    burst: int = BURST,
) -> XdpIngress:
    """Frames that ``interface`` receives: by one ``queue``, or by all that it has; with ``promiscuous`` also those for
    others. ``frames``: of each queue that can wait. ``burst``: handed out at a time, at most. Raises CaptureError where
    it cannot be had."""
    (only,) = _parts(interface, queue, 1, promiscuous, frames, burst)
    return only


def split_queues(
    interface: str,
    parts: int,
    queue: int | None = None,
    promiscuous: bool = False,
    frames: int = FRAMES,
    burst: int = BURST,
) -> Split:
    """The same in so many parts, each with as many queues as another one, or one more. Raises CaptureError, also where
    there are fewer queues than parts."""
    check_parts(f"xdp:{interface}", parts)
    how = f"queue, queue Q to worker Q mod {parts}" if parts > 1 else "queue"
    return Split(_parts(interface, queue, parts, promiscuous, frames, burst), how)


def _parts(
    interface: str, queue: int | None, parts: int, promiscuous: bool, frames: int, burst: int
) -> list[XdpIngress]:
    shared = XdpInterface(interface, queue, parts)
    with ExitStack() as stack:
        stack.callback(shared.close)
        _check_queues(shared, queue, parts)
        made = [XdpIngress(shared, number, shared.queues[number::parts], frames, burst) for number in range(parts)]
        for part in made:
            stack.callback(part.unbind)
        try:
            _attach(shared, made)
            if promiscuous:
                shared.make_promiscuous()
        except OSError as error:
            raise CaptureError(f"{shared.name}: {why(error)}") from error
        stack.pop_all()
    return made


def _check_queues(shared: XdpInterface, queue: int | None, parts: int) -> None:
    name, there = shared.interface, len(shared.queues)
    if parts <= there:
        return
    if queue is not None:
        raise CaptureError(
            f"{shared.name}:{queue}: one queue cannot be shared out to {parts} workers; read all of them "
            f"({shared.name}), or leave --workers out"
        )
    raise CaptureError(
        f"{shared.name}: {parts} workers need a queue each, and {name} has {there}; give it more (ethtool -L {name} "
        f"combined {parts}), or start fewer workers (--workers {there})"
    )


def _attach(shared: XdpInterface, parts: Sequence[XdpIngress]) -> None:
    """In the first mode that works, with frames of several buffers where it has them; for frames that are longer than
    one buffer a mode that has them before a better one that has not. Raises BpfError where no mode makes it good,
    CaptureError with what each one said."""
    ways = [(*way, several) for way in MODES for several in (True, False)]
    if shared.jumbo:
        ways.sort(key=lambda way: not way[-1])
    refused = []
    for mode, attach, bind, several in ways:
        try:
            _try(shared, parts, mode, getattr(shared.lib, attach), getattr(shared.lib, bind), several)
        except BpfError as error:
            if error.errno in FINAL:
                raise
            if not several:
                refused.append(f"{mode}: {error.strerror}")
        else:
            return
    raise CaptureError(f"{shared.name}: AF_XDP cannot be had: {'; '.join(refused)}")


def _try(shared: XdpInterface, parts: Sequence[XdpIngress], mode: str, attach: int, bind: int, several: bool) -> None:
    """The program, which redirects nothing yet, and sockets. A socket that takes frames of one buffer gets a program
    for these: what cannot be redirected is counted nowhere."""
    with ExitStack() as stack:
        program = Program(REDIRECT, shared.maps, several)
        stack.callback(program.close)
        for part in parts:
            part.bind(bind | (shared.lib.XDP_USE_SG if several else 0))
            stack.callback(part.unbind)
        shared.attach(program, attach, mode, several)
        stack.pop_all()


def parse(text: str) -> tuple[str, int | None]:
    """``IFACE[:QUEUE]``. Raises CaptureError."""
    interface, colon, queue = text.partition(":")
    if not interface or (colon and not queue.isdecimal()):
        raise CaptureError(f"{text!r} is no interface; expected IFACE or IFACE:QUEUE, as in eth0 or eth0:3")
    return interface, int(queue) if colon else None


def _check(text: str, wanted: Wanted) -> None:
    """Raises CaptureError for what AF_XDP does not give."""
    if wanted.record_size is not None:
        raise CaptureError(f"xdp:{text}: gives Ethernet frames, but the rules are on records")
    if wanted.live.snap < CAPTURE_MAX:
        raise CaptureError(f"xdp:{text}: frames are received whole; leave -s out")
    if wanted.live.hardware_time:
        raise CaptureError(f"xdp:{text}: gives no timestamps of the hardware; leave --hardware-time out")


def _open(text: str, wanted: Wanted) -> XdpIngress:
    _check(text, wanted)
    return open_queues(*parse(text), promiscuous=wanted.live.promiscuous)


def _split(text: str, wanted: Wanted, parts: int) -> Split:
    _check(text, wanted)
    interface, queue = parse(text)
    return split_queues(interface, parts, queue, wanted.live.promiscuous)


def _missing() -> str | None:
    if not available():
        return "the C runtime"
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW).close()
    except OSError as error:
        return "a kernel with AF_XDP (CONFIG_XDP_SOCKETS)" if error.errno == errno.EAFNOSUPPORT else None
    return None


XDP = IngressKind("the frames of an interface by AF_XDP: IFACE or IFACE:QUEUE", _open, _missing, True, _split)
