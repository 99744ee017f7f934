"""Question: how long does `sevenm` take as a whole process, from the shell's point of view, beside tcpdump?

Starting: `--version`, `--help` and a filter that was compiled before on a capture of some hundred packets, beside
`python -c pass` and tcpdump on the same capture. Working: the same filter on a large capture, counted, written and
printed, beside `tcpdump --count`, `-w` and `-nn -q` on standard output. Output goes to files on the same disk.

The capture is made of the packets of examples/capture/office.pcap, again and again, without those of which the two
sides mean different things: tagged frames and IPv6 extension headers, which sevenm's fields see through and libpcap's
programs do not, and fragments, of which libpcap calls all UDP and sevenm the first. Both sides must count the same,
write the same packets with the same times, and print as many lines, or the benchmark fails. Commands are run
interleaved; the first round warms up (bytecode, the cache of filters, the page cache) and is not counted. Per command:
wall clock, and the time of processor, which a busy machine disturbs less.

    python bench/start.py [--packets N] [--runs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import machine_facts
from _process import ROOT, as_a_user, run
from _results import save

from sevenm.host.capture.pcap import open_capture

OFFICE = ROOT / "examples" / "capture" / "office.pcap"
SEVENM = (sys.executable, "-c", "import sys; from sevenm.cli.main import main; sys.exit(main())")
FILTERS = (("udp", "udp"), ("tcp.port == 443", "tcp port 443"))
"""The same filter in both languages."""
FRAGMENT = 0x3FFF
"""Of the IPv4 header's seventh and eighth byte: more fragments, and the offset."""
PLAIN_NEXT = (6, 17, 58)


@dataclass(frozen=True)
class Command:
    """One side of a question. ``out``: the file that gets standard output; ``written``: the capture that it writes."""

    question: str
    side: str
    words: tuple[str, ...]
    out: Path
    written: Path | None = None


def same_to_both(frame: bytes) -> bool:
    """Whether the filters above mean the same of the frame on both sides."""
    if frame[12:14] == b"\x08\x00":
        return not int.from_bytes(frame[20:22], "big") & FRAGMENT
    return frame[12:14] == b"\x08\x06" or (frame[12:14] == b"\x86\xdd" and len(frame) > 54 and frame[20] in PLAIN_NEXT)


def make_capture(path: Path, packets: int) -> None:
    """So many packets, a microsecond apart."""
    with open_capture(OFFICE) as reader:
        frames = [batch.data(i) for batch in reader.batches() for i in range(len(batch))]
    frames = [frame for frame in frames if same_to_both(frame)]
    start = 1_790_000_000_000_000
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for first in range(0, packets, len(frames)):
            block = bytearray()
            for number, frame in enumerate(frames[: packets - first], start + first):
                block += struct.pack("<IIII", *divmod(number, 10**6), len(frame), len(frame)) + frame
            file.write(block)


def commands(capture: Path, folder: Path) -> Iterator[Command]:
    """Every side of every question, those of a question one after the other."""
    python = (sys.executable, "-c", "pass")
    none = Path(os.devnull)
    yield Command("start", "python -c pass", python, none)
    yield Command("start", "sevenm --version", (*SEVENM, "--version"), none)
    yield Command("start", "sevenm --help", (*SEVENM, "--help"), none)
    small = str(OFFICE)
    yield Command("start", "sevenm, cached filter", (*SEVENM, "filter", "udp", "-r", small, "--count"), none)
    yield Command("start", "tcpdump, the same", ("tcpdump", "-r", small, "--count", "udp"), none)
    large = str(capture)
    for number, (ours, theirs) in enumerate(FILTERS):
        filter_, dump = (*SEVENM, "filter", ours, "-r", large), ("tcpdump", "-r", large)
        out = {side: folder / f"{side}-{number}" for side in ("sevenm", "tcpdump")}
        to = {side: path.with_suffix(".pcap") for side, path in out.items()}
        yield Command(f"count {theirs}", "sevenm", (*filter_, "--count"), out["sevenm"])
        yield Command(f"count {theirs}", "tcpdump", (*dump, "--count", theirs), out["tcpdump"])
        yield Command(f"write {theirs}", "sevenm", (*filter_, "-w", str(to["sevenm"])), none, to["sevenm"])
        yield Command(f"write {theirs}", "tcpdump", (*dump, "-w", str(to["tcpdump"]), theirs), none, to["tcpdump"])
        yield Command(f"print {theirs}", "sevenm", filter_, out["sevenm"].with_suffix(".txt"))
        yield Command(f"print {theirs}", "tcpdump", (*dump, "-nn", "-q", theirs), out["tcpdump"].with_suffix(".txt"))


