"""What the wire and the kernel can write: nothing is read outside of its place, and everything is counted.

One idea: each driver works out beside the runtime what has to come of an input, and compares. The frames of a packet
ring are ``test_packet_sanitizers.py``, captures ``tests/host/test_ingress_sanitizers.py``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.conftest import SEED, Build

pytestmark = pytest.mark.needs("compiler")
ROUNDS = {"udp": 300, "tap": 1000, "xdp": 600}
LONGER = 100
"""As many times the rounds in the long run."""
SAID = {
    "udp": r"(\d+) records, (\d+) datagrams of a wrong size, (\d+) faults\n",
    "tap": r"(\d+) frames, (\d+) faults\n",
    "xdp": r"(\d+) frames, (\d+) gathered, (\d+) cut, (\d+) damaged, (\d+) faults\n",
}


@pytest.mark.parametrize("kind", ROUNDS)
@pytest.mark.parametrize("inputs", ["seeded", "libFuzzer"])
def test_what_arrives_is_an_event_or_counted(inputs: str, kind: str, make_fuzzer: Build, soak: bool) -> None:
    run = make_fuzzer(f"fuzz_{kind}.c", inputs, parts="ingress_live.c")
    done = run(ROUNDS[kind] * (LONGER if soak else 1))
    assert done.returncode == 0, done.stderr
    said = re.fullmatch(SAID[kind], done.stdout)
    assert said is not None, done.stdout
    counts = [int(count) for count in said.groups()]
    assert counts[0] > 0
    assert inputs != "seeded" or all(counts), "each of these came about"


FAULTS = {
    "an address outside of the UMEM": ("xdp", "fits = desc.addr < size && ", "fits = "),
    "a length past the chunk": ("xdp", " && desc.len <= left;", ";"),
    "a frame without an end": ("xdp", "more = desc->len < left ? desc->len : left;", "more = desc->len;"),
    "a frame that begins in too little room": ("xdp", "queue->room - queue->used < SM_CAPTURE_MAX", "0"),
    "a socket without room": ("xdp", "(!fits || !queue->room)", "!fits"),
    "a part that is overwritten": ("xdp", "memmove(room, room + part->at, part->held);", ""),
    "damage that is handed out": ("xdp", "if (part->open || part->damaged)", "if (part->open)"),
    "chunks that are given back twice": ("xdp", "if (burst->events[i].offset < size)", ""),
    "chunks that are not given back": ("xdp", "if (desc.addr < size)\n", "if (!several)\n"),
    "an index that cannot be": ("xdp", "there > ingress->frames", "0"),
    "no whole number of records": ("udp", "size % ingress->record ||", ""),
    "a datagram that was cut": ("udp", "|| datagram->msg_hdr.msg_flags & MSG_TRUNC", ""),
    "a length past the slot": ("udp", "size > SM_LIVE_SLOT ||", ""),
    "a time that is cut": ("udp", " &&\n            c->cmsg_len >= CMSG_LEN(sizeof(struct timespec)))", ")"),
    "room that is asked for once": ("udp", "messages[i].msg_hdr.msg_controllen = sizeof(beside);", "(void)i;"),
    "more than a slot": ("tap", "ingress->buffer + start, SM_LIVE_SLOT)", "ingress->buffer + start, SM_LIVE_SLOT + 1)"),
    "frames before a fault": ("tap", "    if (!n)\n", "    if (!n || ingress->live.fault)\n"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_check_is_found_out(fault: str, build_driver: Build, faulty: Callable[..., Path]) -> None:
    kind, good, bad = FAULTS[fault]
    csrc = faulty(f"ingress_{kind}.c", good, bad)
    compiler = "gcc" if shutil.which("gcc") else "clang"
    run = build_driver(f"fuzz_{kind}.c", compiler, "memory-and-undefined", csrc, parts="ingress_live.c")
    done = run(ROUNDS[kind] * 10, SEED)
    assert done.returncode in (2, 66) or (done.returncode == 1 and "runtime error" in done.stderr), done.stdout
