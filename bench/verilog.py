"""Question: what does a core cost beside the same filter written by hand?

Five filters, each as rules and as Verilog that an engineer would write for it alone (``bench/verilog/``), with the same
ports. First both have to say the same of the same events, as the reference says, with and without gaps and stops: whole
ones, cut ones and ones that are too long, and each rule fires on some. Then both are mapped, placed and routed for
ECP5-85 as `sevenm synth` does it, from the same seeds. The filters over packets by hand say nothing of malformed and
truncated packets, and look as far as they need to; what a core punts they decide.

    python bench/verilog.py [--filters NAME ...] [--seeds N] [--events N] [--no-placing] [--json FILE]
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _classbench import FIELDS, FiveTuples, headers
from _classbench import packets as frames_of
from _machine import machine_facts
from _results import save
from numpy.typing import NDArray

from sevenm.compiler import compile_text
from sevenm.compiler.bundle import MissingExtra
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.engine.decisions import Decisions
from sevenm.sim import packets
from sevenm.sim.model import Drive, Model
from sevenm.sim.synthesis.programs import SynthesisError
from sevenm.sim.synthesis.synthesize import Core, Synthesis, core_of, synthesize
from sevenm.sim.synthesis.targets import ECP5
from sevenm.sim.verilate import ModelUnavailable, open_model

FOLDER = Path(__file__).parent / "verilog"
FILTERS = {"record_port": 1, "record_prefix": 1, "record_five_tuples": 1, "udp_ports": 1, "tcp_tagged": 2}
"""The filters, with the beats that one by hand looks at."""
RECORD = 64
LUTS_AIM = 1 / 1.1
"""At most 1.1 times as many, told as how many times as good ours is."""
PORTS = (0, 80, 442, 443, 444, 1521, 7499, 7500, 7599, 7600, 7999, 8000, 8001, 8063, 8064, 8080, 8081, 62600, 62609)


class Different(Exception):
    """The two do not say the same; the message names the filter, the event and what each says."""


def five_tuples() -> FiveTuples:
    """The sixteen rules, as they stand in their file."""
    rows = []
    for rule in re.findall(r"rule \w+: (.*) =>", (FOLDER / "record_five_tuples.7m").read_text()):
        row = [(0, (1 << bits) - 1) for bits in (32, 32, 16, 16, 8)]
        for field, value in re.findall(r"(\w+) (?:==|in) (\S+)", rule):
            row[FIELDS.index(field)] = _range(value)
        rows.append(row)
    lo, hi = (np.array([[part[end] for part in row] for row in rows]) for end in (0, 1))
    return FiveTuples("acl1", lo, hi)


def _range(value: str) -> tuple[int, int]:
    """Of 1.2.3.0/24, {1..2} or 3."""
    if "/" in value:
        network = ipaddress.ip_network(value)
        return int(network.network_address), int(network.broadcast_address)
    first, _, last = value.strip("{}").partition("..")
    return int(first), int(last or first)


def records(n: int, seed: int) -> list[bytes]:
    """Records of the sixteen rules and of the other filters' values, of which some have a bit flipped, are cut or are
    longer than a record."""
    rng = np.random.default_rng(seed)
    fields = headers(five_tuples(), n, seed)
    near, ports, protocols = 0x0A010200 + rng.integers(-2, 258, n), rng.choice(PORTS, n), rng.choice((6, 17), n)
    for column, values, share in ((0, near, 0.4), (3, ports, 0.5), (4, protocols, 0.1)):
        chosen = rng.random(n) < share
        fields[chosen, column] = values[chosen]
    whole = frames_of(fields)
    flipped = np.flatnonzero(rng.random(n) < 0.3)
    whole[flipped, rng.integers(22, 38, len(flipped))] ^= (1 << rng.integers(0, 8, len(flipped))).astype(np.uint8)
    lengths = np.full(n, RECORD)
    odd = np.flatnonzero(rng.random(n) < 0.15)
    lengths[odd] = rng.choice((0, 1, 22, 23, 37, 38, 62, 63, 65, 127, 128, 129, 200), len(odd))
    return [(one.tobytes() + bytes(200))[:length] for one, length in zip(whole, lengths.tolist(), strict=True)]


def events_of(plan: Plan, n: int) -> EventBatch:
    """Half of the packets are what the parser is tested with; the others are TCP to the port that is asked for, behind
    every number of tags and of words of options, cut anywhere."""
    if plan.source == "record":
        data = records(n, 1)
        return EventBatch.from_bytes(data, None, [RECORD if len(one) >= RECORD else len(one) for one in data])
    made = packets.packets(2, n // 2)
    wire = [one.wire_len for one in made]
    cut = [tagged(np.random.default_rng(number)) for number in range(n - len(made))]
    return EventBatch.from_bytes(
        [*(one.data for one in made), *(data for data, _ in cut)], None, [*wire, *(size for _, size in cut)]
    )


def tagged(rng: np.random.Generator) -> tuple[bytes, int]:
    """(what was captured, bytes on the wire) of one such packet."""
    tags, words = int(rng.integers(0, 4)), int(rng.choice((4, 5, 5, 6, 10, 15)))
    port = int(rng.choice((443, 443, 443, 442, 0x01BC)))
    total = 4 * words + 20 + int(rng.choice((-1, 0, 0, 100)))
    header = bytearray(4 * words)
    header[:4] = 0x40 | words, 0, *(total if rng.random() < 0.8 else 0).to_bytes(2, "big")
    header[6:8] = int(rng.choice((0, 0, 0, 0x2000, 0x4000, 1, 0x0100))).to_bytes(2, "big")
    header[9] = int(rng.choice((6, 6, 6, 17)))
    eth = bytes(12) + b"".join(
        int(rng.choice((0x8100, 0x88A8, 0x9100))).to_bytes(2, "big") + bytes(2) for _ in range(tags)
    )
    eth += (0x0800 if rng.random() < 0.9 else 0x86DD).to_bytes(2, "big")
    tcp = bytes(2) + port.to_bytes(2, "big") + bytes(8) + b"\x50" + bytes(7)
    whole = eth + bytes(header) + tcp + bytes(int(rng.choice((0, 0, 6, 100))))
    size = len(whole)
    return (whole[: int(rng.integers(0, size + 1))] if rng.random() < 0.3 else whole), size


def agree(name: str, plan: Plan, ours: Model, hand: Model, events: EventBatch) -> dict[str, Any]:
    """What was compared, with how it ended. Raises Different."""
    drives = [Drive(ready_percent=99), Drive(valid_percent=70, ready_percent=60, seed=3), Drive(90, 30, 4)]
    if FILTERS[name] == 1:
        drives.insert(0, Drive())
    part = events.events
    meant = evaluate(plan, events.buffer, part["offset"], part["cap_len"], part["wire_len"], part["ts_ns"]).fired
    if not (meant.any(axis=1) & ~meant.all(axis=1)).all():
        raise Different(f"{name}: a rule fires on none of the events, or on all")
    punted = 0
    for drive in drives:
        said, by_hand = (
            Decisions(got.chunks, got.fired, len(events), plan.rules)
            for got in (ours.process(events, drive), hand.process(events, drive))
        )
        decided = ~said.punt
        punted = int(np.count_nonzero(said.punt))
        sides: list[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]] = [
            ("the core's rules", said.fired[:, decided], meant[:, decided]), ("the rules by hand", by_hand.fired, meant)
        ]  # fmt: skip
        if plan.source == "record":
            sides += [(what, getattr(by_hand, what), getattr(said, what)) for what in ("malformed", "truncated")]
        for what, got, wanted in sides:
            if not np.array_equal(got, wanted):
                raise Different(f"{name}, {drive}: {what} differ at {np.argwhere(got != wanted)[0].tolist()}")
    return {
        "events": len(events), "drives": len(drives), "fired": int(np.count_nonzero(meant)), "punted": punted,
        "beats": ours.counters()["beats"],
    }  # fmt: skip


def full_rate(name: str, model: Model) -> int:
    """Cycles from a packet's first beat in to its first beat out, of one-beat packets back to back, at full rate."""
    before = model.counters()
    model.process(EventBatch.from_bytes([bytes(RECORD)] * 1000), Drive())
    after = model.counters()
    if after["stalls"] != before["stalls"]:
        raise Different(f"{name}: a beat was refused though every one was taken")
    return after["latency_cycles"]


