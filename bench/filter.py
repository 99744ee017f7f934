"""Question: what does one packet filter cost per packet, in batches, beside libpcap's bpf_filter and DPDK's rte_bpf?

The same packets in memory, the same meaning, runs interleaved. Packets are minimum-sized frames (60 to 128 bytes) of
IPv4 with and without options, IPv6, TCP, UDP, ICMP and ARP, so that the cost per packet is what shows. Two sets: as
many packets as asked for, which come from memory, and few enough to stay in the cache, read again and again. The
engine also handles two VLAN tags and IPv6 extension headers in every filter; libpcap's programs do not. Both sides must
find the same number of packets, or the benchmark fails. The engine is built for each set of instructions that the
processor has, and another checkout's engines can run in between.

    python bench/filter.py [--packets N] [--runs N] [--beside CHECKOUT] [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from _checkout import EngineText, builds, engine_text
from _machine import machine_facts
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.host.batch import EVENT
from sevenm.host.engine.compiled import FLAGS, find_compiler

HERE = Path(__file__).parent
HIT_RATES = (0.01, 0.5, 0.99)
FRAME_MAX = 128
CACHE_PACKETS = 4096
Fields = dict[str, NDArray[np.int64]]
Random = np.random.Generator


@dataclass(frozen=True)
class Question:
    """``ours`` and ``theirs`` are one filter in two languages; ``hit`` changes fields so that a packet matches."""

    name: str
    ours: str
    theirs: str
    hit: Callable[[Fields, Random], None]


def terms(count: int) -> Question:
    """``count`` alternatives: a network of destinations and a TCP port."""
    nets, ports = [(20, 30 + i, 7 * i % 256) for i in range(count)], [1024 + 97 * i for i in range(count)]

    def hit(fields: Fields, rng: Random) -> None:
        pick = rng.integers(0, count, len(fields["protocol"]))
        fields["version"][:], fields["protocol"][:] = 4, 6
        prefix = np.array([a << 24 | b << 16 | c << 8 for a, b, c in nets])[pick]
        fields["dst"][:] = prefix | fields["dst"] & 0xFF
        fields["dport"][:] = np.array(ports)[pick]

    pairs = [(f"{a}.{b}.{c}.0/24", port) for (a, b, c), port in zip(nets, ports, strict=True)]
    return Question(
        f"{count} terms",
        " or ".join(f"(ip.dst == {net} and tcp.dstport == {port})" for net, port in pairs),
        " or ".join(f"(ip dst net {net} and tcp dst port {port})" for net, port in pairs),
        hit,
    )


def _udp(fields: Fields, rng: Random) -> None:
    fields["protocol"][:] = 17
    fields["version"][fields["version"] == 0] = 4


def _https(fields: Fields, rng: Random) -> None:
    _udp(fields, rng)
    fields["protocol"][:] = 6
    fields["dport"][:] = 443


def _ten(fields: Fields, rng: Random) -> None:
    fields["version"][:], fields["protocol"][:] = 4, 17
    fields["src"][:] = 10 << 24 | fields["src"] & 0xFFFFFF
    fields["sport"][:] = rng.integers(1000, 2001, len(fields["sport"]))


QUESTIONS = (
    Question("udp", "udp", "udp", _udp),
    Question("tcp port 443", "tcp.port == 443", "tcp port 443", _https),
    Question(
        "net 10/8 and udp portrange 1000-2000",
        "ip.addr == 10.0.0.0/8 and udp.port in {1000..2000}",
        "net 10.0.0.0/8 and udp portrange 1000-2000",
        _ten,
    ),
    terms(10),
    terms(50),
)


def make_fields(n: int, rng: Random) -> Fields:
    """Background traffic: version 4, 6 or 0 (ARP)."""
    return {
        "version": rng.choice(np.array([4, 4, 4, 4, 4, 4, 6, 6, 0]), n),
        "protocol": rng.choice(np.array([6, 6, 6, 1]), n),
        "words": rng.choice(np.array([5, 5, 5, 5, 6, 8]), n),
        "src": rng.integers(0x14000000, 0xDF000000, n),
        "dst": rng.integers(0x3C000000, 0xDF000000, n),
        "sport": rng.integers(20000, 65536, n),
        "dport": rng.choice(np.array([22, 25, 53, 80, 8080, 5000]), n),
        "length": rng.integers(60, FRAME_MAX + 1, n),
    }


def make_packets(question: Question, n: int, hit_rate: float, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
    """Buffer and events; hits are scattered at random."""
    rng = np.random.default_rng(seed)
    fields = make_fields(n, rng)
    hits = rng.random(n) < hit_rate
    chosen = {name: values[hits] for name, values in fields.items()}
    question.hit(chosen, rng)
    for name, values in chosen.items():
        fields[name][hits] = values
    frames = rng.integers(0, 256, (n, FRAME_MAX), np.uint8)

    def put(rows: NDArray[np.bool_], at: NDArray[np.int64] | int, size: int, values: NDArray[np.int64] | int) -> None:
        index = np.flatnonzero(rows)
        start = np.broadcast_to(at, n)[index]
        wide = np.broadcast_to(values, n)[index]
        for byte in range(size):
            frames[index, start + byte] = (wide >> 8 * (size - 1 - byte)) & 0xFF

    v4, v6 = fields["version"] == 4, fields["version"] == 6
    header = np.where(v4, 4 * fields["words"], 40)
    fields["length"] = np.maximum(fields["length"], 14 + header + 20)
    for rows, ethertype in ((v4, 0x0800), (v6, 0x86DD), (~(v4 | v6), 0x0806)):
        put(rows, 12, 2, ethertype)
    put(v4, 14, 1, 0x40 | fields["words"])
    put(v4, 16, 2, fields["length"] - 14)
    put(v4, 20, 2, 0x4000)
    put(v4, 23, 1, fields["protocol"])
    put(v4, 26, 4, fields["src"])
    put(v4, 30, 4, fields["dst"])
    put(v6, 14, 4, 0x60000000)
    put(v6, 18, 2, fields["length"] - 54)
    put(v6, 20, 1, np.where(fields["protocol"] == 1, 58, fields["protocol"]))
    put(v4 | v6, 14 + header, 2, fields["sport"])
    put(v4 | v6, 16 + header, 2, fields["dport"])
    put(fields["protocol"] == 17, 18 + header, 2, fields["length"] - 14 - header)
    put((v4 | v6) & (fields["protocol"] == 6), 26 + header, 2, 0x5010)
    events = np.zeros(n, EVENT)
    events["cap_len"] = events["wire_len"] = fields["length"]
    events["offset"][1:] = np.cumsum(fields["length"])[:-1]
    return frames[np.arange(FRAME_MAX) < fields["length"][:, None]], events


class Side:
    """Timed passes over the packets."""

    def __init__(self, run: Callable[[NDArray[np.uint8], NDArray[np.void], ctypes.c_uint64, Any], int]) -> None:
        self._run = run

    def __call__(self, buffer: NDArray[np.uint8], events: NDArray[np.void], passes: int) -> tuple[float, int]:
        """Nanoseconds per packet, and hits in one pass."""
        hits = ctypes.c_uint64()
        ns = self._run(buffer, events, ctypes.c_uint64(passes), ctypes.byref(hits))
        return ns / len(events) / passes, hits.value


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def build_ours(engine: EngineText, harness: ctypes.CDLL, source: Path, flags: list[str]) -> Side:
    source.write_text(engine.text)
    library = _build(source, flags)
    rows = np.zeros((3, 4), np.uint64)
    chunks, fired = (np.zeros(8, boundary.dtype(name)) for name in ("sm_chunk", "sm_fired"))
    more = [_pointer(chunks), _pointer(fired)] if engine.sparse else [_pointer(rows)]
    run = harness.sparse_run if engine.sparse else harness.rows_run
    return Side(
        lambda buffer, events, passes, hits: run(
            library.sm_match, _pointer(buffer), _pointer(events), ctypes.c_uint64(len(events)), passes, *more, hits
        )
    )


def build_peer(text: str, harness: ctypes.CDLL) -> tuple[Side, int]:
    """Also the number of BPF instructions."""
    error = ctypes.create_string_buffer(256)
    length = harness.peer_compile(text.encode(), error, ctypes.c_size_t(256))
    if length < 0:
        raise SystemExit(f"a peer refuses {text!r}: {error.value.decode()}")
    side = Side(
        lambda buffer, events, passes, hits: harness.peer_run(
            _pointer(buffer), _pointer(events), ctypes.c_uint64(len(events)), passes, hits
        )
    )
    return side, length


def _build(source: Path, more: list[str], name: str | None = None) -> ctypes.CDLL:
    target = source.with_name(f"{name or source.stem}.so")
    subprocess.run([*find_compiler(), *FLAGS, str(source), "-o", str(target), *more], check=True, capture_output=True)
    return ctypes.CDLL(str(target))


def build_harness(folder: Path) -> tuple[ctypes.CDLL, dict[str, ctypes.CDLL]]:
    """Ours, and those of the peers whose headers are there."""
    source = folder / "harness.c"
    source.write_text((HERE / "filter_harness.c").read_text())
    boundary.write_header(folder)
    ours = _build(source, [], "ours")
    ours.rows_run.restype = ours.sparse_run.restype = ctypes.c_uint64
    jit = folder / "filter_rte_bpf.c"
    jit.write_text((HERE / jit.name).read_text())
    flags = subprocess.run(["pkg-config", "--cflags", "libdpdk"], capture_output=True, text=True, check=False).stdout
    peers: dict[str, ctypes.CDLL] = {}
    for name, text, more, package in (
        ("libpcap", source, ["-DWITH_PCAP", "-lpcap"], "libpcap-dev"),
        ("rte_bpf", jit, [*flags.split(), "-lrte_bpf", "-lrte_eal", "-lpcap"], "libdpdk-dev libpcap-dev"),
    ):
        try:
            peers[name] = _build(text, more, name)
            peers[name].peer_run.restype = ctypes.c_uint64
        except subprocess.CalledProcessError as error:
            print(f"no {name}: it does not link ({error.stderr.decode().splitlines()[0]}); apt install {package}")
    return ours, peers


def sides_of(question: Question, checkouts: dict[str, Path], harness: ctypes.CDLL, folder: Path) -> dict[str, Side]:
    """Every checkout's engine in every build."""
    out: dict[str, Side] = {}
    for number, (name, checkout) in enumerate(checkouts.items()):
        engine = engine_text(checkout, question.ours)
        for build, flags in builds().items():
            source = folder / f"{question.name.replace(' ', '_').replace('/', '_')}-{number}-{build}.c"
            out[f"{name} {build}"] = build_ours(engine, harness, source, flags)
    return out


