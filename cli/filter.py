"""sevenm filter: the packets of a capture that meet one expression."""

from __future__ import annotations

import sys

import click
import numpy as np

from sevenm.bundles import bundle_for
from sevenm.host.batch import EventBatch
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device
from sevenm.host.ingress import Ingress

from . import output
from .captures import batches, open_events, read_options
from .describe import HEAD_MAX, packet, timestamp
from .engines import engine_option, open_engine, wants_gateware
from .errors import Exit, Failure
from .export import open_writer
from .sources import compile_expression


@click.command(
    "filter",
    short_help="Show, count or write the packets that match.",
    epilog="\b\nExit codes: 0 done, 1 error in EXPR, 2 usage, 3 capture unreadable, 4 no engine.",
)
@click.argument("expr")
@read_options
@click.option("-w", "--write", "target", metavar="OUT", help="Write the matching packets to this capture; - is stdout.")
@click.option("--count", is_flag=True, help="Print only how many packets match.")
@engine_option
def filter_(expr: str, source: str, ingress: str | None, target: str | None, count: bool, engine: str | None) -> int:
    """Show, count or write the packets that match EXPR.

    EXPR is a condition on packet fields, as in Wireshark's display filters. Without -w and --count each matching packet
    is one line: number, time (UTC), bytes on the wire, addresses and protocol.

    \b
    Examples:
      sevenm filter 'tcp.dstport in {80, 443, 8000..8080}' -r in.pcap
      sevenm filter 'ip.src in 10.0.0.0/8 and not arp' -r in.pcapng --count
      sevenm filter 'udp.dstport == 53' -r - -w - < in.pcap | tshark -r -
    """
    if target is not None and count:
        raise click.UsageError("-w and --count exclude each other; -w says how many it wrote on standard error.")
    if target == "-" and sys.stdout.isatty():
        raise Failure("standard output is a terminal; give a file: -w out.pcap", Exit.USAGE)
    plan = compile_expression(expr).plan
    with (
        bundle_for(plan, wants_gateware(engine)) as bundle,
        open_engine(engine, bundle) as device,
        open_events(source, ingress, plan) as reader,
    ):
        if target is not None:
            with open_writer(target, source, reader) as writer:
                total, matched = _run(device, reader, writer, show=False)
            output.say(f"{matched} of {output.plural(total, 'packet')} match, written to {writer.name}")
        else:
            total, matched = _run(device, reader, None, show=not count)
    if count:
        click.echo(matched)
    return Exit.OK


def _run(device: Device, reader: Ingress, writer: CaptureWriter | None, show: bool) -> tuple[int, int]:
    """Returns how many packets there were, and how many match."""
    total = matched = 0
    for batch in batches(reader):
        fired = device.process(batch).fired[0]
        if writer is not None:
            writer.write(batch, fired)
        elif show:
            _show(batch, np.flatnonzero(fired).tolist(), total)
        total += len(batch)
        matched += int(np.count_nonzero(fired))
    return total, matched


def _show(batch: EventBatch, hits: list[int], before: int) -> None:
    for index in hits:
        event = batch.events[index]
        start = int(event["offset"])
        head = batch.buffer[start : start + min(int(event["cap_len"]), HEAD_MAX)].tobytes()
        click.echo(
            f"{before + index + 1:7}  {timestamp(int(event['ts_ns']))}  {int(event['wire_len']):5}  {packet(head)}"
        )
