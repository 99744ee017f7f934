#!/usr/bin/env python3
"""Readings of temperature sensors, as a capture: the input of examples/alarms.7m.

Every reading is one 64-byte little-endian record (schema Reading) in a UDP datagram to port 9400, and the output is
a pcap with nanosecond time stamps. The same seed gives the same bytes. A million readings take about a second.

    python examples/make_readings.py --count 1000000 --seed 7 -o readings.pcap
"""

from __future__ import annotations

import argparse
import struct
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

READING = np.dtype(
    {
        "names": ["ts", "seq", "sensor", "status", "temp", "pos", "tag", "zero"],
        "formats": ["<u8", "<u4", "<u2", "u1", "<i2", ("<i4", 3), "S8", "V27"],
        "offsets": [0, 8, 12, 14, 15, 17, 29, 37],
        "itemsize": 64,
    }
)
"""temp is in 0.01 degC, -32768 (0x8000) if the sensor has none; pos is in 1/65536 m; status 0 is ok, 1 is fault."""
FRAME = np.dtype([("pcap", "<u4", 4), ("eth", "V14"), ("ip", ">u2", 10), ("udp", ">u2", 4), ("reading", READING)])
"""A pcap record header (seconds, nanoseconds, captured, on the wire), Ethernet, IPv4, UDP, the reading."""
ETHERNET = bytes.fromhex("020000000001 0200000000aa 0800")
PCAP_NS = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
PORT = 9400
SENSORS = 64
START = 1_700_000_000_000_000_000
"""Time of the first reading, ns since 1970."""
COUNT_MAX = 10_000_000
CHUNK = 65_536
"""Readings that become frames at a time, to bound the memory."""
HOT = 0.01
FAULT = 0.002
MISSING = 0.005
NULL = -0x8000


def records(count: int, seed: int) -> NDArray[np.void]:
    """(count,) READING: sensors in turn about every 10 us, a few too hot, faulty or without a temperature."""
    rng = np.random.default_rng(seed)
    out = np.zeros(count, READING)
    out["ts"] = START + np.cumsum(rng.integers(8_000, 12_000, count))
    out["seq"] = np.arange(count) % 2**32
    out["sensor"] = np.arange(count) % SENSORS
    out["status"] = rng.random(count) < FAULT
    own = rng.normal(45.0, 8.0, SENSORS)[out["sensor"]]
    temp = own + rng.normal(0.0, 1.5, count) + np.where(rng.random(count) < HOT, rng.uniform(30, 60, count), 0)
    out["temp"] = np.where(rng.random(count) < MISSING, NULL, np.rint(temp * 100))
    out["pos"] = rng.integers(-50 << 16, 50 << 16, (SENSORS, 3))[out["sensor"]]
    out["tag"] = np.array([f"hall-{s // 8:02d}".encode() for s in range(SENSORS)], "S8")[out["sensor"]]
    return out


def frames(readings: NDArray[np.void]) -> NDArray[np.void]:
    """(n,) FRAME: each reading as its sensor sends it from 192.0.2.(100 + sensor) to 192.0.2.1."""
    out = np.zeros(len(readings), FRAME)
    size = FRAME.itemsize - 16
    out["pcap"][:, 0] = readings["ts"] // 10**9
    out["pcap"][:, 1] = readings["ts"] % 10**9
    out["pcap"][:, 2:] = size
    out["eth"] = np.void(ETHERNET)
    ip = np.zeros((len(readings), 10), np.uint64)
    ip[:] = [0x4500, size - 14, 0, 0x4000, 0x4011, 0, 0xC000, 0x0200, 0xC000, 0x0201]
    ip[:, 2] = readings["seq"] & 0xFFFF
    ip[:, 7] |= 100 + readings["sensor"].astype(np.uint64)
    ip[:, 5] = _checksum(ip.sum(axis=1))
    out["ip"] = ip
    udp = np.zeros((len(readings), 4), np.uint64)
    udp[:] = [40000, PORT, 8 + READING.itemsize, 0]
    udp[:, 0] += readings["sensor"].astype(np.uint64)
    words = readings.view(">u2").reshape(len(readings), -1).astype(np.uint64)
    pseudo = ip[:, 6:].sum(axis=1) + np.uint64(17) + udp[:, 2]
    total = _checksum(pseudo + udp.sum(axis=1) + words.sum(axis=1))
    udp[:, 3] = np.where(total == 0, 0xFFFF, total)
    out["udp"] = udp
    out["reading"] = readings
    return out


def _checksum(total: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The Internet checksum (RFC 1071) of words that were added up already."""
    folded = (total & np.uint64(0xFFFF)) + (total >> np.uint64(16))
    folded = (folded & np.uint64(0xFFFF)) + (folded >> np.uint64(16))
    return folded ^ np.uint64(0xFFFF)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=10_000, help=f"readings, 1 to {COUNT_MAX} (default 10000)")
    parser.add_argument("--seed", type=int, default=7, help="same seed, same bytes (default 7)")
    parser.add_argument("-o", "--output", default="-", help="pcap to write; - is standard output (default)")
    args = parser.parse_args()
    if not 1 <= args.count <= COUNT_MAX:
        parser.error(f"--count must be 1 to {COUNT_MAX}, not {args.count}")
    if args.seed < 0:
        parser.error(f"--seed must not be negative, not {args.seed}")
    readings = records(args.count, args.seed)
    try:
        with sys.stdout.buffer if args.output == "-" else Path(args.output).open("wb") as output:
            output.write(PCAP_NS)
            for start in range(0, args.count, CHUNK):
                output.write(frames(readings[start : start + CHUNK]).data)
    except OSError as error:
        sys.exit(f"{args.output}: {error.strerror}")


if __name__ == "__main__":
    main()
