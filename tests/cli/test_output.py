"""Colour and motion: on a terminal that has them, and nowhere else."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DRESS = b"\x1b["


def on_a_terminal(*args: str, env: Mapping[str, str]) -> bytes:
    """What the command writes to a terminal that is both its outputs."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
        os.execvpe(sys.executable, [sys.executable, "-m", "sevenm.cli.main", *args], {**clean, **env})
    out = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            piece = b""
        if not piece:
            break
        out += piece
    os.close(terminal)
    os.waitpid(child, 0)
    return out


COMMANDS = {
    "table": ("layout", "packet", "arp"),
    "error": ("filter", "udp.dpsort == 1", "-r", "none"),
    "failure": ("check", "none.7m"),
}


@pytest.mark.parametrize("what", list(COMMANDS))
def test_a_terminal_gets_colour(what: str) -> None:
    assert DRESS in on_a_terminal(*COMMANDS[what], env={"TERM": "xterm-256color"})


@pytest.mark.parametrize(
    "env", [{"TERM": "xterm-256color", "NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"]
)
@pytest.mark.parametrize("what", list(COMMANDS))
def test_no_color_and_a_dumb_terminal_get_plain_text(what: str, env: dict[str, str]) -> None:
    out = on_a_terminal(*COMMANDS[what], env=env)
    assert out != b""
    assert b"\x1b" not in out


def test_an_empty_no_color_means_nothing() -> None:
    assert DRESS in on_a_terminal(*COMMANDS["failure"], env={"TERM": "xterm", "NO_COLOR": ""})


def test_progress_moves_only_where_the_cursor_can() -> None:
    command = ("run", "examples/edge.7m", "-r", "examples/capture/office.pcap", "--engine", "reference")
    assert b"matching" in on_a_terminal(*command, env={"TERM": "xterm"})
    out = on_a_terminal(*command, env={"TERM": "dumb"})
    assert out.startswith(b"rule ")
    assert b"matching" not in out
