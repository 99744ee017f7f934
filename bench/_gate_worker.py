"""One side of bench/gate.py in a process of its own, where ``sevenm`` is one checkout's: measures on request.

    PYTHONPATH=CHECKOUT python bench/_gate_worker.py CHECKOUT

First a line of JSON says which sevenm it is and what cannot be measured, with the reason; then each line of stdin names
a measure, and the answer is nanoseconds of processor time per event. Measured is what the checkout's own benchmarks do,
since what they call may differ.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

RULES, SHARE, EVENTS, BATCH = 100, 10, 200_000, 8192
RING_BATCH, RING_STEPS = 1024, 200
Measure = Callable[[], float]


def whole_path(stack: ExitStack) -> Measure:
    """``bench/path.py``: loop, rules, ring, four subscribers."""
    import path

    whole = path.WholePath(stack, RULES)
    data = path.events(EVENTS, RULES, SHARE)
    return lambda: 1e3 / float(whole.measure(data, BATCH, True))


def ring_batch(stack: ExitStack) -> Measure:
    """Batches of ready records into a ring and out of it, by turns (``bench/ring.py``)."""
    from _ring_peer import EVENT, RECORD, SLOTS
    from _ring_work import Work, our_step

    from sevenm.host.ring import Ring, RingReader, RingWriter

    name = f"bench-{uuid.uuid4().hex[:12]}"
    writer = stack.enter_context(RingWriter.create(name, SLOTS, RECORD.itemsize, "block", EVENT))
    stack.callback(Ring.unlink, name, force=True)
    reader = stack.enter_context(RingReader.attach(name, EVENT))
    step = our_step(Work("records", RING_BATCH), writer)

    def run() -> float:
        read, begin = 0, time.process_time_ns()
        for number in range(RING_STEPS):
            step(number)
            read += len(reader.read())
        took = time.process_time_ns() - begin
        read += len(reader.read())
        if read != RING_BATCH * RING_STEPS:
            raise AssertionError(f"{read} of {RING_BATCH * RING_STEPS} records were read")
        return took / read

    return run


MEASURES: dict[str, Callable[[ExitStack], Measure]] = {"whole path": whole_path, "ring batch": ring_batch}


def main() -> None:
    checkout = Path(sys.argv[1])
    sys.path[0] = str(checkout / "bench")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the benchmarks print is no answer
    ready: dict[str, Measure] = {}
    lacks: dict[str, Any] = {}
    with ExitStack() as stack:
        for name, make in MEASURES.items():
            try:
                ready[name] = make(stack)
                ready[name]()
            except Exception as error:  # whatever an older checkout lacks or does differently
                lacks[name] = f"{type(error).__name__}: {error}"
        import sevenm

        print(json.dumps({"sevenm": str(sevenm.__file__), "absent": lacks}), file=answers)
        for line in sys.stdin:
            print(ready[line.strip()](), file=answers)


if __name__ == "__main__":
    main()
