#!/usr/bin/env python3
"""An application that receives matches: copy this, and put your own work where the records are printed.

Attaches to the ring of a channel in shared memory, prints the first records, and then how many come per second. It ends
when the producer closes the ring, and reports if the producer died instead.

    sevenm run examples/alarms.7m -r readings.pcap --ring hall &
    python examples/subscriber.py hall.alarms

Records are a view of the shared memory, not a copy: fields are NumPy columns, and a batch is given back to the producer
when the next one is asked for. Copy what you want to keep.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from numpy.typing import NDArray

from sevenm.host.ring import RingError, RingReader
from sevenm.host.ring.record import Engine

EVERY = 1.0
"""Seconds between two lines of counts."""
BYTES_SHOWN = 16


def show(records: NDArray[Any]) -> None:
    for r in records:
        data = bytes(r["data"].tobytes()[: min(int(r["cap_len"]), BYTES_SHOWN)])
        engines = {int(e): e.name.lower() for e in Engine}
        print(
            f"  #{r['seq']} at {int(r['ts_ns']) / 1e9:.9f} s: rule {r['rule']}, {r['wire_len']} bytes, "
            f"found by {engines.get(int(r['engine']), 'an unknown engine')}: {data.hex(' ')}"
        )


def follow(reader: RingReader, first: int) -> int:
    """Reads until the producer closes the ring; returns the number of records. Raises ProducerGone if it dies."""
    total, counted, due = 0, 0, time.monotonic() + EVERY
    while not reader.ended:
        records = reader.read()
        if total < first:
            show(records[: first - total])
        total += len(records)
        # Your own work goes here: records["ts_ns"], records["rule"] and records["data"] are arrays.
        if not len(records):
            reader.wait(max(0.0, due - time.monotonic()))
        if time.monotonic() >= due:
            print(f"{total - counted} per second, {total} in all", flush=True)
            counted, due = total, time.monotonic() + EVERY
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("ring", help="name of the ring: PREFIX.CHANNEL of `sevenm run --ring PREFIX`")
    parser.add_argument("--first", type=int, default=5, help="records to print (default 5)")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds to wait for the ring to be made (10)")
    args = parser.parse_args()
    if args.first < 0 or args.timeout < 0:
        parser.error("--first and --timeout must not be negative")
    try:
        with RingReader.attach(args.ring, timeout=args.timeout) as reader:
            total = follow(reader, args.first)
            stats = reader.stats()
    except (RingError, ValueError) as error:
        sys.exit(f"{args.ring}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    lost = sum(stats.undelivered.values())
    print(f"the producer is done: {total} records read, {stats.sent} sent, {lost} not delivered")


if __name__ == "__main__":
    main()