def answer(command: Command) -> Any:
    """What both sides of a question must agree on."""
    if command.written is not None:
        with open_capture(command.written) as reader:
            return [
                (int(event["ts_ns"]), batch.data(index))
                for batch in reader.batches()
                for index, event in enumerate(batch.events)
            ]
    if command.question.startswith("count"):
        return int(command.out.read_text().split()[0])
    return command.out.read_bytes().count(b"\n")


def agree(all_commands: list[Command]) -> dict[str, int]:
    """Matches by question. Raises SystemExit where two sides differ."""
    found: dict[str, Any] = {}
    for command in all_commands:
        if command.question == "start":
            continue
        said = answer(command)
        if found.setdefault(command.question, said) != said:
            raise SystemExit(f"{command.question}: the two sides do not find the same packets")
    return {question: said if isinstance(said, int) else len(said) for question, said in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=7, help="at least 5")
    parser.add_argument("--json", type=Path, help="default: bench/results/start-DATE.json")
    options = parser.parse_args()
    if options.runs < 5 or options.packets < 1:
        parser.error(f"at least 5 runs of at least 1 packet, not {options.runs} of {options.packets}")
    if shutil.which("tcpdump") is None:
        raise SystemExit("there is no tcpdump to compare with: apt install tcpdump")
    facts = machine_facts()
    if float(facts["load"]) > 1:
        print(f"the machine is busy (load {facts['load']} on {facts['cores']} cores): compare ratios, not times")
    with tempfile.TemporaryDirectory(prefix="sevenm-bench-") as name:
        folder = Path(name)
        capture = folder / "large.pcap"
        make_capture(capture, options.packets)
        env = as_a_user(folder / "cache")
        sides = list(commands(capture, folder))
        times: list[list[tuple[float, float]]] = [[] for _ in sides]
        for number in range(options.runs + 1):
            for side, measured in zip(sides, times, strict=True):
                took = run(side.words, side.out, env)
                if number:  # the first warms up
                    measured.append((1e3 * took.wall, 1e3 * took.cpu))
        matches = agree(sides)
        size = capture.stat().st_size
    results = []
    for number, (side, measured) in enumerate(zip(sides, times, strict=True)):
        peer = times[0] if side.question == "start" else times[number + 1 if side.side == "sevenm" else number - 1]
        wall, cpu = ([took[which] for took in measured] for which in (0, 1))
        ratios = [ours[0] / theirs[0] for ours, theirs in zip(measured, peer, strict=True)]
        cpu_ratios = [ours[1] / theirs[1] for ours, theirs in zip(measured, peer, strict=True)]
        results.append(
            {
                "question": side.question, "side": side.side, "matches": matches.get(side.question),
                "wall_ms": _spread(wall), "cpu_ms": _spread(cpu),
                "wall_by_peer": _spread(ratios), "cpu_by_peer": _spread(cpu_ratios),
            }
        )  # fmt: skip
        print(
            f"{side.question:18} {side.side:22} wall {statistics.median(wall):7.0f} ms  cpu "
            f"{statistics.median(cpu):6.0f} ms  by peer: wall {statistics.median(ratios):5.2f} "
            f"cpu {statistics.median(cpu_ratios):5.2f}"
        )
    body = {
        "question": "the command as a whole process, vs tcpdump; the peer of starting is python -c pass",
        "machine": facts, "load_after": f"{os.getloadavg()[0]:.1f}",
        "packets": options.packets, "capture_bytes": size, "results": results,
    }  # fmt: skip
    save("start", body, options.json)


def _spread(values: list[float]) -> dict[str, Any]:
    rounded = [round(value, 3) for value in values]
    return {"min": min(rounded), "median": round(statistics.median(rounded), 3), "max": max(rounded), "runs": rounded}


if __name__ == "__main__":
    sys.exit(main())
