"""sevenm subscribe: shows what a ring delivers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

import click
import numpy as np

from sevenm.compiler.columns import FieldError
from sevenm.compiler.plan import Plan
from sevenm.host.latency import Histogram
from sevenm.host.ring import POLICIES, MergedReader, ProducerGone, RingMismatch, RingStats
from sevenm.host.ring.arguments import DEADLINE_MAX
from sevenm.records import Meaning

from . import output
from .durations import latency_text
from .errors import Exit, Failure
from .formats import Sink, format_of, open_sink
from .signals import Stop, until_stopped
from .sources import plan_of_rules

LOOK = 0.1
"""Seconds that are waited at once, so that signals and the timeout are seen."""
DIED = "the producer died without closing the ring; everything it committed was read"
BATCH_MAX = 4096
"""Records that are written at once: what was read is given back to the producer after them."""


@click.command(
    epilog="\b\nExit codes: 0 the producer closed the ring, or -c or --timeout ended it, 1 errors in the rules,\n"
    "2 usage, 3 no such ring, one that carries something else, or a producer that died,\n4 no C runtime or no pyarrow, "
    "130 or 143 ended by SIGINT or SIGTERM, after the output was completed.",
)
@click.argument("ring")
@click.option(
    "--format",
    "name",
    type=click.Choice(("table", "jsonl", "csv", "pcap", "arrow")),
    help="What a record is written as. Default: table, or what the ending of -w FILE says. pcap has nanoseconds; arrow "
    "is an IPC stream and needs pip install 'sevenm[arrow]'.",
)
@click.option(
    "-w", "--write", "target", default="-", metavar="FILE", help="Write to this file instead of standard output."
)
@click.option("-c", "--count", type=click.IntRange(1), metavar="N", help="End after N records.")
@click.option("--timeout", type=click.FloatRange(0), metavar="S", help="End when no record came for S seconds.")
@click.option(
    "--wait", type=click.FloatRange(0), default=0.0, metavar="S", help="Wait S seconds for the ring to be made."
)
@click.option(
    "--rules",
    metavar="FILE",
    help="The rule file, or bundle folder, that feeds the ring: rules get their names, and records of a schema their "
    "fields. A ring that carries another schema is refused.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME",
    help="A field to show, as rules name it (ip.src, tcp.dstport); may be repeated. Default: all of a schema's, and "
    "none of a packet's.",
)
@click.option(
    "--subscriber",
    default="",
    metavar="NAME",
    help="Read as this subscriber, with records, policy and counts of its own, from now on. Default: the one without a "
    "name, whose records have waited since the ring was made.",
)
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    help="With --subscriber: what happens when it is slow. drop_newest: it misses what comes; drop_oldest: what it has "
    "not read; block: the producer waits.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, DEADLINE_MAX),
    metavar="S",
    help="With --policy block: the producer waits S seconds at most, 0: as long as the subscriber lives. Default: 5.",
)
@click.option(
    "--latency",
    is_flag=True,
    help="Tell at the end how long records took from their arrival until they were read; sevenm stat tells meanwhile.",
)
def subscribe(
    ring: str,
    name: str | None,
    target: str,
    count: int | None,
    timeout: float | None,
    wait: float,
    rules: str | None,
    fields: tuple[str, ...],
    subscriber: str,
    policy: str | None,
    deadline: float | None,
    latency: bool,
) -> int:
    """Read the records of RING in shared memory, and show or write them until its producer closes it.

    What is read is gone for this subscriber; what it missed is counted, and told at the end. A terminal or pipe that is
    slow only fills the ring: whether its producer then waits, and for how long, is said by the policy.

    Where a run with --workers delivers, RING is PREFIX.CHANNEL, and the rings of all workers are read in turn: each
    worker's records in their order, those of different workers in none.

    In a table, flags are C: more bytes than the slot holds, M: malformed, T: truncated.

    \b
    Examples:
      sevenm subscribe edge.web
      sevenm subscribe edge.web --rules edge.7m --field ip.src --field tcp.dstport --format csv
      sevenm subscribe hall.alarms --rules alarms.7m --format jsonl -c 10
      sevenm subscribe edge.web --subscriber audit --policy drop_oldest
      sevenm subscribe edge.web --wait 60 -w web.pcap
      sevenm subscribe edge.web --latency > /dev/null
    """
    if not subscriber and (policy is not None or deadline is not None):
        raise click.UsageError("--policy and --deadline are about a --subscriber NAME; the producer says the others.")
    name = format_of(name, target)
    plan = None if rules is None else plan_of_rules(rules)
    try:
        meaning = Meaning(plan, fields)
    except FieldError as error:
        raise Failure(f"--field: {error}", Exit.USAGE) from None
    with until_stopped() as stop:
        try:
            reader = MergedReader.attach(
                ring,
                layout_hash=meaning.layout_hash,
                timeout=wait,
                subscriber=subscriber,
                policy=policy,
                deadline=deadline,
            )
        except ValueError as error:
            raise Failure(str(error), Exit.USAGE) from None
        with reader:
            stats = reader.stats()
            packets = _packets(stats, plan, fields)
            sink = open_sink(name, target, meaning, np.zeros(0, reader.dtype), packets)
            times = reader.measure() if latency else []
            with closing(sink):
                total, ended = _follow(reader, sink, count, timeout, stop, times)
            _tell(reader.stats(), subscriber, total, ended)
            if times:
                every = Histogram()
                for one in times:
                    every.add(one)
                output.say(f"sevenm: from arrival until read: {latency_text(every.summary())}")
            if ended == DIED:
                return Exit.INPUT
    return stop.code


def _packets(stats: RingStats, plan: Plan | None, fields: tuple[str, ...]) -> bool:
    """Whether the ring has packets. Raises RingMismatch for one that has records where packets are meant."""
    if stats.layout_hash and (plan is None or plan.source == "packet") and (plan is not None or fields):
        about = "--field without --rules is" if plan is None else "the rules are"
        raise RingMismatch(
            f"ring {stats.name} carries records of layout 0x{stats.layout_hash:016x}, but {about} about packets; "
            "give the rules with its schema: --rules FILE"
        )
    if plan is not None and stats.digest and stats.digest != plan.digest:
        output.say(
            f"sevenm: ring {stats.name} is fed by rules with digest {stats.digest[:12]}, and these have "
            f"{plan.digest[:12]}: names of rules may be wrong"
        )
    return not stats.layout_hash


def _follow(
    reader: MergedReader,
    sink: Sink,
    count: int | None,
    timeout: float | None,
    stop: Stop,
    times: Sequence[Histogram],
) -> tuple[int, str]:
    """Reads until there is a reason to end; returns the number of records, and the reason."""
    total, last = 0, time.monotonic()
    while not stop():
        most = BATCH_MAX if count is None else min(BATCH_MAX, count - total)
        records = reader.read(most)
        if len(records):
            if times:
                times[reader.worker].record_ages(records["ts_ns"])
            sink.write(records)
            # Given back only now: what could not be written is there for the next one.
            reader.release()
            total, last = total + len(records), time.monotonic()
        if total == count:
            return total, "as many as asked for"
        if len(records):
            continue
        try:
            found = reader.wait(LOOK)
        except ProducerGone:
            return total, DIED
        if not found:
            if reader.ended:
                return total, "the producer closed the ring"
            if timeout is not None and time.monotonic() - last >= timeout:
                return total, f"none came for {timeout:g} s"
    return total, "stopped"


def _tell(stats: RingStats, subscriber: str, total: int, why: str) -> None:
    mine = next(one for one in stats.subscribers if one.name == subscriber)
    counts = (*mine.undelivered.items(), ("lost", mine.lost))
    missed = ", ".join(f"{number:,} {cause}" for cause, number in counts if number)
    since = f"; missed since {'it came' if subscriber else 'the ring was made'}: {missed}" if missed else ""
    output.say(f"sevenm: {output.plural(total, 'record')} read, {why}{since}")
