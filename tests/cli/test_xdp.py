"""``-i xdp:…`` on a virtual wire: what is received, dropped in the kernel, refused and said."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.host.live.wires import Wire, wire

pytestmark = pytest.mark.needs("compiler", "clang", "xdp")
RULES = """
rules r on packet all {
  rule tens:  eth.type == 0x900a => deliver a
  rule drops: eth.type == 0x900b => drop
}
"""
FRAMES = [bytes(12) + (0x9000 + n % 100).to_bytes(2, "big") + bytes(46) for n in range(1000)]
COMMAND = ("-c", "import sys; from sevenm.cli.main import main; sys.exit(main())")
MODE = "native copy, queue 0"
WITH_AND_WITHOUT = pytest.mark.parametrize(("option", "prefiltered"), [("--prefilter", 981), ("--no-prefilter", 0)])
"""With the number of frames that the kernel drops."""


@pytest.fixture
def veth() -> Iterator[Wire]:
    with wire() as made:
        # So that there is nothing else to say of it.
        subprocess.run(["ethtool", "-K", made.near, "rxvlan", "off"], capture_output=True, check=False)
        yield made


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "r.7m"
    path.write_text(RULES)
    return path


PROBE = bytes(12) + b"\x12\x34" + bytes(46)
"""A frame that no rule wants. While the kernel's stack gets it, the command does not receive; the last one counts."""


def sevenm(veth: Wire, *words: str, path: str | None = None) -> tuple[int, str, str]:
    """Exit code, output and what was said, of a command that receives while the frames are sent."""
    environment = os.environ | ({} if path is None else {"PATH": path})
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as stack,
        subprocess.Popen(
            [sys.executable, *COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment,
        ) as child,
    ):  # fmt: skip
        stack.bind((veth.near, 3))
        stack.settimeout(0.3)
        with suppress(TimeoutError):
            while child.poll() is None:
                veth.send([PROBE])
                stack.recv(100)
        if child.poll() is None:
            veth.send(FRAMES)
        out, said = child.communicate(timeout=60)
    lines = [line for line in said.splitlines() if "rxvlan" not in line and "receiving from" not in line]
    return child.returncode, out, "\n".join(lines)


def counted(out: str, prefiltered: int) -> dict[str, Any]:
    """The report, after what it says of the frames was compared with what was sent."""
    report: dict[str, Any] = json.loads(out)
    assert report["ingress"] == {
        "received": 1001 - prefiltered, "dropped": 0, "damaged": 0, "prefiltered": prefiltered,
        "prefiltered_bytes": 60 * prefiltered, "unread_queues": 0, "left": 0,
    }  # fmt: skip
    assert [rule["events"] for rule in report["rules"]] == [10, 10]
    return report


@WITH_AND_WITHOUT
def test_what_no_rule_wants_is_dropped_in_the_kernel_and_counted(
    option: str, prefiltered: int, veth: Wire, rules: Path
) -> None:
    words = ["run", str(rules), "-i", f"xdp:{veth.near}", option, "--seconds", "2", "--json"]
    code, out, said = sevenm(veth, *words)
    assert (code, said) == (0, f"sevenm: xdp:{veth.near}: {MODE}")
    report = counted(out, prefiltered)
    assert (report["events"], report["dropped"]) == (1001 - prefiltered, 10)


@WITH_AND_WITHOUT
def test_several_workers_have_one_report(option: str, prefiltered: int, rules: Path, ring: str) -> None:
    with wire("numrxqueues", "2", "numtxqueues", "2", both=True) as veth:
        words = ["run", str(rules), "-i", f"xdp:{veth.near}", option, "--workers", "2", "--ring", ring]
        code, out, said = sevenm(veth, *words, "--seconds", "2", "--json")
        assert (code, said.splitlines()) == (
            0,
            [
                f"sevenm: xdp:{veth.near}: 2 parts, by queue, queue Q to worker Q mod 2",
                f"sevenm: xdp:{veth.near}: native copy, 2 queues",
                f"sevenm: delivering into {ring}.a, a ring for each of 2 workers",
            ],
        )
        refused = sevenm(veth, *words[:5], "--workers", "3")
    report = counted(out, prefiltered)
    assert [(channel["matched"], channel["delivered"]) for channel in report["channels"]] == [(10, 10)]
    assert refused == (
        3,
        "",
        f"sevenm: xdp:{veth.near}: 3 workers need a queue each, and {veth.near} has 2; give it more (ethtool -L "
        f"{veth.near} combined 3), or start fewer workers (--workers 2)",
    )


def test_a_filter_is_a_prefilter(veth: Wire) -> None:
    words = [
        "filter",
        "eth.type == 0x900a",
        "-i",
        f"xdp:{veth.near}",
        "--engine",
        "reference",
        "--seconds",
        "2",
        "--count",
    ]
    code, out, said = sevenm(veth, *words)
    assert (code, out) == (0, "10\n"), said
    assert "10 packets received, 0 dropped by the kernel, 991 prefiltered, 59,460 prefiltered bytes" in said


def test_rules_without_a_prefilter_are_received_whole_unless_it_must_be(veth: Wire, tmp_path: Path) -> None:
    rules = tmp_path / "all.7m"
    rules.write_text("rules r on packet first { default => count n }")
    words = ["run", str(rules), "-i", f"xdp:{veth.near}", "--engine", "reference"]
    why = "nothing is dropped in the kernel: r.default wants every packet"
    code, out, said = sevenm(veth, *words, "--seconds", "2", "--json")
    assert (code, said) == (0, f"sevenm: xdp:{veth.near}: {MODE}\nsevenm: xdp:{veth.near}: {why}")
    assert json.loads(out)["ingress"]["received"] == 1001
    assert sevenm(veth, *words, "--prefilter") == (3, "", f"sevenm: {why}")


def test_without_clang_everything_is_received_and_that_is_said(veth: Wire, rules: Path) -> None:
    words = ["run", str(rules), "-i", f"xdp:{veth.near}", "--engine", "reference", "--seconds", "2", "--json"]
    code, out, said = sevenm(veth, *words, path="")
    assert code == 0, said
    assert said.splitlines()[1] == (
        f"sevenm: xdp:{veth.near}: nothing is dropped in the kernel: clang is not installed, which compiles the XDP "
        "prefilter (Debian: apt install clang)"
    )
    assert json.loads(out)["ingress"]["received"] == 1001


def test_it_is_about_af_xdp_only(rules: Path) -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND, "run", str(rules), "-i", "lo", "--prefilter"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "sevenm: --prefilter is about AF_XDP; say -i xdp:INTERFACE\n")
