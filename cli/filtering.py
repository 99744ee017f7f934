"""Runs a filter that was not compiled before, or on another engine or input than a capture and generated C."""

from __future__ import annotations

import click
import numpy as np

from sevenm.bundles import bundle_for
from sevenm.compiler import Compiled
from sevenm.engines import default_engine
from sevenm.filters import Filters
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.devices.device import DEVICES, Device
from sevenm.host.devices.host import ENGINE_C, HOST
from sevenm.host.engine.code import Code
from sevenm.host.engine.compiled import load_engine
from sevenm.host.engine.loop import IngressFault
from sevenm.host.engine.selection import ALL, Form
from sevenm.host.ingress import Ingress
from sevenm.host.live.live import LiveIngress

from . import output, selecting
from .captures import Input, batches, received
from .describe import HEAD_MAX, packet, timestamp
from .engines import open_engine, wants_gateware
from .errors import Exit
from .export import open_writer
from .inputs import Asked
from .sources import compile_expression


def run(
    expr: str, asked: Asked, capture: str | None, form: Form, target: str | None, engine: str | None, filters: Filters
) -> int:
    """Compiles the expression and runs it. ``capture``: what generated C may read by itself, if it can be that; the
    engine is then kept among ``filters``, which were looked up before the compiler was loaded."""
    compiled = compile_expression(expr)
    code = None if capture is None else _code(compiled, expr, filters)
    if capture is not None and code is not None:
        return selecting.run(code, capture, form, target, asked.events or ALL)
    source = Input.of(asked)
    # Opened first, because what comes after it is done as the user that -i --user names.
    with (
        source.open(compiled.plan) as reader,
        bundle_for(compiled.plan, wants_gateware(engine)) as bundle,
        open_engine(engine, bundle) as device,
    ):
        run = _Run(device, reader, source)
        if target is not None:
            with open_writer(CaptureWriter, target, source.read, reader.link_type) as writer:
                run.all(writer, show=False)
            output.say(f"{run.matched} of {output.plural(run.total, 'packet')} match, written to {writer.name}")
        else:
            run.all(None, show=form is Form.LINES)
        if form is Form.COUNT:
            click.echo(run.matched)
        run.finish()
    return Exit.OK


def _code(compiled: Compiled, expr: str, filters: Filters) -> Code | None:
    """The filter's engine in C; None where it is not what would run, and then somebody else says why."""
    with bundle_for(compiled.plan, gateware=False) as bundle:
        name, why = default_engine(bundle)
        if why is not None or DEVICES.load(name) is not HOST:
            return None
        code = load_engine(bundle.read(ENGINE_C), bundle.structure, len(bundle.rules))
    if not compiled.warnings:
        filters.keep(expr, code.path)
    return code


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
