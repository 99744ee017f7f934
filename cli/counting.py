"""Runs rules that ran before over a capture, in C from the first byte to the last, and shows what they counted.

One idea: this is what `sevenm run FILE -r IN` is where nothing is delivered, so it needs nothing but the C runtime:
neither NumPy nor the compiler. Everything else is the affair of ``run``.
"""

from __future__ import annotations

from contextlib import closing

from sevenm.host.engine.code import Code
from sevenm.host.engine.counting import Counting
from sevenm.host.report import Report, Tally
from sevenm.starts import Start

from . import counted, output
from .errors import Exit
from .progress import progress_bar
from .selecting import open_packets


def run(start: Start, code: Code, file: str, source: str, as_json: bool) -> int:
    """``source``: a capture. Closes the code. Raises CaptureError where the capture cannot be read, EngineError."""
    with closing(code), open_packets(source) as reader:
        with (
            closing(Counting(code, start.rules, len(start.channels), len(start.counters))) as counting,
            progress_bar("matching", reader.size) as bar,
        ):
            for piece in reader.pieces():
                counting.run(piece)
                bar.at(reader.position)
        tally = Tally()
        tally.add(start, counting)
        report = Report(
            bundle=start.name,
            digest=start.digest,
            engine="host",
            generation=1,
            **tally.counts(),
            written=None,
            seconds_device=0.0,
            seconds_total=0.0,
            code=f"{code.level.name.lower()}, compiled here",
        )
        named = [((start.block_names[rule.block], rule.name), rule) for rule in start.rules]
        if as_json:
            lines = {name: rule.line for name, rule in named}
            output.emit_json({"file": file, "input": source, **counted.as_json(report, lines, None)})
        else:
            does = {name: counted.actions(rule, start.channels, start.counters) for name, rule in named}
            counted.show(report, does, None)
        for warning in reader.warnings():
            output.say(f"sevenm: {reader.name}: {warning}")
    return Exit.OK
