"""sevenm compare: the same rules on the same events in every engine, and whether they agree."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import numpy as np

from sevenm.bundles import bundle_for
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.bundle import gateware_missing, write_bundle
from sevenm.compiler.plan import Plan
from sevenm.engines import device_names, open_running
from sevenm.host.batch import EventBatch
from sevenm.host.bundle import Bundle
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import DEVICES, DeviceUnavailable
from sevenm.host.engine.actions import Words, unpack
from sevenm.host.ingress import Ingress
from sevenm.host.registry import RegistryError
from sevenm.host.session import Session

from .captures import batches, open_events
from .choices import width_option
from .comparison import MATCHED, Comparison, Lane, report
from .errors import Exit, Failure
from .export import open_writer
from .inputs import read_options
from .sources import compile_file

RATE_SECONDS = 0.3
"""Shortest time over which a rate is measured; a short capture is matched again until it has passed."""


@click.command(
    epilog="\b\nExit codes: 0 equal, 1 not equal or errors in the rules, 3 input, 4 fewer than two engines.",
)
@click.argument("file")
@read_options
@click.option("-o", "--output", "folder", metavar="DIR", help="Keep bundle, matches and table in this folder.")
@width_option
def compare(file: str, source: str, ingress: str | None, folder: str | None, beat_bits: int) -> int:
    """Run the rule file FILE on a capture in every engine and compare every verdict on every event.

    The engines are those that `sevenm devices` lists: the NumPy reference model, which defines the answer, the C engine
    of this machine, the core's Verilog in a simulator, and what other packages add. One that is not available is named,
    and the others are compared.

    \b
    Example:
      sevenm compare edge.7m -r in.pcap -o build/edge
    """
    plan = compile_file(file).plan
    with ExitStack() as stack:
        bundle = stack.enter_context(_bundle(plan, folder, beat_bits))
        result = Comparison(plan, bundle)
        for name in device_names():
            _start(name, result, stack)
        if len(result.lanes) < 2:
            raise Failure("; ".join(f"{n}: {why}" for n, why in result.absent.items()), Exit.ENGINE)
        reader = stack.enter_context(open_events(source, ingress, plan))
        target = str(Path(folder) / MATCHED) if folder is not None else None
        writer = None
        if target is not None:
            writer = stack.enter_context(open_writer(CaptureWriter, target, source, reader.link_type))
        last = _process(result, reader, writer)
        if last is not None:
            _measure(result, last)
        report(result, f"{file} on {source}", Path(folder) if folder is not None else None)
    return Exit.OK if result.equal else Exit.FINDINGS


@contextmanager
def _bundle(plan: Plan, folder: str | None, beat_bits: int) -> Iterator[Bundle]:
    """The bundle in DIR/bundle, or in the cache; without gateware where Amaranth is missing."""
    gateware = gateware_missing() is None
    if folder is None:
        with bundle_for(plan, gateware, beat_bits) as bundle:
            yield bundle
    else:
        Path(folder).mkdir(parents=True, exist_ok=True)
        options = CoreOptions(beat_bits=beat_bits)
        yield Bundle.open(write_bundle(plan, Path(folder) / "bundle", gateware, options=options))


def _start(name: str, result: Comparison, stack: ExitStack) -> None:
    """Adds the engine's lane, or why there is none. A device that fails in any other way fails the comparison."""
    try:
        device = stack.enter_context(open_running(name, result.bundle))
    except (DeviceUnavailable, RegistryError) as error:
        result.absent[name] = str(error)
        return
    if device.capabilities().owns_ingress:
        result.absent[name] = "it receives its events itself, so it cannot be given those of a capture"
        return
    session = Session(device, result.bundle, use_native=False)
    rows = len(result.plan.rules) + 2
    about = DEVICES.load(name).label
    result.lanes.append(Lane(name, about, device, session, np.zeros(rows, np.int64), [None] * rows))


def _process(result: Comparison, reader: Ingress, writer: CaptureWriter | None) -> EventBatch | None:
    """Runs every batch through every engine; returns the largest batch, for measuring."""
    largest: EventBatch | None = None
    before = 0
    for batch in batches(reader):
        answers = [lane.session.feed(batch) for lane in result.lanes]
        for lane, decisions in zip(result.lanes, answers, strict=True):
            wrong = decisions.rows ^ answers[0].rows
            if wrong.any():
                _note(lane, wrong, before, len(batch))
        if writer is not None:
            writer.write(batch, answers[0].channels != 0)
        before += len(batch)
        if largest is None or len(batch) > len(largest):
            largest = batch
    return largest


def _note(lane: Lane, wrong: Words, before: int, n: int) -> None:
    """Counts the events that differ, per row, and keeps the first of each."""
    flags = unpack(wrong, n)
    lane.differs += flags.sum(axis=1)
    for row in np.flatnonzero(flags.any(axis=1)).tolist():
        if lane.first[row] is None:
            lane.first[row] = before + int(np.argmax(flags[row])) + 1


def _measure(result: Comparison, batch: EventBatch) -> None:
    """The rate of each engine. A capture of a few packets says little: matches its largest batch again for a while."""
    for lane in result.lanes:
        run = lane.session.report()
        lane.measured_events, lane.measured_seconds = run.events, run.seconds_device
        if run.seconds_device < RATE_SECONDS:
            lane.measured_events, lane.measured_seconds = 0, 0.0
        while lane.measured_seconds < RATE_SECONDS:
            started = time.perf_counter()
            lane.device.process(batch)
            lane.measured_seconds += time.perf_counter() - started
            lane.measured_events += len(batch)
