"""sevenm replay: the frames of a capture on an interface, with their own timing."""

from __future__ import annotations

from contextlib import closing, suppress

import click

from sevenm.host.replay import Interface, Pace

from . import output
from .pacing import Done, chosen, hand_out, open_frames, pace_options
from .signals import until_stopped


@click.command(
    epilog="\b\nExit codes: 0 done, 2 usage, 3 the capture or the interface cannot be used,\n"
    "130 or 143 ended by SIGINT or SIGTERM.",
)
@click.argument("source", metavar="IN")
@click.option("-i", "--interface", "name", required=True, metavar="IFACE", help="Where to send; needs CAP_NET_RAW.")
@pace_options("original")
@click.option("-c", "--count", type=click.IntRange(1), metavar="N", help="End after N frames.")
@click.option("--json", "as_json", is_flag=True, help="Counts as JSON on standard output.")
def replay(source: str, name: str, pace: Pace | None, rate: Pace | None, count: int | None, as_json: bool) -> int:
    """Send the frames of the capture IN (- is standard input) on an interface, as they are and when they are due.

    A frame of which the capture has only a part is not sent, nor is one that is too long for the interface; both are
    counted. Who cannot keep the pace goes on with the spacing of the frames, without a burst, and says how late it is.
    `sevenm publish` puts the same events into a ring.

    \b
    Examples:
      sevenm replay in.pcap -i veth0
      sevenm replay in.pcap -i veth0 --pace x10
      sevenm replay - -i veth0 --rate 20k < in.pcap
    """
    speed = chosen(pace, rate)
    done = Done()
    with until_stopped() as stop, open_frames(source) as reader, closing(Interface(name)) as interface:
        with suppress(KeyboardInterrupt):
            hand_out(reader, speed, count, interface.send, stop, done)
        if as_json:
            output.emit_json(
                {
                    "interface": name,
                    "events": done.events,
                    "sent": interface.sent,
                    "unsent": interface.unsent,
                    "seconds": round(done.seconds, 6),
                    "behind_seconds": round(done.behind, 6),
                    "stopped": stop(),
                }
            )
        else:
            causes = ", ".join(f"{n:,} {cause}" for cause, n in interface.unsent.items())
            click.echo(f"{done.text()}: {interface.sent:,} sent on {name}, {causes or 0} not sent")
    return stop.code
