"""sevenm filter: the packets of a capture, or of an interface, that meet one expression."""

from __future__ import annotations

import sys

import click
import numpy as np

from sevenm.bundles import bundle_for
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import Device
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import Ingress
from sevenm.host.live.live import LiveIngress

from . import output
from .captures import Input, batches, input_options, received
from .describe import HEAD_MAX, packet, timestamp
from .engines import engine_option, open_engine, wants_gateware
from .errors import Exit, Failure
from .export import open_writer
from .sources import compile_expression


@click.command(
    "filter",
    epilog="\b\nExit codes: 0 done, 1 error in EXPR, 2 usage, 3 capture unreadable, 4 no engine.",
)
@click.argument("expr")
@input_options
@click.option("-w", "--write", "target", metavar="OUT", help="Write the matching packets to this capture; - is stdout.")
@click.option("--count", is_flag=True, help="Print only how many packets match.")
@engine_option
def filter_(expr: str, source: Input, target: str | None, count: bool, engine: str | None) -> int:
    """Show, count or write the packets that match EXPR.

    EXPR is a condition on packet fields, as in Wireshark's display filters. Without -w and --count each matching packet
    is one line: number, time (UTC), bytes on the wire, addresses and protocol. -c counts matching packets. With -i
    SIGINT, SIGTERM, -c and --seconds end it, and it says on standard error what it received.

    \b
    Examples:
      sevenm filter 'tcp.dstport in {80, 443, 8000..8080}' -r in.pcap
      sevenm filter 'ip.src in 10.0.0.0/8 and not arp' -r in.pcapng --count
      sevenm filter 'udp.dstport == 53' -r - -w - < in.pcap | tshark -r -
      sevenm filter 'tcp.dstport == 443' -i eth0 -c 10
    """
    if target is not None and count:
        raise click.UsageError("-w and --count exclude each other; -w says how many it wrote on standard error.")
    if target == "-" and sys.stdout.isatty():
        raise Failure("standard output is a terminal; give a file: -w out.pcap", Exit.USAGE)
    plan = compile_expression(expr).plan
    # Opened first, because what comes after it is done as the user that -i --user names.
    with (
        source.open(plan) as reader,
        bundle_for(plan, wants_gateware(engine)) as bundle,
        open_engine(engine, bundle) as device,
    ):
        run = _Run(device, reader, source)
        if target is not None:
            with open_writer(target, source.read, reader) as writer:
                run.all(writer, show=False)
            output.say(f"{run.matched} of {output.plural(run.total, 'packet')} match, written to {writer.name}")
        else:
            run.all(None, show=not count)
        if count:
            click.echo(run.matched)
        run.finish()
    return Exit.OK


class _Run:
    """``total`` packets were looked at, of which ``matched`` match."""

    def __init__(self, device: Device, reader: Ingress, source: Input) -> None:
        self.total = self.matched = 0
        self._fault: IngressFault | CaptureError | None = None
        self._device, self._reader, self._source, self._until = device, reader, source, source.until

    def all(self, writer: CaptureWriter | None, show: bool) -> None:
        """Every packet, until then."""
        self._source.begin(self._reader)
        self._until.begin()
        try:
            for batch in batches(self._reader):
                if len(batch):
                    self._one(batch, writer, show)
                if not self._until.room(self.matched):
                    return
        except (IngressFault, CaptureError) as error:
            if not self._source.live:
                raise
            self._fault = error

    def _one(self, batch: EventBatch, writer: CaptureWriter | None, show: bool) -> None:
        fired = self._device.process(batch).fired[0]
        hits = np.flatnonzero(fired)
        most = self._until.limit(self.matched)
        if len(hits) >= most:
            used = int(hits[most - 1]) + 1
            if isinstance(self._reader, LiveIngress):
                self._reader.left += len(batch) - used
            batch, fired, hits = batch.slice(0, used), fired[:used], hits[:most]
        if writer is not None:
            writer.write(batch, fired)
        elif show:
            _show(batch, hits.tolist(), self.total)
        self.total += len(batch)
        self.matched += len(hits)

    def finish(self) -> None:
        """Says what a live ingress received. Raises what ended it, if that was a fault, or nothing could be written any
        more."""
        if isinstance(self._reader, LiveIngress):
            self._reader.finish()
            output.say(received({**self._reader.counters(), "left": self._reader.left}, "packet", self._reader))
        if self._fault is not None:
            raise self._fault


def _show(batch: EventBatch, hits: list[int], before: int) -> None:
    for index in hits:
        event = batch.events[index]
        start = int(event["offset"])
        head = batch.buffer[start : start + min(int(event["cap_len"]), HEAD_MAX)].tobytes()
        click.echo(
            f"{before + index + 1:7}  {timestamp(int(event['ts_ns']))}  {int(event['wire_len']):5}  {packet(head)}"
        )
