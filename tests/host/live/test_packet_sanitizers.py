"""The packet ring with every byte of its headers damaged, under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PARTS = "ingress_[lp]*.c"
SEED = 88172645463325252
pytestmark = pytest.mark.needs("compiler")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_byte_of_a_block_leads_out_of_it(build_driver: Callable[..., Any], compiler: str, soak: bool) -> None:
    flags = ["-Wall", "-Wextra", "-Werror"]
    run = build_driver("packet_blocks.c", compiler, "memory-and-undefined", flags=flags, parts=PARTS)
    done = run(5_000_000 if soak else 50_000, SEED)
    assert (done.returncode, done.stderr) == (0, "")
    frames, damaged = (int(word) for word in done.stdout.split() if word.isdigit())
    assert frames > 100_000 and damaged > 100_000


FAULTS = {
    "a frame that ends outside of its block": ("size - start < head.tp_snaplen", "0"),
    "a header that lies outside": ("at > size || size - at < sizeof head", "0"),
    "no room for a tag": ("head.tp_mac < sizeof head + TAG ||", ""),
    "a frame that does not advance": (
        "if (ingress->left > 1 && head.tp_next_offset < sizeof head)",
        "if (0)",
    ),
    "damage that is not counted": ("ingress->live.damaged += ingress->left;", ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_missing_check_is_found_out(
    fault: str, build_driver: Callable[..., Any], faulty: Callable[..., Path]
) -> None:
    csrc = faulty("ingress_packet.c", *FAULTS[fault])
    compiler = "gcc" if shutil.which("gcc") else "clang"
    done = build_driver("packet_blocks.c", compiler, "memory-and-undefined", csrc, parts=PARTS)(50_000, SEED)
    assert done.returncode in (2, 66)
