"""sevenm filter: the packets of a capture, or of an interface, that meet one expression."""

from __future__ import annotations

import sys

import click

from sevenm.filters import Filters
from sevenm.host.engine.selection import ALL, Form

from . import selecting
from .choices import engine_option
from .errors import Exit, Failure
from .inputs import Asked, input_options


@click.command(
    "filter",
    epilog="\b\nExit codes: 0 done, 1 error in EXPR, 2 usage, 3 capture unreadable, 4 no engine.",
)
@click.argument("expr")
@input_options
@click.option("-w", "--write", "target", metavar="OUT", help="Write the matching packets to this capture; - is stdout.")
@click.option("--count", is_flag=True, help="Print only how many packets match.")
@engine_option
def filter_(expr: str, asked: Asked, target: str | None, count: bool, engine: str | None) -> int:
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
    form = Form.COUNT if count else Form.LINES if target is None else Form.PCAP
    source = asked.capture if engine in (None, "host") and selecting.available() else None
    filters = Filters()
    code = None if source is None else filters.find(expr)
    if source is not None and code is not None:
        return selecting.run(code, source, form, target, asked.events or ALL)
    from . import filtering  # with the compiler, NumPy and all that engines need

    return filtering.run(expr, asked, source, form, target, engine, filters)
