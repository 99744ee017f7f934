"""The subscriber application reads everything that another process hands over, and says why where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from sevenm.host.ring import Ring, RingWriter


def start(examples: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(examples / "subscriber.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_reads_every_record_and_prints_the_first_ones(examples: Path) -> None:
    name = f"subscriber-{os.getpid()}"
    with RingWriter.create(name, slots=256, policy="block") as writer:
        try:
            process = start(examples, name, "--first", "2")
            records = np.zeros(1000, writer.dtype)
            records["ts_ns"] = 1_500_000_000
            records["rule"] = np.arange(1000) % 7
            records["cap_len"], records["wire_len"], records["engine"] = 4, 60, 1
            records["data"][:, :4] = 0xDE, 0xAD, 0xBE, 0xEF
            while writer.stats().reader_pid is None:
                assert process.poll() is None
            writer.write(records)
            writer.close()
            out, err = process.communicate(timeout=60)
        finally:
            Ring.unlink(name, force=True)
    assert err == ""
    lines = out.splitlines()
    assert lines[:2] == [
        "  #0 at 1.500000000 s: rule 0, 60 bytes, found by reference: de ad be ef",
        "  #1 at 1.500000000 s: rule 1, 60 bytes, found by reference: de ad be ef",
    ]
    assert lines[-1] == "the producer is done: 1000 records read, 1000 sent, 0 not delivered"


def test_absent_ring_is_an_error_that_names_it(examples: Path) -> None:
    process = start(examples, "nobody-made-this", "--timeout", "0")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert err.startswith("nobody-made-this: ")
    assert "Traceback" not in err