def side(done: Synthesis, cycles: int) -> dict[str, Any]:
    return {
        "resources": done.resources, "latency_cycles": cycles,
        "clock_mhz": {"seeds": [p.seed for p in done.placed], "runs": [round(p.clock_mhz, 1) for p in done.placed]},
    }  # fmt: skip


def our_core(plan: Plan) -> Core:
    """Ours, as much as by hand is written: of packets, neither says which are malformed or truncated."""
    return core_of(plan, marks=plan.source == "record")


def measured(name: str, plan: Plan, hand: str, cycles: tuple[int, int], seeds: int) -> dict[str, Any]:
    """Both sides, placed."""
    cores = our_core(plan), Core(hand, name, cycles[1], 0, {})
    out = []
    for core, latency in zip(cores, cycles, strict=True):
        out.append(side(synthesize(core, ECP5, range(1, seeds + 1), lambda step: print(f"  {step}")), latency))
    return {"sevenm": out[0], "by hand": out[1]}


def rows_of(name: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """As ``_rows.Row``, but for the run."""

    def row(question: str, unit: str, better: str, mine: list[float], other: list[float], aim: float) -> dict[str, Any]:
        ratios = [a / b if better == "higher" else b / a for a, b in zip(mine, other, strict=True)]
        spread = [[min(v), statistics.median(v), max(v)] for v in (mine, other, ratios)]
        return {
            "question": question, "variant": name, "unit": unit, "better": better, "peer": "by hand", "aim": aim,
            "ours": spread[0], "theirs": spread[1], "ratio": spread[2],
        }  # fmt: skip

    used, by_hand = ours["resources"], theirs["resources"]
    rows = [
        row("LUT4 of a filter", "LUT4", "lower", [used["LUT4"]], [by_hand["LUT4"]], LUTS_AIM),
        row("Sites of a filter", "sites", "lower", [used["sites"]], [by_hand["sites"]], LUTS_AIM),
    ]
    if ours["clock_mhz"]["runs"]:
        clocks = [one["clock_mhz"]["runs"] for one in (ours, theirs)]
        rows.append(row("Clock of a filter", "MHz", "higher", *clocks, 1.0))
        taken = taken_ns(ours), taken_ns(theirs)
        rows.append(row("Latency of a filter at its clock", "ns", "lower", *taken, 1.0))
    return rows


def taken_ns(one: dict[str, Any]) -> list[float]:
    return [1000 * one["latency_cycles"] / mhz for mhz in one["clock_mhz"]["runs"]]


def compared(name: str, events: int, seeds: int | None, folder: Path) -> dict[str, Any]:
    """One filter. Raises Different, MissingExtra, SynthesisError, ModelUnavailable."""
    plan = compile_text((FOLDER / f"{name}.7m").read_text(), name).plan
    hand = folder / f"{name}.v"
    hand.write_text((FOLDER / "stream.v").read_text() + (FOLDER / f"{name}.v").read_text())
    core = folder / f"{name}_core.v"
    core.write_text(our_core(plan).verilog)
    shapes = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
    ours, theirs = open_model(core, shapes), open_model(hand, shapes, top=name)
    same = agree(name, plan, ours, theirs, events_of(plan, events))
    print(f"{name}: both say the same of {same['events']:,} events, {same['drives']} times; {same['punted']:,} punted")
    cycles = full_rate(name, ours), full_rate(name, theirs)
    placed = {} if seeds is None else measured(name, plan, hand.read_text(), cycles, seeds)
    return {"filter": name, "compared": same, **placed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--filters", nargs="*", choices=list(FILTERS), default=list(FILTERS))
    parser.add_argument("--seeds", type=int, default=3, help="0: only map")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--no-placing", action="store_true", help="only compare what they say")
    parser.add_argument("--json", type=Path, help="default: bench/results/verilog-DATE.json")
    options = parser.parse_args()
    if options.seeds < 0 or options.events < 1000:
        parser.error("no fewer seeds than 0 and at least 1,000 events")
    facts, results = machine_facts(), []
    with tempfile.TemporaryDirectory(prefix="sevenm-verilog-") as folder:
        for name in options.filters:
            try:
                done = compared(name, options.events, None if options.no_placing else options.seeds, Path(folder))
            except (Different, MissingExtra, SynthesisError, ModelUnavailable) as error:
                raise SystemExit(f"{name}: {error}") from error
            results.append(done)
            for who in ("sevenm", "by hand") if "sevenm" in done else ():
                one = done[who]
                used = ", ".join(f"{amount:,.0f} {what}" for what, amount in one["resources"].items() if amount)
                clocks = " / ".join(f"{mhz:.0f}" for mhz in sorted(one["clock_mhz"]["runs"])) or "no"
                print(f"  {who:8} {clocks} MHz, {one['latency_cycles']} cycles; {used}", flush=True)
    if options.no_placing:
        return
    rows = [row for one in results for row in rows_of(one["filter"], one["sevenm"], one["by hand"])]
    body = {
        "question": "cost and clock of cores beside the same filters by hand, ECP5-85 speed grade 8, out of context",
        "machine": facts, "load_after": f"{os.getloadavg()[0]:.1f}", "device": ECP5.title, "results": results,
        "rows": rows,
    }  # fmt: skip
    save("verilog", body, options.json)


if __name__ == "__main__":
    main()
