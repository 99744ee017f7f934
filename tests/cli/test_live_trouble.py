"""A run on an interface when the machine is in trouble: full disks, no memory, no permission, a clock that goes back.

One idea: whatever ends it, the report is printed and exact, or the message says what was refused and what to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from sevenm.host.capture.pcap import CaptureError, open_capture
from sevenm.host.ring import Ring
from tests.cli.running import readable_python

pytestmark = [pytest.mark.needs("namespaces", "compiler")]
Ip = Callable[..., str]
FRAME = bytes.fromhex("ffffffffffff 020000000001") + b"\x88\xb5" + bytes(186)
RULES = """
rules r on packet all {
  rule mine:  eth.type == 0x88b5                                      => deliver mine, count mine
  rule again: eth.type == prev(eth.type per eth.src keys 64 ttl 60s)  => count again
}
"""
RECORDS = "schema R v1 size 64 @endian(little) { seq: u32 }\nrules r on R all { rule any: seq >= 0 => count n }\n"
SMALL = 'mount --make-rprivate / && mount -t tmpfs -o size={size} tmpfs {folder} && exec "$0" "$@"'
Start = Callable[..., "Started"]
COMMAND = (sys.executable, "-m", "sevenm.cli.main")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "r.7m"
    path.write_text(RULES)
    return path


@dataclass(frozen=True)
class Started:
    """``said``: its first lines, up to the one that it receives."""

    process: subprocess.Popen[str]
    said: list[str]


@pytest.fixture
def started() -> Iterator[Start]:
    """Starts a command that receives, in a mount namespace with a small file system if one is named, and waits until
    it does; what a failed test leaves running ends with it."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: object, small: tuple[Path, str] | None = None, env: dict[str, str] | None = None) -> Started:
        command = [*COMMAND, *map(str, words)]
        if small is not None:
            command = ["unshare", "--mount", "sh", "-c", SMALL.format(folder=small[0], size=small[1]), *command]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NO_COLOR": "1", **(env or {})},
        )  # fmt: skip
        running.append(process)
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "receiving" in line:
                break
        return Started(process, said)

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def send(times: int, device: str = "live1") -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((device, 0))
        for _ in range(times):
            out.send(FRAME)


def settled(one: Started) -> tuple[int, str, str]:
    """Exit code, output, and what was said from then on, once it has ended."""
    out, err = one.process.communicate(timeout=60)
    assert "Traceback" not in err
    return one.process.returncode, out, err


