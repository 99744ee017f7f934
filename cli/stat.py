"""sevenm stat: what happens in rings, a line for each and interval, for people or machines."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from sevenm.host.ring.rates import Look, Rates, Watch

from . import output
from .errors import Exit
from .signals import Stop, until_stopped

HEAD_EVERY = 20
"""Lines between two headings."""
LOOK = 0.1
"""Longest sleep in seconds, so that a signal is seen."""


@click.command(
    short_help="Show how fast rings are filled, read and overrun.",
    epilog="\b\nExit codes: 0 done, 2 usage, 3 the rings cannot be looked at, 4 no C runtime,\n"
    "130 or 143 ended by SIGINT or SIGTERM.",
)
@click.argument("prefix", default="")
@click.option(
    "--interval",
    type=click.FloatRange(0.01),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between looks.",
)
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="End after N intervals.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one object for each ring and interval.")
def stat(prefix: str, interval: float, count: int | None, as_json: bool) -> int:
    """Show rates of all rings whose name begins with PREFIX, every interval until it is ended.

    It only looks, read-only, from its own process: neither producer nor reader notices. Written is records per second
    that came into the ring, read those that its reader gave back, undelivered those that were counted instead, by
    cause; fill is how much of the ring is unread now.

    \b
    Examples:
      sevenm stat
      sevenm stat edge. --interval 0.2 -n 50
      sevenm stat --json | jq -r 'select(.undelivered > 0) | .ring'
    """
    watch = Watch(prefix)
    lines = 0
    with until_stopped() as stop:
        _tell_others(watch.look(), prefix)
        due = time.monotonic() + interval
        done = 0
        while count is None or done < count:
            if not _sleep_until(due, stop):
                return stop.code
            due = max(due + interval, time.monotonic())
            look = watch.look()
            if as_json:
                for ring in look.rings:
                    click.echo(json.dumps(as_object(ring)))
            else:
                lines = _show(look, lines)
            done += 1
    return Exit.OK


def _sleep_until(due: float, stop: Stop) -> bool:
    """False: a signal came first."""
    while not stop() and (left := due - time.monotonic()) > 0:
        time.sleep(min(left, LOOK))
    return not stop()


def _tell_others(look: Look, prefix: str) -> None:
    if not look.rings:
        output.say(f"no ring's name begins with {prefix} yet" if prefix else "there are no rings yet")
    for entry in look.others:
        output.say(f"sevenm: {output.clean(entry.name)} is no usable ring: {entry.kind}: {output.clean(entry.why)}")


def as_object(ring: Rates) -> dict[str, Any]:
    """A ring's line for machines. Rates are per second over ``seconds``; ``total`` has the counts since it was made."""
    stats = ring.stats
    return {
        "ring": ring.name,
        "state": ring.state,
        "time_ns": time.time_ns(),
        "seconds": round(ring.seconds, 6),
        "written": round(ring.delivered, 3),
        "read": round(ring.read, 3),
        "undelivered": round(ring.lost, 3),
        "undelivered_by_cause": {cause: round(rate, 3) for cause, rate in ring.undelivered.items()},
        "in_ring": stats.in_ring,
        "slots": stats.slots,
        "total": {
            "written": stats.delivered,
            "read": stats.consumed,
            "undelivered": {cause: number for cause, number in stats.undelivered.items() if number},
        },
    }


def _show(look: Look, lines: int) -> int:
    """Prints a line for each ring, and the heading where it is due; returns the lines so far."""
    width = max([len("ring"), *(len(ring.name) for ring in look.rings)])
    for ring in look.rings:
        if lines % HEAD_EVERY == 0:
            click.echo(f"{'ring':{width}}  {'state':6}  {'written/s':>11}  {'read/s':>11}  {'fill':>4}  undelivered/s")
        lost = ", ".join(f"{rate:,.0f} {cause}" for cause, rate in ring.undelivered.items()) or "0"
        click.echo(
            f"{ring.name:{width}}  {ring.state:6}  {ring.delivered:11,.0f}  {ring.read:11,.0f}  {ring.fill:4.0%}  "
            f"{lost}"
        )
        lines += 1
    return lines
