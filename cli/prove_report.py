"""What a proof came to, as text, as JSON, and the packet that refutes it as a capture."""

from __future__ import annotations

from typing import Any

import click

from sevenm.host.batch import EventBatch
from sevenm.host.capture.writer import CaptureWriter
from sevenm.sim.proof.prove import UNDECIDED, Counterexample, Proof
from sevenm.sim.proof.written import WrittenCore

from . import output

SHOWN_MAX = 16
"""Bits of the verdict that are listed."""


def as_json(proof: Proof, core: WrittenCore) -> dict[str, Any]:
    """``counterexample`` is null unless the core is refuted by a packet."""
    example = proof.counterexample
    return {
        "verdict": proof.verdict,
        "reason": proof.reason,
        "bits": proof.bits,
        "latency_cycles": core.latency_cycles,
        "lemmas": proof.lemmas,
        "gates": proof.gates,
        "seconds": round(proof.seconds, 1),
        "counterexample": None if example is None else {
            "packet": example.packet.data.hex(), "wire_len": example.packet.size, "time_ns": example.packet.time,
            "source": example.packet.source, "core": example.core, "plan": example.plan,
        },
    }  # fmt: skip


def show(proof: Proof, core: WrittenCore) -> None:
    seconds = f"{proof.seconds:.1f} s"
    if proof.verdict != UNDECIDED and proof.counterexample is None and not proof.reason:
        click.echo(
            f"proved in {seconds}: {output.plural(len(proof.bits), 'bit')} of the verdict, for every packet, "
            f"{core.latency_cycles} cycles after it came ({proof.lemmas:,} lemmas)"
        )
        return
    click.echo(f"{proof.verdict} after {seconds}{': ' + proof.reason if proof.reason else ''}")
    named = [name for name, state in proof.bits.items() if state == proof.verdict]
    for name in named[:SHOWN_MAX]:
        click.echo(f"  {output.printable(name)}")
    if len(named) > SHOWN_MAX:
        click.echo(f"  and {len(named) - SHOWN_MAX} more")
    if proof.counterexample is not None:
        _show(proof.counterexample)


def _show(example: Counterexample) -> None:
    packet = example.packet
    click.echo(
        f"the core says {example.core:#x}, the Plan {example.plan:#x} of this packet of {len(packet.data)} bytes:"
    )
    click.echo(f"  {packet.data.hex() or 'no bytes'}")
    click.echo(f"  wire length {packet.size}, time {packet.time} ns, source ports {packet.source:#06x}")


def write(name: str, example: Counterexample) -> None:
    """Raises CaptureError."""
    packet = example.packet
    with CaptureWriter(name) as file:
        file.write(EventBatch.from_bytes([packet.data], [packet.time], [max(packet.size, len(packet.data))]))
