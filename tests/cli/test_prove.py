"""sevenm prove: what it says of a core, its exit codes, and the packet that refutes one as a capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sevenm.cli.prove_report import write
from sevenm.sim.proof.packet_bits import Sample
from sevenm.sim.proof.prove import Counterexample

Sevenm = Any
RULES = """schema Byte v1 size 64 @endian(big) {
  kind: char
}

rules pick on Byte first {
  rule one: kind == 'A' => deliver ones
}
"""


def test_a_core_is_proved(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "byte.7m"
    path.write_text(RULES)
    done = sevenm("prove", path, "--json")
    assert done.code == 0, done.err
    body = json.loads(done.out)
    assert (body["verdict"], set(body["bits"].values()), body["counterexample"]) == ("proved", {"proved"}, None)


def test_without_time_it_is_undecided(sevenm: Sevenm, tmp_path: Path) -> None:
    path = tmp_path / "byte.7m"
    path.write_text(RULES)
    done = sevenm("prove", path, "--budget", "0.000001")
    assert done.code == 5
    assert done.out.startswith("undecided after")


def test_the_packet_that_refutes_a_core_is_a_capture(tmp_path: Path) -> None:
    path = tmp_path / "wrong.pcap"
    write(str(path), Counterexample(Sample(b"\x01\x02\x03", 5, 7), 1, 0))
    data = path.read_bytes()
    assert data.endswith(b"\x01\x02\x03")
    assert data[24:40] == b"".join(n.to_bytes(4, "little") for n in (0, 7, 3, 5))
