"""sevenm publish: events of a file as records of a ring, without any rules between."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace

import click

from sevenm.compiler.plan import Plan
from sevenm.host.batch import EventBatch
from sevenm.host.replay import Pace, as_records
from sevenm.host.ring import RingStats, RingWriter
from sevenm.host.ring.control import SubscriberStats

from . import output
from .captures import open_events
from .errors import Failure
from .pacing import Done, chosen, hand_out, open_frames, pace_options
from .rings import Shape, shape_options
from .signals import Stop, until_stopped
from .sources import plan_of_rules

LOOK = 0.01
"""Seconds between two looks for a subscriber."""
LANES = 16
"""Most subscribers of a ring, the default one included."""


@click.command(
    epilog="\b\nExit codes: 0 all was offered to the ring, 1 errors in the rules, 2 usage, 3 input or ring, "
    "4 no C runtime,\n130 or 143 ended by SIGINT or SIGTERM, after the ring was closed.",
)
@click.argument("ring")
@click.option("-r", "--read", "source", required=True, metavar="IN", help="Capture to read; - is standard input.")
@click.option(
    "--rules",
    metavar="FILE",
    help="Rule file or bundle folder with a schema: IN has its records, bare or in a capture, and the ring says so.",
)
@pace_options("full")
@click.option("-c", "--count", type=click.IntRange(1), metavar="N", help="End after N events.")
@shape_options
@click.option(
    "--wait", type=click.FloatRange(0), default=0.0, metavar="S", help="Wait S seconds for a subscriber first."
)
@click.option(
    "--subscribers",
    type=click.IntRange(1, LANES),
    default=1,
    show_default=True,
    metavar="N",
    help="With --wait: for so many of them.",
)
@click.option("--stamp", is_flag=True, help="Events arrive now: their time is that of publishing, not of capturing.")
@click.option("--json", "as_json", is_flag=True, help="Counts as JSON on standard output.")
def publish(
    ring: str,
    source: str,
    rules: str | None,
    pace: Pace | None,
    rate: Pace | None,
    count: int | None,
    shape: Shape,
    wait: float,
    subscribers: int,
    stamp: bool,
    as_json: bool,
) -> int:
    """Make the ring RING, put every event of IN into it, and close it.

    The ring stays until it is read and removed (`sevenm ring rm`), so that a subscriber may come later. Its records say
    rule 0, generation 0 and no engine: no rule decided them.

    \b
    Examples:
      sevenm publish demo -r in.pcap
      sevenm publish demo -r in.pcap --pace original --wait 60
      sevenm publish orders -r orders.bin --rules orders.7m --rate 20k --policy block
    """
    speed = chosen(pace, rate)
    plan = None if rules is None else plan_of_rules(rules)
    done = Done()
    with ExitStack() as stack:
        stop = stack.enter_context(until_stopped(at_once=True))
        reader = stack.enter_context(open_frames(source) if plan is None else open_events(source, None, plan))
        writer = stack.enter_context(_open_ring(ring, plan, shape))
        before = writer.stats()
        with suppress(KeyboardInterrupt):
            _await_subscribers(writer, wait, subscribers)
            hand_out(reader, speed, count, lambda part: _put(writer, part, stamp), stop, done, writer.beat)
        _tell(before, writer.stats(), done, stop, as_json)
    return stop.code


def _put(writer: RingWriter, part: EventBatch, stamp: bool) -> None:
    records = as_records(part, writer.dtype)
    if stamp:
        records["ts_ns"] = time.time_ns()
    writer.write(records)


def _open_ring(name: str, plan: Plan | None, shape: Shape) -> RingWriter:
    if plan is None or plan.source == "packet":
        return shape.create(name, None, 0)
    return shape.create(name, plan.layouts[0].size, plan.layouts[0].hash)


def _await_subscribers(writer: RingWriter, wait: float, wanted: int) -> None:
    """Comes back once so many subscribers read, or none was wanted. Raises Failure if they did not come in time."""
    end = time.monotonic() + wait
    while wait and (there := sum(one.pid is not None for one in writer.stats().subscribers)) < wanted:
        if time.monotonic() >= end:
            came = f"{there} of {wanted} subscribers" if there else "no subscriber"
            raise Failure(f"ring {writer.name}: {came} came for {wait:g} s, so nothing was published")
        writer.beat()
        time.sleep(LOOK)


def _since(before: RingStats, after: RingStats) -> list[SubscriberStats]:
    """What each subscriber that is there now got, and did not get, since ``before`` or since it came."""
    were = {(one.name, one.start): one for one in before.subscribers}
    out = []
    for one in after.subscribers:
        was = were.get((one.name, one.start))
        if was is not None:
            one = replace(
                one,
                delivered=one.delivered - was.delivered,
                lost=one.lost - was.lost,
                undelivered=_difference(one.undelivered, was.undelivered),
            )
        out.append(one)
    return out


def _difference(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {cause: n - before[cause] for cause, n in after.items()}


def _without_zeros(counts: dict[str, int]) -> dict[str, int]:
    return {cause: n for cause, n in counts.items() if n}


def _tell(before: RingStats, after: RingStats, done: Done, stop: Stop, as_json: bool) -> None:
    lost = _without_zeros(_difference(after.undelivered, before.undelivered))
    delivered = after.delivered - before.delivered
    lanes = _since(before, after)
    # The default subscriber is offered every event, also one whose writing a signal interrupted.
    done.events = lanes[0].sent
    if as_json:
        output.emit_json(
            {
                "ring": after.name,
                "events": done.events,
                "subscribers": len(lanes),
                "delivered": delivered,
                "undelivered": lost,
                "lanes": [_lane(one) for one in lanes],
                "seconds": round(done.seconds, 6),
                "behind_seconds": round(done.behind, 6),
                "stopped": stop(),
            }
        )
        return
    several = f" for {len(lanes)} subscribers" if len(lanes) > 1 else ""
    click.echo(f"{done.text()}: {delivered:,} delivered into {after.name}{several}, {_causes(lost)} undelivered")
    for one in lanes if several else ():
        left = _causes(_without_zeros(one.undelivered))
        click.echo(f"  {one.name or '(default)'}: {one.delivered:,} delivered, {left} undelivered")


def _causes(lost: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {cause}" for cause, n in lost.items()) or "0"


def _lane(one: SubscriberStats) -> dict[str, object]:
    """A subscriber's part, for machines. ``in_ring`` is all that it has not read yet."""
    return {
        "subscriber": one.name,
        "policy": one.policy,
        "reader_pid": one.pid,
        "delivered": one.delivered,
        "undelivered": _without_zeros(one.undelivered),
        "lost": one.lost,
        "in_ring": one.in_ring,
    }
