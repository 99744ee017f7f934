"""sevenm stat: what happens in rings, a line for each subscriber and interval, for people or machines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from sevenm.host.latency import Summary
from sevenm.host.ring.rates import Look, Rates, Watch

from . import output
from .durations import duration
from .errors import Exit
from .folding import each_option, looking
from .intervals import interval_option
from .signals import Stop, until_stopped

HEAD_EVERY = 20
"""Lines between two headings."""
DEFAULT = "(default)"
"""The subscriber that has no name."""
STAGES: dict[str, Callable[[Rates], Summary | None]] = {
    "in ring": lambda one: one.ring.latency,
    "read": lambda one: one.subscriber.latency,
}
"""From a record's arrival until then; shown where somebody measures it."""
WIDTH = 8
"""Of a duration."""
LOOK = 0.1
"""Longest sleep in seconds, so that a signal is seen."""


@click.command(
    epilog="\b\nExit codes: 0 done, 2 usage, 3 the rings cannot be looked at, 4 no C runtime,\n"
    "130 or 143 ended by SIGINT or SIGTERM.",
)
@click.argument("prefix", default="")
@interval_option
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="End after N intervals.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines: one object for each subscriber and interval.")
@each_option
def stat(prefix: str, interval: float, count: int | None, as_json: bool, each: bool) -> int:
    """Show rates of all rings whose name begins with PREFIX, every interval until it is ended.

    It only looks, read-only, from its own process: neither producer nor reader notices. Every subscriber has a line:
    written is records per second that it was given, read those that it gave back, missed those that it did not get, by
    cause (lost: written over before they were read); fill is how much of the ring it has not read. A producer says
    that it goes on, also when it has nothing to write; one that lives and has not said so for a second is silent.
    Where somebody measures latency (run --latency, subscribe --latency) there are columns for it: from the arrival of
    records until they are in the ring, and until the subscriber has read them.

    Rings that several workers have for one channel are added up, unless --each is said; latencies are those of the
    slowest of them.

    \b
    Examples:
      sevenm stat
      sevenm stat edge. --interval 0.2 -n 50
      sevenm stat --json | jq -r 'select(.missed > 0) | .ring'
    """
    watch = Watch(prefix, looking(each))
    lines = Lines()
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
                lines.show(look)
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
        "beat_age": None if ring.beat_age is None else round(ring.beat_age, 6),
        "reader_pid": subscriber.pid,
        "time_ns": time.time_ns(),
        "seconds": round(rates.seconds, 6),
        "written": round(rates.written, 3),
        "read": round(rates.read, 3),
        "missed": round(rates.loss, 3),
        "missed_by_cause": {cause: round(rate, 3) for cause, rate in rates.missed.items()},
        "latency": {
            stage: None if times is None else asdict(times)
            for stage, times in (("in_ring", ring.latency), ("read", subscriber.latency))
        },
        "in_ring": subscriber.in_ring,
        "slots": ring.slots,
        "total": {"written": subscriber.delivered, "read": subscriber.read, "missed": missed},
    }


def missed_text(rates: Rates) -> str:
    """12 full, 3 lost."""
    return ", ".join(f"{rate:,.0f} {cause}" for cause, rate in rates.missed.items()) or "0"


class Lines:
    """A line for each subscriber, and a heading every HEAD_EVERY lines and where the columns change."""

    def __init__(self) -> None:
        self._since, self._head = HEAD_EVERY, ""

    def show(self, look: Look) -> None:
        """Prints what was seen."""
        rows = [(one.ring.name, one.subscriber.name or DEFAULT, one) for one in look.rates]
        ring_width = max([len("ring"), *(len(ring) for ring, _, _ in rows)])
        width = max([len("subscriber"), *(len(name) for _, name, _ in rows)])
        stages = [name for name, of in STAGES.items() if any(of(one) for one in look.rates)]
        parts = "".join(_columns(name, f"{name} p50", "p99", "max") for name in stages)
        head = (
            f"{'ring':{ring_width}}  {'subscriber':{width}}  {'state':6}  {'written/s':>10}  {'read/s':>10}  "
            f"{'fill':>4}{parts}  missed/s"
        )
        for ring, name, one in rows:
            if self._since >= HEAD_EVERY or head != self._head:
                click.echo(head)
                self._since, self._head = 0, head
            times = "".join(_times(stage, STAGES[stage](one)) for stage in stages)
            click.echo(
                f"{ring:{ring_width}}  {name:{width}}  {one.state:6}  {one.written:10,.0f}  {one.read:10,.0f}  "
                f"{one.fill:4.0%}{times}  {missed_text(one)}"
            )
            self._since += 1


def _times(stage: str, times: Summary | None) -> str:
    if times is None or not times.count:
        return _columns(stage, "-", "-", "-")
    return _columns(stage, duration(times.p50), duration(times.p99), duration(times.max))


def _columns(stage: str, p50: str, p99: str, most: str) -> str:
    return f"  {p50:>{max(len(stage) + 4, WIDTH)}}  {p99:>{WIDTH}}  {most:>{WIDTH}}"
