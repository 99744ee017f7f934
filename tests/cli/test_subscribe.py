"""sevenm subscribe: every format says what is in the ring, it ends when it should, and what does not fit is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sevenm.boundary import Engine, Flag
from sevenm.cli.sources import compile_file
from sevenm.host.batch import EventBatch
from sevenm.host.capture.pcap import open_capture
from sevenm.host.ring import RingWriter
from sevenm.host.ring.record import slot_size_for

ROOT = Path(__file__).resolve().parents[2]
Sevenm = Callable[..., Any]
pytestmark = pytest.mark.needs("compiler")
FRAME = bytes.fromhex(
    "02000000000102000000000208004500002e00000000401100000a0000010a000002d431003500 1a0000".replace(" ", "")
) + bytes(18)
"""10.0.0.1:54321 > 10.0.0.2:53, UDP, 60 bytes."""
START = 1_700_000_000_000_000_000


def fill(name: str, n: int, close: bool = True, **more: Any) -> RingWriter:
    """A ring with n times FRAME, of rules 0, 1, 2, 0 and so on."""
    writer = RingWriter.create(name, slots=256, **more)
    records = np.zeros(n, writer.dtype)
    records["ts_ns"] = START + np.arange(n)
    records["rule"], records["generation"], records["engine"] = np.arange(n) % 3, 7, Engine.HOST
    records["cap_len"], records["wire_len"] = len(FRAME), 1500
    records["flags"] = Flag.CUT
    records["data"][:, : len(FRAME)] = np.frombuffer(FRAME, np.uint8)
    writer.write(records)
    if close:
        writer.close()
    return writer


def test_a_table_has_a_line_for_each_record(sevenm: Sevenm, ring: str) -> None:
    fill(ring, 3)
    done = sevenm("subscribe", ring)
    assert done.code == 0
    assert done.out == (
        "     seq  time                            rule   gen  bytes  flags  packet\n"
        "       0  2023-11-14T22:13:20.000000000Z  0        7   1500  C      10.0.0.1:54321 > 10.0.0.2:53 UDP\n"
        "       1  2023-11-14T22:13:20.000000001Z  1        7   1500  C      10.0.0.1:54321 > 10.0.0.2:53 UDP\n"
        "       2  2023-11-14T22:13:20.000000002Z  2        7   1500  C      10.0.0.1:54321 > 10.0.0.2:53 UDP\n"
    )
    assert done.err == "sevenm: 3 records read, the producer closed the ring\n"


def test_json_lines_name_rules_and_fields(sevenm: Sevenm, ring: str, rules: Path) -> None:
    fill(ring, 2)
    done = sevenm(
        "subscribe", ring, "--format", "jsonl", "--rules", rules, "--field", "ip.src", "--field", "tcp.dstport"
    )
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["name"] for line in lines] == ["small.web", "small.dns"]
    assert lines[1] == {
        "seq": 1, "ts_ns": START + 1, "time": "2023-11-14T22:13:20.000000001Z", "rule": 1, "name": "small.dns",
        "generation": 7, "wire_len": 1500, "cap_len": 60, "engine": "host", "source": 0, "flags": ["cut"],
        "info": "10.0.0.1:54321 > 10.0.0.2:53 UDP", "fields": {"ip.src": "10.0.0.1", "tcp.dstport": None},
    }  # fmt: skip


def test_csv_is_read_by_a_csv_reader(sevenm: Sevenm, ring: str) -> None:
    fill(ring, 2)
    done = sevenm("subscribe", ring, "--format", "csv", "--field", "udp.dstport")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["seq"] for row in rows] == ["0", "1"]
    assert rows[0]["udp.dstport"] == "53"
    assert rows[0]["flags"] == "cut"
    assert rows[0]["info"] == "10.0.0.1:54321 > 10.0.0.2:53 UDP"


def test_a_capture_has_the_bytes_and_nanoseconds(sevenm: Sevenm, ring: str, tmp_path: Path) -> None:
    fill(ring, 5)
    done = sevenm("subscribe", ring, "-w", tmp_path / "out.pcap")
    assert (done.code, done.out) == (0, "")
    with open_capture(tmp_path / "out.pcap") as reader:
        batch = EventBatch.joined(list(reader.batches()))
    assert batch.events["ts_ns"].tolist() == [START + n for n in range(5)]
    assert [batch.data(n) for n in range(5)] == [FRAME] * 5
    assert set(batch.events["wire_len"].tolist()) == {1500}


def test_an_arrow_stream_has_the_same_columns(sevenm: Sevenm, ring: str, tmp_path: Path, rules: Path) -> None:
    fill(ring, 5)
    done = sevenm("subscribe", ring, "--format", "arrow", "--rules", rules)
    table = pa.ipc.open_stream(done.raw).read_all()
    assert table["seq"].to_pylist() == list(range(5))
    assert table["name"].to_pylist() == ["small.web", "small.dns", "small.arp", "small.web", "small.dns"]
    assert table["data"].to_pylist() == [FRAME] * 5
    assert table["time"].cast(pa.int64()).to_pylist() == [START + n for n in range(5)]


def test_records_of_a_schema_have_its_fields(sevenm: Sevenm, ring: str) -> None:
    rules = ROOT / "examples" / "orders.7m"
    layout = compile_file(str(rules)).plan.layouts[0]
    with RingWriter.create(ring, 256, slot_size_for(layout.size), layout_hash=layout.hash) as writer:
        records = np.zeros(1, writer.dtype)
        order = b"A" + (99).to_bytes(8, "big") + (123400).to_bytes(4, "big") + (7).to_bytes(4, "big") + b"ACME    "
        records["data"][0, : len(order)] = np.frombuffer(order, np.uint8)
        records["cap_len"] = records["wire_len"] = layout.size
        writer.write(records)
        writer.write(records)
    line = json.loads(sevenm("subscribe", ring, "--rules", rules, "--format", "jsonl", "-c", "1").out)
    assert line["fields"] == {"kind": "A", "ref": 99, "px": 12.34, "qty": 7, "stock": "ACME    "}
    done = sevenm("subscribe", ring, "--rules", rules)
    assert done.out.splitlines()[1].endswith("  kind=A ref=99 px=12.34 qty=7 stock=ACME")


def test_another_schema_is_refused_and_both_are_named(sevenm: Sevenm, ring: str, rules: Path) -> None:
    orders = ROOT / "examples" / "orders.7m"
    asked = compile_file(str(orders)).plan.layouts[0].hash
    with RingWriter.create(ring, 256, 96, layout_hash=0xABCD):
        done = sevenm("subscribe", ring, "--rules", orders)
        assert (done.code, done.out) == (3, "")
        assert done.err == (
            f"sevenm: ring {ring} carries layout 0x000000000000abcd, this reader expects 0x{asked:016x}; "
            "build both sides from the same schema\n"
        )
        done = sevenm("subscribe", ring, "--rules", rules)
        assert (done.code, done.err) == (
            3,
            f"sevenm: ring {ring} carries records of layout 0x000000000000abcd, but the rules are about packets; "
            "give the rules with its schema: --rules FILE\n",
        )


def test_names_of_other_rules_are_doubted(sevenm: Sevenm, ring: str, rules: Path) -> None:
    fill(ring, 1, digest="ab" * 32)
    done = sevenm("subscribe", ring, "--rules", rules)
    assert done.code == 0
    assert done.err.startswith(f"sevenm: ring {ring} is fed by rules with digest abababababab, and these have ")


def test_count_takes_no_more_than_it_says(sevenm: Sevenm, ring: str) -> None:
    fill(ring, 10, close=False)
    first = sevenm("subscribe", ring, "-c", "4", "--format", "csv")
    assert (first.code, first.err) == (0, "sevenm: 4 records read, as many as asked for\n")
    second = sevenm("subscribe", ring, "-c", "6", "--format", "csv")
    assert [line.split(",")[0] for line in second.out.splitlines()] == ["seq", *map(str, range(4, 10))]


def test_what_could_not_be_written_stays_in_the_ring(sevenm: Sevenm, ring: str) -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "subscribe", ring, "--format", "csv"]
    with RingWriter.create(ring, slots=256) as writer:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"seq,")
        process.stdout.close()
        writer.write(np.zeros(5, writer.dtype))
        assert process.wait(60) == 141
        assert writer.stats().in_ring == 5
        done = sevenm("subscribe", ring, "-w", "/dev/full", "--format", "csv")
        assert (done.code, done.out) == (3, "")
        assert done.err == "sevenm: /dev/full: no space left on device\n"
        assert writer.stats().in_ring == 5


def test_it_ends_when_nothing_comes_or_the_producer_is_dead(sevenm: Sevenm, ring: str) -> None:
    writer = fill(ring, 300, close=False)
    done = sevenm("subscribe", ring, "--timeout", "0.2", "--format", "csv")
    assert done.code == 0
    assert done.err == "sevenm: 256 records read, none came for 0.2 s; missed since the ring was made: 44 full\n"
    del writer
    done = sevenm("subscribe", ring)
    assert done.code == 3
    assert done.err == (
        "sevenm: 0 records read, the producer died without closing the ring; everything it committed was read; "
        "missed since the ring was made: 44 full\n"
    )


def test_subscribers_with_names_get_everything_beside_each_other(sevenm: Sevenm, ring: str, office: Path) -> None:
    command = [sys.executable, "-m", "sevenm.cli.main", "subscribe", ring, "--wait", "60", "--format", "csv"]
    started = RingWriter.create(ring, slots=1024)
    many = [
        subprocess.Popen(
            [*command, "--subscriber", name, "--policy", policy], cwd=ROOT, env={**os.environ},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name, policy in (("audit", "block"), ("view", "drop_oldest"))
    ]  # fmt: skip
    while len([one for one in started.stats().subscribers if one.pid]) < 2:
        assert [process.poll() for process in many] == [None, None]
    policies = {one.name: one.policy for one in started.stats().subscribers}
    assert policies == {"": "drop_newest", "audit": "block", "view": "drop_oldest"}
    started.write(np.zeros(700, started.dtype))
    started.close()
    for process in many:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, len(out.splitlines())) == (0, 701)
        assert err == "sevenm: 700 records read, the producer closed the ring\n"


def test_latency_is_told_from_arrival_until_read(sevenm: Sevenm, ring: str, office: Path) -> None:
    fill(ring, 3)
    done = sevenm("subscribe", ring, "--latency")
    assert done.err.splitlines()[1].startswith("sevenm: from arrival until read: p50 1 h, ")
    assert done.err.endswith(" of 3; 3 took more than an hour\n")
    assert sevenm("publish", ring, "-r", office, "--stamp", "--slots", "256", "-c", "9").code == 0
    done = sevenm("subscribe", ring, "--latency")
    assert re.fullmatch(
        r"sevenm: from arrival until read: (p[\d.]+ [\d.e+]+ (ns|µs|ms|s), ){4}max [\d.e+]+ (ns|µs|ms|s) of 9\n",
        done.err.partition("\n")[2],
    )
    assert sevenm("subscribe", ring, "--latency").err.endswith("sevenm: from arrival until read: nothing of 0\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_whole_file(ring: str, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out.arrow"
    command = [sys.executable, "-m", "sevenm.cli.main", "subscribe", ring, "--wait", "60", "-w", str(out)]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stderr=subprocess.PIPE, text=True)
    with fill(ring, 20, close=False) as writer:
        while writer.stats().in_ring:
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    assert process.stderr is not None
    assert process.stderr.read() == "sevenm: 20 records read, stopped\n"
    with pa.ipc.open_stream(out.read_bytes()) as stream:
        assert stream.read_all().num_rows == 20


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["nobody-made-this"], 3, "sevenm: there is no ring nobody-made-this"),
        (["no/name"], 2, "sevenm: "),
        (["x", "-w", "out.bin"], 2, "sevenm: -w out.bin: say --format, or end the name in one of .txt, .jsonl"),
        (["x", "--field", "ip.sorc"], 2, "sevenm: --field: there is no field ip.sorc; did you mean ip.src"),
        (["x", "--rules", "absent.7m"], 3, "sevenm: "),
        (["x", "-c", "0"], 2, "Usage: "),
        (["x", "--policy", "block"], 2, "Usage: "),
        (["x", "--subscriber", "no/name"], 2, "sevenm: "),
    ],
)
def test_wrong_use_says_what_is_wrong(sevenm: Sevenm, args: list[str], code: int, message: str) -> None:
    done = sevenm("subscribe", *args)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)


def test_without_pyarrow_the_extra_is_named(sevenm: Sevenm, ring: str, tmp_path: Path) -> None:
    fill(ring, 1)
    (tmp_path / "pyarrow.py").write_text("raise ImportError('No module named pyarrow')\n")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = sevenm("subscribe", ring, "--format", "arrow", env={"PYTHONPATH": path})
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("sevenm: Arrow needs pyarrow, which is not installed; say pip install 'sevenm[arrow]'")
