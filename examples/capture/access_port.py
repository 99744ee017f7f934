#!/usr/bin/env python3
"""An access port of a VLAN switch in user space: untagged frames on a TAP device, tagged ones on a trunk.

Used by record.sh, so that tagged traffic can be recorded on kernels without the 8021q module as well. A frame
that a program sends through the TAP leaves on the trunk with the tags in front of its type; a frame that
arrives on the trunk with exactly these tags is handed to the TAP without them. Anything else is not ours.

    access_port.py TAP TRUNK TPID:VID[:PCP] [TPID:VID[:PCP]]      outer tag first; runs until it is terminated
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import signal
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SOL_PACKET, PACKET_AUXDATA = 263, 8
ETH_P_ALL, PACKET_OUTGOING = 0x0003, 4
VLAN_VALID, TPID_VALID = 1 << 4, 1 << 6
ADDRESSES = 12
"""Bytes of the two MAC addresses; tags come right after them."""
FRAME_MAX = 65536


def tag(text: str) -> tuple[int, int]:
    """ "0x8100:20:5" → (TPID, TCI). Raises argparse.ArgumentTypeError for anything else."""
    try:
        tpid, vid, pcp = [int(part, 0) for part in (text + ":0").split(":")[:3]]
    except ValueError:
        raise argparse.ArgumentTypeError(f"tag must be TPID:VID or TPID:VID:PCP, not {text!r}") from None
    if tpid not in (0x8100, 0x88A8) or not 0 < vid < 4095 or not 0 <= pcp < 8:
        raise argparse.ArgumentTypeError(f"TPID must be 0x8100 or 0x88a8, VID 1 to 4094, PCP 0 to 7, not {text!r}")
    return tpid, pcp << 13 | vid


def open_tap(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def receive(trunk: socket.socket) -> bytes | None:
    """The next frame that arrived, with its outer tag back in place (the kernel hands it over separately)."""
    frame, control, _, address = trunk.recvmsg(FRAME_MAX, socket.CMSG_SPACE(20))
    if address[2] == PACKET_OUTGOING:
        return None
    for level, kind, data in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & VLAN_VALID:
                outer = struct.pack("!HH", tpid if status & TPID_VALID else 0x8100, tci)
                frame = frame[:ADDRESSES] + outer + frame[ADDRESSES:]
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tap")
    parser.add_argument("trunk")
    parser.add_argument("tags", nargs="+", type=tag, help="TPID:VID[:PCP], outer first, at most two")
    args = parser.parse_args()
    if len(args.tags) > 2:
        parser.error(f"at most 2 tags, not {len(args.tags)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    tap = open_tap(args.tap)
    trunk = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    trunk.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    trunk.bind((args.trunk, 0))
    tags = b"".join(struct.pack("!HH", *t) for t in args.tags)
    end = ADDRESSES + len(tags)
    while True:
        for ready in select.select([tap, trunk.fileno()], [], [])[0]:
            if ready == tap:
                frame = os.read(tap, FRAME_MAX)
                trunk.send(frame[:ADDRESSES] + tags + frame[ADDRESSES:])
            else:
                arrived = receive(trunk)
                if arrived is not None and arrived[ADDRESSES:end] == tags:
                    os.write(tap, arrived[:ADDRESSES] + arrived[end:])


if __name__ == "__main__":
    main()
