"""A capture as live ingress: when events come, by a clock that the test holds, and what rules decide of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sevenm.bundles import bundle_for
from sevenm.compiler import compile_text
from sevenm.engines import open_running
from sevenm.events import open_events, open_live
from sevenm.host.batch import EventBatch
from sevenm.host.capture.format import CaptureError
from sevenm.host.capture.writer import CaptureWriter
from sevenm.host.engine.loop import IngressFault
from sevenm.host.ingress import Ingress
from sevenm.host.live.live import END, IDLE, READY
from sevenm.host.live.replay import ReplayIngress, parse
from sevenm.host.live.until import Until
from sevenm.host.native import native
from sevenm.host.session import Report, Session

ROOT = Path(__file__).resolve().parents[3]
OFFICE = ROOT / "examples" / "capture" / "office.pcap"
MS = 1_000_000
DAY = 86_400_000 * MS
START = 1_700_000_000_000 * MS

PARTS = "ingress_[lmr][ie][vmp]*.c"
"""live, memory, replay."""

pytestmark = pytest.mark.needs("compiler")


def capture(path: Path, times: Sequence[int], size: int = 60) -> Path:
    """Frames that say their number, at these nanoseconds."""
    frames = [n.to_bytes(4, "big") + bytes(size - 4) for n in range(len(times))]
    with CaptureWriter(path) as writer:
        writer.write(EventBatch.from_bytes(frames, list(times)))
    return path


class Driven:
    """A replay whose clock the test moves."""

    def __init__(self, path: Path, speed: float | None) -> None:
        self.ingress = ReplayIngress(str(path), speed)
        self.now = native().ffi.new("uint64_t *", 12345)
        self.ingress.struct.clock = self.now
        self._burst = native().ffi.new("sm_burst *")
        self.ended = False

    def at(self, ns: int) -> list[int]:
        """The numbers of the events that come when it is so late, after the start."""
        self.now[0] = 12345 + ns
        out: list[int] = []
        while True:
            found = self.ingress._next(self._burst)
            if found == READY:
                batch = self.ingress._copy(self._burst, 0)
                out += [int.from_bytes(batch.data(n)[:4], "big") for n in range(len(batch))]
            elif found == END:
                self.ended = True
                return out
            else:
                assert found == IDLE
                if not self.ingress.wait(0):
                    return out


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[Any]:
    made: list[Driven] = []

    def make(times: Sequence[int], speed: float | None = 1.0, size: int = 60) -> Driven:
        made.append(Driven(capture(tmp_path / f"{len(made)}.pcap", times, size), speed))
        return made[-1]

    yield make
    for one in made:
        one.ingress.close()


@pytest.mark.parametrize("speed", [1.0, 2.0, 0.25, 1000.0])
def test_events_come_when_they_are_due_and_not_before(driven: Any, speed: float) -> None:
    times = [0, 10, 10, 30, 31, 500]
    one = driven([START + t * MS for t in times], speed)
    came: list[int] = []
    for number, t in enumerate(times):
        due = int(t * MS / speed)
        if due > 1 and times[number - 1] != t:
            came += one.at(due - 2)
            assert came == [n for n, other in enumerate(times) if other < t]
        came += one.at(due + 1)
        assert came == [n for n, other in enumerate(times) if other <= t]
    assert one.ended
    assert one.ingress.counters() == {"received": 6, "dropped": 0, "shortened": 0, "backwards": 0, "behind_ms": 0}
    assert one.ingress.warnings() == []


def test_max_waits_for_nothing(driven: Any) -> None:
    one = driven([START, START + DAY, START - DAY, START + 9 * DAY], None)
    assert (one.at(0), one.ended) == ([0, 1, 2, 3], True)
    assert one.ingress.warnings() == []


def test_a_jump_by_days_is_one_bounded_wait(driven: Any) -> None:
    one = driven([START, START + 5 * DAY, START + 5 * DAY + MS])
    assert one.at(0) == [0]
    assert one.at(60_000 * MS - 1) == []
    assert one.at(60_000 * MS) == [1]
    assert one.at(60_001 * MS) == [2]
    assert one.ended
    assert one.ingress.counters()["shortened"] == 1
    assert one.ingress.warnings() == ["1 waits of more than 60 s were shortened to that"]


def test_a_jump_that_the_speed_makes_small_is_not_shortened(driven: Any) -> None:
    one = driven([START, START + DAY], 10_000.0)
    assert (one.at(0), one.at(8639 * MS), one.at(8641 * MS)) == ([0], [], [1])
    assert one.ingress.counters()["shortened"] == 0


def test_a_little_backwards_keeps_the_places_of_the_others(driven: Any) -> None:
    one = driven([START, START + 100 * MS, START + 90 * MS, START + 110 * MS])
    assert (one.at(0), one.at(99 * MS), one.at(100 * MS)) == ([0], [], [1, 2])
    assert (one.at(109 * MS), one.at(110 * MS)) == ([], [3])
    assert one.ingress.counters()["backwards"] == 1
    assert one.ingress.warnings() == ["1 events were older than one before them, and came with it"]


def test_a_clock_that_was_set_back_begins_a_new_time(driven: Any) -> None:
    one = driven([START, START - DAY, START - DAY + 5 * MS])
    assert (one.at(0), one.at(4 * MS), one.at(5 * MS)) == ([0, 1], [], [2])


def test_an_event_without_a_time_comes_with_the_one_before(driven: Any) -> None:
    one = driven([0, START, 0, START + 5 * MS])
    assert (one.at(0), one.at(4 * MS), one.at(5 * MS)) == ([0, 1, 2], [], [3])
    assert one.ingress.counters()["backwards"] == 0


def test_who_is_held_up_goes_on_with_the_distances(driven: Any) -> None:
    one = driven([START + n * 100 * MS for n in range(4)])
    assert one.at(0) == [0]
    assert one.at(1100 * MS) == [1], "a second late, of which 10 ms are made up for"
    assert (one.at(1189 * MS), one.at(1190 * MS), one.at(1290 * MS)) == ([], [2], [3])
    assert one.ingress.counters()["behind_ms"] == 990
    assert one.ingress.warnings() == ["it came 0.99 s behind the pace, with the events' own distances"]


def test_every_piece_of_a_long_capture_comes_once_and_in_order(driven: Any) -> None:
    n = 20_000
    one = driven([START + i * MS for i in range(n)], 1.0, 300)
    came: list[int] = []
    for ms in range(0, n, 7):
        some = one.at(ms * MS)
        came += some
        assert len(came) == ms + 1
    assert came + one.at(n * MS) == list(range(n))
    assert one.ended and one.ingress.counters()["behind_ms"] == 0


def decided(ingress: Ingress, text: str, engine: str, until: Until | None = None) -> Report:
    plan = compile_text(text, "rules", ROOT / "examples").plan
    with bundle_for(plan, False) as bundle, open_running(engine, bundle) as device:
        try:
            return Session(device, bundle).run(ingress, until=until)
        finally:
            ingress.close()


@pytest.mark.parametrize("engine", ["host", "reference"])
@pytest.mark.parametrize("speed", ["max", "1000"])
def test_rules_see_the_times_of_the_capture(engine: str, speed: str) -> None:
    """The state of these rules is forgotten after seconds, which pass a thousand times as fast or not at all."""
    text = (
        "rules r on packet all {\n"
        "  rule again: prev(ip.ttl per ip.src ttl 1s) <= 255 => deliver d, count again\n"
        "  rule fresh: ip and not prev(ip.ttl per ip.src ttl 1s) <= 255 => count fresh\n"
        "}\n"
    )
    plan = compile_text(text, "rules").plan
    expected = decided(open_events(str(OFFICE), plan), text, engine)
    report = decided(open_live(f"replay:{OFFICE}@{speed}", plan), text, engine)
    forever = decided(open_events(str(OFFICE), plan), text.replace(" ttl 1s", ""), engine)
    assert expected.rules[1].events > forever.rules[1].events, "state was forgotten"
    assert (report.rules, report.channels, report.counters) == (expected.rules, expected.channels, expected.counters)
    assert (report.events, report.ingress["received"], report.ingress["left"]) == (769, 769, 0)


def test_so_many_events_and_no_more(tmp_path: Path) -> None:
    path = capture(tmp_path / "in.pcap", [START + n for n in range(100)])
    report = decided(ReplayIngress(str(path), None), "rules r on packet all { rule a: eth => drop }", "host", Until(30))
    assert (report.events, report.ingress["left"]) == (30, 70)


def test_the_pace_is_that_of_the_real_clock(tmp_path: Path) -> None:
    path = capture(tmp_path / "in.pcap", [START, START + 600 * MS])
    begin = time.monotonic()
    report = decided(ReplayIngress(str(path), 2.0), "rules r on packet all { rule a: eth => drop }", "host")
    assert report.events == 2 and time.monotonic() - begin >= 0.3


def test_captures_without_events_and_with_defects(tmp_path: Path) -> None:
    whole = capture(tmp_path / "whole.pcap", [START, START + 1, START + 2]).read_bytes()
    rules = "rules r on packet all { rule a: eth => drop }"
    (tmp_path / "none.pcap").write_bytes(whole[:24])
    assert decided(ReplayIngress(str(tmp_path / "none.pcap")), rules, "host").events == 0
    (tmp_path / "cut.pcap").write_bytes(whole[:-1])
    cut = ReplayIngress(str(tmp_path / "cut.pcap"))
    assert decided(cut, rules, "host").events == 2
    assert len(cut.warnings()) == 1 and "the capture ends in the middle of a record, 75 bytes" in cut.warnings()[0]
    (tmp_path / "bad.pcap").write_bytes(whole + b"\xff" * 16)
    bad = ReplayIngress(str(tmp_path / "bad.pcap"))
    with pytest.raises(
        IngressFault, match=r"cannot go on: .*bad\.pcap: byte 252: a record of 4294967295 captured bytes"
    ):
        decided(bad, rules, "host")
    assert bad.counters()["received"] == 3, "everything before the damage"


def test_what_is_no_capture_or_no_speed_is_refused(tmp_path: Path) -> None:
    path = capture(tmp_path / "in.pcap", [START])
    plan = compile_text("rules r on packet all { rule a: eth => drop }", "r").plan
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    for spec, message in (
        (f"{path}@fast", r"there is no such file, and 'fast' is no speed: a number from 1e-06 to 1e\+06, or max"),
        (f"{path}@0", "'0' is no speed"),
        (f"{path}@-1", "'-1' is no speed"),
        (f"{path}@nan", "'nan' is no speed"),
        (f"{path}@inf", "'inf' is no speed"),
        (f"{tmp_path}/absent", "No such file"),
        (f"{tmp_path}/empty", "empty, expected a pcap or pcapng capture"),
        (f"{tmp_path}/pipe", "is not a file; a pipe or standard input is read with -r"),
        (str(tmp_path), "is not a file"),
        ("-@2", "is not a file"),
        ("", "expected replay:NAME"),
    ):
        with pytest.raises(CaptureError, match=message):
            open_live(f"replay:{spec}", plan)
    with CaptureWriter(tmp_path / "records.pcap", 147) as writer:
        writer.write(EventBatch.from_bytes([bytes(64)]))
    with pytest.raises(CaptureError, match="holds schema records, but the rules are on packets"):
        open_live(f"replay:{tmp_path}/records.pcap", plan)
    odd = path.rename(tmp_path / "a@5")
    assert [parse(str(odd)), parse(f"{odd}@x2"), parse(f"{odd}@max")] == [
        (str(odd), 1.0), (str(odd), 2.0), (str(odd), None)
    ]  # fmt: skip


def test_records_of_a_capture(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "orders.7m").read_text()
    plan = compile_text(text, "orders").plan
    make = [sys.executable, "examples/make_orders.py", "--count", "200", "-o", str(tmp_path / "orders.bin")]
    subprocess.run(make, check=True, cwd=ROOT)
    data = (tmp_path / "orders.bin").read_bytes()
    records = [data[at : at + 64] for at in range(0, len(data), 64)]
    with CaptureWriter(tmp_path / "orders.pcap", 147) as writer:
        writer.write(EventBatch.from_bytes(records, [START + n * MS for n in range(len(records))]))
    expected = decided(open_events(str(tmp_path / "orders.pcap"), plan), text, "host")
    report = decided(open_live(f"replay:{tmp_path}/orders.pcap@100", plan), text, "host")
    assert (report.events, report.rules, report.counters) == (200, expected.rules, expected.counters)


def test_what_there_is_to_know_is_said_at_the_end(tmp_path: Path) -> None:
    path = capture(tmp_path / "in.pcap", [START, START - MS, START])
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "r.7m").write_text("rules r on packet all { rule a: eth => drop }\n")
    command = [sys.executable, "-m", "sevenm.cli.main", "run", str(tmp_path / "r.7m"), "-i", f"replay:{path}@max"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (
        0,
        f"sevenm: receiving from replay:{path}\n"
        f"sevenm: replay:{path}: the capture ends in the middle of a record, 75 bytes after its start at byte 176; "
        "everything before it was read\n",
    )
    assert done.stdout.endswith("\n2 packets received, 0 dropped by the kernel\n")


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("if (ingress->due_ns > reached)", "if (ingress->due_ns > reached + 1000)"),
        ("ingress->placed = 0;", ""),
        ("ingress->at += n;", "ingress->at += n + (n > 3);"),
        ("ingress->due_ns += gap_ns;", "ingress->due_ns = gap_ns;"),
    ],
)
def test_the_driver_finds_faults(
    build_driver: Callable[..., Any], faulty: Callable[[str, str, str], Path], good: str, bad: str
) -> None:
    csrc = faulty("ingress_replay.c", good, bad)
    done = build_driver("ingress_replay.c", "gcc", None, csrc, parts=PARTS)(2000, 7)
    assert (done.returncode, "ingress_replay.c:" in done.stderr) == (2, True)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_sanitizer_objects_and_every_event_comes_once(
    build_driver: Callable[..., Any], compiler: str, soak: bool
) -> None:
    flags = ["-Wall", "-Wextra", "-Werror"]
    run = build_driver("ingress_replay.c", compiler, "memory-and-undefined", flags=flags, parts=PARTS)
    done = run(1_000_000 if soak else 20_000, 88172645463325252)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[0]) > 10_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["run", "filter"])
def test_a_signal_in_a_long_gap_ends_it_at_once(tmp_path: Path, command: str, number: int) -> None:
    """The next event is due after a minute, and the test waits for less."""
    path = capture(tmp_path / "in.pcap", [START, START + MS, START + 3000 * DAY])
    (tmp_path / "r.7m").write_text("rules r on packet all { rule a: eth => drop }\n")
    what = [str(tmp_path / "r.7m"), "--json"] if command == "run" else ["eth"]
    process = subprocess.Popen(
        [sys.executable, "-m", "sevenm.cli.main", command, *what, "-i", f"replay:{path}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == f"sevenm: receiving from replay:{path}\n"
    if command == "filter":
        assert process.stdout is not None
        assert [process.stdout.readline().split()[0] for _ in range(2)] == ["1", "2"]
    else:
        time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    if command == "run":
        report = json.loads(out)
        assert (report["events"], report["ingress"]["received"], report["ingress"]["left"]) == (2, 2, 0)