def measure(
    question: Question, checkouts: dict[str, Path], harnesses: tuple[ctypes.CDLL, dict[str, ctypes.CDLL]], packets: int,
    runs: int, folder: Path,
) -> list[dict[str, Any]]:  # fmt: skip
    """One result per hit rate and set of packets. Raises SystemExit if the sides disagree."""
    sides = sides_of(question, checkouts, harnesses[0], folder)
    ours = next(iter(sides))
    lengths: dict[str, int] = {}
    for peer, harness in harnesses[1].items():
        sides[peer], lengths[peer] = build_peer(question.theirs, harness)
    results = []
    for hit_rate, (place, count) in product(HIT_RATES, (("cache", CACHE_PACKETS), ("memory", packets))):
        buffer, events = make_packets(question, count, hit_rate, 1)
        passes = max(1, packets // count)
        times: dict[str, list[float]] = {name: [] for name in sides}
        found: dict[str, int] = {}
        for run in range(runs + 1):
            for name, side in sides.items():
                ns, found[name] = side(buffer, events, passes)
                if run:  # the first warms up
                    times[name].append(ns)
        if len(set(found.values())) != 1:
            raise SystemExit(f"{question.name} at {hit_rate:.0%}: the sides do not find the same packets: {found}")
        result: dict[str, Any] = {"filter": question.name, "hit_rate": hit_rate, "packets_in": place}
        result["hits"] = found[ours]
        print(f"{question.name}, {hit_rate:.0%} hits, in {place}")
        for name, values in times.items():
            result[name] = {"min": min(values), "median": statistics.median(values), "max": max(values), "runs": values}
            ratio = result[name]["median"] / result[ours]["median"]
            print(f"  {name:16} {_spread(result[name])}  {ratio:5.2f}", flush=True)
        result["instructions"] = lengths
        result["ratios"] = {peer: result[peer]["median"] / result[ours]["median"] for peer in lengths}
        results.append(result)
    return results


def _spread(times: dict[str, Any]) -> str:
    return f"{times['median']:6.2f} ns ({times['min']:.2f} to {times['max']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=7, help="at least 5")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="another checkout, measured in the same run")
    parser.add_argument("--json", type=Path, help="default: bench/results/filter-DATE.json")
    options = parser.parse_args()
    if options.runs < 5 or options.packets < 1:
        parser.error(f"at least 5 runs of at least 1 packet, not {options.runs} of {options.packets}")
    facts = machine_facts()
    if float(facts["load"]) > 1:
        print(f"the machine is busy (load {facts['load']} on {facts['cores']} cores): compare ratios, not times")
    checkouts = {"sevenm": HERE.parent, **({"beside": options.beside} if options.beside else {})}
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        harnesses = build_harness(Path(name))
        for question in QUESTIONS:
            results += measure(question, checkouts, harnesses, options.packets, options.runs, Path(name))
    path = options.json or HERE / "results" / f"filter-{facts['date'][:10]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "question": "one filter, batched, beside libpcap and rte_bpf: ns per packet",
        "machine": facts,
        "checkouts": {name: str(path.resolve().name) for name, path in checkouts.items()},
        "packets": {"memory": options.packets, "cache": CACHE_PACKETS},
        "frame_bytes": [60, FRAME_MAX],
        "results": results,
    }
    path.write_text(json.dumps(body, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    sys.exit(main())
