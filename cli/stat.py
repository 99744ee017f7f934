"""sevenm stat: what happens in rings, a line for each subscriber and interval, for people or machines."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from sevenm.host.ring.rates import Look, Rates, Watch

from . import output
from .errors import Exit
from .intervals import interval_option
from .signals import Stop, until_stopped

HEAD_EVERY = 20
"""Lines between two headings."""
DEFAULT = "(default)"
"""The subscriber that has no name."""
LOOK = 0.1
"""Longest sleep in seconds, so that a signal is seen."""


@click.command(
    short_help="Show how fast rings are filled, read and overrun.",
    epilog="\b\nExit codes: 0 done, 2 usage, 3 the rings cannot be looked at, 4 no C runtime,\n"
    "130 or 143 ended by SIGINT or SIGTERM.",
)
@click.argument("prefix", default="")
@interval_option
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="End after N intervals.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one object for each subscriber and interval.")
def stat(prefix: str, interval: float, count: int | None, as_json: bool) -> int:
    """Show rates of all rings whose name begins with PREFIX, every interval until it is ended.

    It only looks, read-only, from its own process: neither producer nor reader notices. Every subscriber has a line:
    written is records per second that it was given, read those that it gave back, missed those that it did not get, by
    cause (lost: written over before they were read); fill is how much of the ring it has not read.

    \b
    Examples:
      sevenm stat
      sevenm stat edge. --interval 0.2 -n 50
      sevenm stat --json | jq -r 'select(.missed > 0) | .ring'
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
                for rates in look.rates:
                    click.echo(json.dumps(as_object(rates)))
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
    if not look.rates:
        output.say(f"no ring's name begins with {prefix} yet" if prefix else "there are no rings yet")
    for entry in look.others:
        output.say(f"sevenm: {output.clean(entry.name)} is no usable ring: {entry.kind}: {output.clean(entry.why)}")


def as_object(rates: Rates) -> dict[str, Any]:
    """A line for machines. Rates are per second over ``seconds``; ``total`` counts since the subscriber came."""
    ring, subscriber = rates.ring, rates.subscriber
    missed = {cause: n for cause, n in (*subscriber.undelivered.items(), ("lost", subscriber.lost)) if n}
    return {
        "ring": ring.name,
        "subscriber": subscriber.name,
        "policy": subscriber.policy,
        "state": rates.state,
        "reader_pid": subscriber.pid,
        "time_ns": time.time_ns(),
        "seconds": round(rates.seconds, 6),
        "written": round(rates.written, 3),
        "read": round(rates.read, 3),
        "missed": round(rates.loss, 3),
        "missed_by_cause": {cause: round(rate, 3) for cause, rate in rates.missed.items()},
        "in_ring": subscriber.in_ring,
        "slots": ring.slots,
        "total": {"written": subscriber.delivered, "read": subscriber.read, "missed": missed},
    }


def missed_text(rates: Rates) -> str:
    """12 full, 3 lost."""
    return ", ".join(f"{rate:,.0f} {cause}" for cause, rate in rates.missed.items()) or "0"


def _show(look: Look, lines: int) -> int:
    """Prints a line for each subscriber, and the heading where it is due; returns the lines so far."""
    rows = [(one.ring.name, one.subscriber.name or DEFAULT, one) for one in look.rates]
    ring_width = max([len("ring"), *(len(ring) for ring, _, _ in rows)])
    width = max([len("subscriber"), *(len(name) for _, name, _ in rows)])
    for ring, name, one in rows:
        if lines % HEAD_EVERY == 0:
            click.echo(
                f"{'ring':{ring_width}}  {'subscriber':{width}}  {'state':6}  {'written/s':>10}  {'read/s':>10}  "
                f"{'fill':>4}  missed/s"
            )
        click.echo(
            f"{ring:{ring_width}}  {name:{width}}  {one.state:6}  {one.written:10,.0f}  {one.read:10,.0f}  "
            f"{one.fill:4.0%}  {missed_text(one)}"
        )
        lines += 1
    return lines
