#!/usr/bin/env python3
"""Order messages of an exchange, as bare records: the input of examples/orders.7m.

The output is nothing but 64-byte big-endian records (schema Order), one after the other, without any header. Orders
are added (A), executed (E) and cancelled (X); executions and cancels refer to an order added before. The same seed
gives the same bytes.

    python examples/make_orders.py --count 1000000 --seed 7 -o orders.bin
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ORDER = np.dtype(
    {
        "names": ["kind", "ref", "px", "qty", "stock", "zero"],
        "formats": ["S1", ">u8", ">u4", ">u4", "S8", "V39"],
        "offsets": [0, 1, 9, 13, 17, 25],
        "itemsize": 64,
    }
)
"""px is in 0.0001 of the currency; stock is padded with spaces."""
STOCKS = np.array([s.ljust(8) for s in (b"ACME", b"BOLT", b"CORK", b"DUNE", b"ELM", b"FERN", b"GRIT", b"HULL")], "S8")
MIDDLES = np.array([187.5, 42.1, 3.2, 12.0, 260.0, 75.3, 0.8, 21.6])
"""Price around which each stock trades."""
COUNT_MAX = 10_000_000
FIRST_REF = 1_000_000_000


def records(count: int, seed: int) -> NDArray[np.void]:
    """(count,) ORDER: about half adds, a third cancels, the rest executions; a few large, cheap or of odd lots."""
    rng = np.random.default_rng(seed)
    out = np.zeros(count, ORDER)
    kind = rng.choice(np.array([b"A", b"X", b"E"]), count, p=[0.5, 0.35, 0.15])
    kind[0] = b"A"
    added = np.flatnonzero(kind == b"A")
    orders = len(added)
    stock = rng.integers(0, len(STOCKS), orders)
    px = np.rint(MIDDLES[stock] * rng.normal(1.0, 0.01, orders) * 10_000)
    lots = 100 * np.ceil(rng.lognormal(1.0, 1.2, orders)) + np.where(rng.random(orders) < 0.05, 37, 0)
    # An event of kind A is its own order; any other one picks among those added before it.
    before = np.cumsum(kind == b"A")
    order = np.where(kind == b"A", before - 1, (rng.random(count) * before).astype(np.int64))
    out["kind"] = kind
    out["ref"] = FIRST_REF + order
    out["px"] = np.clip(px, 1, 2**32 - 1).astype(np.uint32)[order]
    out["qty"] = np.clip(lots, 1, 2**32 - 1).astype(np.uint32)[order]
    out["stock"] = STOCKS[stock][order]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000, help=f"messages, 1 to {COUNT_MAX} (default 10000)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same bytes (default 7)")
    parser.add_argument("-o", "--output", default="-", help="file to write; - is standard output (default)")
    args = parser.parse_args()
    if not 1 <= args.count <= COUNT_MAX:
        parser.error(f"--count must be 1 to {COUNT_MAX}, not {args.count}")
    if args.seed < 0:
        parser.error(f"--seed must not be negative, not {args.seed}")
    data = records(args.count, args.seed).tobytes()
    try:
        if args.output == "-":
            sys.stdout.buffer.write(data)
        else:
            Path(args.output).write_bytes(data)
    except OSError as error:
        sys.exit(f"{args.output}: {error.strerror}")


if __name__ == "__main__":
    main()
