"""The command itself: help, version, usage, and what happens when things go wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sevenm.cli import commands
from sevenm.cli import main as entry
from sevenm.cli.errors import Exit, Failure, explain

Sevenm = Any
COMMANDS = (
    "filter",
    "check",
    "build",
    "run",
    "compare",
    "layout",
    "devices",
    "publish",
    "subscribe",
    "replay",
    "stat",
    "top",
)


def test_version_is_that_of_the_package(sevenm: Sevenm) -> None:
    done = sevenm("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"sevenm, version \d+\.\d+\.\d+\S*\n", done.out)


def test_help_names_every_command_and_exit_code(sevenm: Sevenm) -> None:
    done = sevenm("--help")
    assert done.code == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name}  ", done.out, re.MULTILINE)
    for code in (0, 1, 2, 3, 4):
        assert re.search(rf"^    {code}  ", done.out, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example_and_exit_codes(sevenm: Sevenm, command: str) -> None:
    done = sevenm(command, "--help")
    assert done.code == 0
    assert f"sevenm {command} " in done.out.split("Example", 1)[1]
    assert "Exit codes: 0 " in done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["frobnicate"], "No such command 'frobnicate'."),
        (["check"], "Missing argument 'FILE'."),
        (["filter", "udp"], "say what to read: either -r IN, a capture, or -i SPEC, an interface."),
        (["filter", "udp", "-r", "x", "--engine", "fpga"], "'fpga' is not one of 'host', 'reference', 'rtl'."),
        (["run", "x", "-r", "y", "--ingress", "wire"], "'wire' is not one of 'capture', "),
        (["run", "x", "-r", "y", "-i", "z"], "either -r IN, a capture, or -i SPEC, an interface."),
        (["run", "x", "-r", "y", "-p"], "-p is about what is received with -i, not about a file."),
        (["filter", "udp", "-i", "z", "--ingress", "tap"], "--ingress is about the file of -r; say -i tap:z."),
        (["filter", "udp", "-i", "z", "-c", "0"], "0 is not in the range"),
        (["filter", "udp", "-r", "x", "-w", "y", "--count"], "-w and --count exclude each other"),
        (["run", "x", "-r", "y", "-w", "-", "--json"], "-w - and --json both want standard output"),
    ],
)
def test_wrong_usage_says_what_is_wrong(sevenm: Sevenm, args: list[str], message: str) -> None:
    done = sevenm(*args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_an_unexpected_exception_is_one_line_without_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(commands.cli, "main", broken)
    monkeypatch.delenv("SEVENM_DEBUG", raising=False)
    assert entry.main([]) == 70
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "a fault of sevenm itself: ZeroDivisionError: division by zero (test_main.py:" in err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(commands.cli, "main", broken)
    monkeypatch.setenv("SEVENM_DEBUG", "1")
    assert entry.main([]) == 70
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.cli, "main", interrupted)
    assert entry.main([]) == 130


def test_signal_while_reading_a_pipe_ends_quietly() -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "filter", "udp", "-r", "-", "--engine", "reference"]
    read, write = os.pipe()
    try:
        with subprocess.Popen(
            command, stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_heed_interrupts
        ) as process:
            # A whole file header, then silence: the command waits for packets.
            os.write(write, bytes.fromhex("d4c3b2a1 02000400 00000000 00000000 00000400 01000000"))
            _wait_until_reading(process.pid)
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    finally:
        os.close(read)
        os.close(write)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def _heed_interrupts() -> None:
    """A suite that runs in the background was started with interrupts ignored, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _wait_until_reading(pid: int) -> None:
    """Until the process has opened what it needs and sleeps in a read or select of its standard input."""
    import time

    for _ in range(600):
        state = Path(f"/proc/{pid}/wchan").read_text() if Path(f"/proc/{pid}/wchan").exists() else ""
        maps = Path(f"/proc/{pid}/maps").read_text() if Path(f"/proc/{pid}/maps").exists() else ""
        if "numpy" in maps and ("pipe" in state or "poll" in state or "select" in state):
            return
        time.sleep(0.05)


def test_reader_of_the_output_that_goes_away_ends_it_quietly(office: Path) -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "filter", "ip", "-r", str(office), "--engine", "reference"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


def _close_all() -> None:
    os.closerange(0, 3)


def test_closed_standard_descriptors_are_filled(office: Path, tmp_path: Path) -> None:
    """As a service manager may start it: nothing that is opened gets their numbers, and nothing fails."""
    target = tmp_path / "out.pcap"
    command = [sys.executable, "-m", "sevenm.cli.main", "filter", "ip", "-r", office, "--engine", "reference"]
    opened = subprocess.run([*command, "-w", target], check=True, capture_output=True)
    wanted = target.read_bytes()
    target.unlink()
    closed = subprocess.run([*command, "-w", target], check=False, preexec_fn=_close_all)
    assert closed.returncode == opened.returncode == 0
    assert target.read_bytes() == wanted and len(wanted) > 24
    for command in (["--version"], ["--help"], ["check", "/dev/null"]):
        done = subprocess.run([sys.executable, "-m", "sevenm.cli.main", *command], check=False, preexec_fn=_close_all)
        assert done.returncode in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_a_clear_error(sevenm: Sevenm, office: Path) -> None:
    done = sevenm("filter", "ip", "-r", office, "-w", "/dev/full", "--engine", "reference")
    assert done.code == 3
    assert "/dev/full: cannot be written" in done.err
    assert "no space left on device" in done.err
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "sevenm.cli.main", "layout", "packet"]
        process = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert process.returncode == 3
    assert process.stderr == b"sevenm: no space left on device\n"


def test_known_exceptions_have_their_exit_codes() -> None:
    from sevenm.host.devices.device import DeviceError

    assert explain(Failure("gone", Exit.ENGINE)) == ("gone", Exit.ENGINE)
    assert explain(DeviceError("no core")) == ("no core", Exit.ENGINE)
    assert explain(FileNotFoundError(2, "No such file or directory", "a")) == (
        "a: no such file or directory",
        Exit.INPUT,
    )
    assert explain(MemoryError()) == ("not enough memory for this input", Exit.INPUT)
    assert explain(ZeroDivisionError()) is None