def test_a_full_disk_ends_a_run_with_its_report(
    veth: tuple[str, str], rules: Path, tmp_path: Path, started: Start
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    one = started("run", rules, "-i", "live0", "-w", folder / "out.pcap", small=(folder, "64k"))
    send(1000)
    code, out, err = settled(one)
    assert code == 3
    said = re.fullmatch(
        rf"sevenm: {folder}/out\.pcap: cannot be written on after \d+ bytes \((\d+) events\): "
        r"no space left on device\n",
        err,
    )
    assert said is not None and int(said[1]) < 320
    events = re.search(r"^r\.mine +deliver mine, count mine +([\d,]+)$", out, re.MULTILINE)
    counts = re.search(r"^([\d,]+) packets received, 0 dropped by the kernel(?:, ([\d,]+) left)?$", out, re.MULTILINE)
    assert events is not None and counts is not None, out
    received, left = (int((number or "0").replace(",", "")) for number in counts.groups())
    assert received == int(events[1].replace(",", "")) + left <= 1000
    assert received > 320, "what came before is in the report, also what could not be written"


def test_a_full_disk_ends_a_filter_with_what_it_received(veth: tuple[str, str], tmp_path: Path, started: Start) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    one = started("filter", "eth.type == 0x88b5", "-i", "live0", "-w", folder / "o.pcap", small=(folder, "64k"))
    send(1000)
    code, out, err = settled(one)
    assert (code, out) == (3, "")
    matched, received, why = err.splitlines()
    assert re.fullmatch(rf"\d+ of \d+ packets match, written to {folder}/o\.pcap", matched)
    assert re.match(r"\d+ packets received, 0 dropped by the kernel", received)
    assert why.endswith("events): no space left on device")


def test_a_disk_that_is_full_of_metrics_is_said_and_the_run_goes_on(
    veth: tuple[str, str], rules: Path, tmp_path: Path, started: Start
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    one = started(
        "run", rules, "-i", "live0", "--metrics-file", folder / "m", "-c", "10", "-w", folder / "out.pcap",
        small=(folder, "8k"),
    )  # fmt: skip
    send(10)
    code, out, err = settled(one)
    assert code == 0 and "\n10 packets received, 0 dropped by the kernel\n" in out
    assert f"{folder}/m: metrics could not be written: no space left on device\n" in err


def test_rings_that_get_no_memory_are_said_before_anything_is_received(
    veth: tuple[str, str], rules: Path, started: Start
) -> None:
    one = started("run", rules, "-i", "live0", "--ring", "full", small=(Path("/dev/shm"), "64k"))
    assert settled(one)[:2] == (3, "")
    assert one.said == ["sevenm: cannot get the memory of ring full.mine: no space left on device\n"]


@pytest.mark.parametrize("form", ["pcap", "csv"])
def test_what_a_subscriber_cannot_write_stays_in_the_ring(form: str, ring: str, office: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run([*COMMAND, "publish", ring, "-r", str(office)], check=True, capture_output=True)
    command = [*COMMAND, "subscribe", ring, "-w", str(folder / "out"), "--format", form]
    small = ["unshare", "--mount", "sh", "-c", SMALL.format(folder=folder, size="16k")]
    done = subprocess.run([*small, *command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert re.fullmatch(rf"sevenm: {folder}/out: .*no space left on device\n", done.stderr)
    (lane,) = Ring.stats(ring).subscribers
    assert (lane.delivered, lane.in_ring, lane.lost) == (769, 769, 0)


# A clock that goes back

CLOCK = """
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The wall clock, moved by the seconds that stand in a file. */
int clock_gettime(clockid_t id, struct timespec *to)
{
    static const volatile long long *shift;
    const int done = (int)syscall(SYS_clock_gettime, id, to);
    if (!shift) {
        const int fd = open(getenv("CLOCK_SHIFT"), O_RDONLY);
        shift = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
    }
    if (id == CLOCK_REALTIME)
        to->tv_sec += *shift;
    return done;
}
"""


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Callable[[int], None]]:
    """What makes a command see another wall clock, and what moves that, by so many seconds."""
    source, library, shift = tmp_path / "clock.c", tmp_path / "clock.so", tmp_path / "shift"
    source.write_text(CLOCK)
    compiler = next(path for name in ("gcc", "clang", "cc") if (path := shutil.which(name)))
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    shift.write_bytes(bytes(4096))

    def move(seconds: int) -> None:
        with shift.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))

    return {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}, move


def test_a_clock_that_goes_back_loses_no_event_and_forgets_no_state(
    namespace: None,
    rules: Path,
    clock: tuple[dict[str, str], Callable[[int], None]],
    started: Start,
    tmp_path: Path,
) -> None:
    """TAP frames are stamped by the process. An entry is as old as the latest time that was seen says, so one that is
    live stays so."""
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
    env, move = clock
    target = tmp_path / "out.pcap"
    one = started("run", rules, "-i", "tap:clocktap", "-c", "30", "--json", "-w", target, env=env)
    for shift in (0, -3600, -1800):
        move(shift)
        send(10, "clocktap")
        deadline = time.monotonic() + 20
        while written(target) < 10 and time.monotonic() < deadline and one.process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.2)
    code, out, err = settled(one)
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert report["counters"] == {"mine": 30, "again": 29}
    with open_capture(target) as reader:
        times = [int(ts) for batch in reader.batches() for ts in batch.events["ts_ns"]]
    steps = [round((b - a) / 1e9) for a, b in pairwise(times) if abs(b - a) > 600e9]
    assert [round(step, -2) for step in steps] == [-3600, 1800], "the times are those of the clock"


def written(path: Path) -> int:
    try:
        with open_capture(path) as reader:
            return sum(len(batch) for batch in reader.batches())
    except (CaptureError, OSError):
        return 0


def test_events_from_the_future_have_no_latency_and_are_said(
    veth: tuple[str, str],
    rules: Path,
    clock: tuple[dict[str, str], Callable[[int], None]],
    started: Start,
) -> None:
    """The kernel stamps these, and the clock goes back before they are looked at."""
    env, move = clock
    one = started("run", rules, "-i", "live0", "-c", "20", "--latency", env=env)
    move(-3600)
    send(20)
    code, out, _ = settled(one)
    assert code == 0
    said = [line for line in out.splitlines() if "still to come" in line]
    assert said == ["from arrival until decided: nothing of 0; 20 have a time of arrival that is still to come"]


# Without permission


REFUSED = {
    "live0": "sevenm: live0: receiving from an interface needs the capability cap_net_raw, which this process does not",
    "xdp:live0": "sevenm: xdp:live0: making a BPF map: operation not permitted; needs the capabilities cap_net_raw, "
    "cap_net_admin and cap_bpf; start as root\n",
    "tap:newtap": "sevenm: tap:newtap: needs the capability cap_net_admin, or a device that is this user's (ip tuntap",
    "udp:127.0.0.1:53": "sevenm: udp:127.0.0.1:53: port 53 needs the capability cap_net_bind_service; take one from",
    "udp:239.1.1.1:5000@live0": "sevenm: receiving from udp:239.1.1.1:5000@live0\n",
    "ring:wire-theirs": "sevenm: /dev/shm/sevenm.wire-theirs belongs to user 0, and this process to user 65534; "
    "a ring is for one user\n",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_nobody_is_told_what_each_kind_needs(
    spec: str, veth: tuple[str, str], ip: Ip, request: pytest.FixtureRequest
) -> None:
    """An ordinary user without a capability. A group in datagrams needs none."""
    python, paths = readable_python()
    if spec.startswith("ring:"):
        theirs = Path("/dev/shm/sevenm.wire-theirs")
        theirs.touch(0o600)
        request.addfinalizer(theirs.unlink)
    with tempfile.NamedTemporaryFile("w", suffix=".7m") as file:
        file.write(RECORDS if spec.startswith("udp") else RULES)
        file.flush()
        Path(file.name).chmod(0o644)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", python,
                   "-m", "sevenm.cli.main", "run", file.name, "-i", spec, "--seconds", "0.1"]  # fmt: skip
        env = {"PATH": os.environ["PATH"], **paths, "XDG_CACHE_HOME": "/nonexistent"}
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60, check=False)
    assert done.stderr.startswith(REFUSED[spec]), done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == (0 if "receiving from udp" in done.stderr else 3)
    assert signal.SIGSEGV.value != -done.returncode
