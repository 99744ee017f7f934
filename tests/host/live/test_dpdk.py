"""DPDK ingress on devices that software makes: each frame is handed out as it was or is counted, all buffers go back.

DPDK is initialised once in a process, so each test has one of its own.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sevenm.host.capture.format import CaptureError
from sevenm.host.ingress import INGRESS, LiveOptions, Wanted
from sevenm.host.live import dpdk_library
from sevenm.host.live.dpdk import Device, parse
from tests.host.live.conftest import OFFICE
from tests.host.live.dpdk_process import FEED

DRIVERS = Path(__file__).resolve().parents[1] / "csrc"
CSRC = Path(__file__).resolve().parents[3] / "host" / "csrc"
Script = Callable[..., Any]
installed = pytest.mark.needs("compiler", "dpdk")
pytestmark = pytest.mark.usefixtures("need_native")


@pytest.fixture
def script() -> Script:
    """Runs Python after FEED in a process of its own; what it leaves in ``out``."""

    def run(program: str, *arguments: object) -> Any:
        code = FEED + program + "\nprint(json.dumps(out))\n"
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def feeder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("feed") / "feed.so"
    command = [*dpdk_library.compile_command(), "-o", str(out), str(DRIVERS / "dpdk_feed.c")]
    done = subprocess.run([*command, *dpdk_library.link_flags()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


# What is named


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("net_null0", Device("net_null0", False, None)),
        ("net_ring0,rxq=4", Device("net_ring0", False, 4)),
        ("net_memif0,rxq=2,role=server", Device("net_memif0,role=server", False, 2)),
        ("0000:01:00.0", Device("0000:01:00.0", True, None)),
        ("81:00.1,rxq=8,x=1", Device("81:00.1,x=1", True, 8)),
    ],
)
def test_a_device_is_named_as_dpdk_names_it(text: str, device: Device) -> None:
    assert parse(text) == device


@pytest.mark.parametrize("text", ["eth0", "", ",", "net_", "net_null0 x", "0000:01:00", "crypto_null0", "NET_null0"])
def test_what_names_no_device_is_refused(text: str) -> None:
    with pytest.raises(CaptureError) as caught:
        parse(text)
    assert str(caught.value) == (
        f"dpdk:{text}: expected a device as DPDK names it, for example net_memif0,role=client or 0000:01:00.0"
    )


@pytest.mark.parametrize("queues", ["rxq=0", "rxq=x", "rxq=-1", "rxq=1,rxq=2", "rxq=70000", "rxq="])
def test_a_number_of_queues_that_cannot_be_is_refused(queues: str) -> None:
    with pytest.raises(CaptureError) as caught:
        parse(f"net_null0,{queues}")
    assert str(caught.value) == (
        f"dpdk:net_null0,{queues}: rxq is how many queues to receive by, at least 1, and is given once"
    )


@pytest.mark.parametrize("text", ["net_null0,x=" + "y" * 1024, "net_null0,x=\n", "net_null0\0"])
def test_a_description_has_a_bound(text: str) -> None:
    with pytest.raises(CaptureError) as caught:
        parse(text)
    assert str(caught.value) == "dpdk: a device is described by at most 1024 printable characters"


def test_it_is_a_kind_of_ingress() -> None:
    kind = INGRESS.load("dpdk")
    assert kind.live
    with pytest.raises(CaptureError, match=r"^dpdk:net_null0: gives Ethernet frames, but the rules are on records$"):
        kind.open("net_null0", Wanted(64))
    with pytest.raises(CaptureError) as caught:
        kind.open("net_null0", Wanted(live=LiveOptions(hardware_time=True)))
    assert str(caught.value) == (
        "dpdk:net_null0: what a device's time counts in is known to its driver only; leave --hardware-time out"
    )


# Where there is no DPDK


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = INGRESS.load("dpdk")
    found = shutil.which("pkg-config")
    monkeypatch.setenv("PKG_CONFIG_LIBDIR", str(tmp_path))
    if found is not None:
        assert kind.missing() == (
            "needs DPDK's headers, which pkg-config does not find (Debian: apt install libdpdk-dev pkg-config)"
        )
        (tmp_path / "libdpdk.pc").write_text("Name: DPDK\nDescription: old\nVersion: 20.11.3\n")
        assert kind.missing() == "needs DPDK 21.11 or newer, and 20.11.3 is installed"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kind.missing() == "needs pkg-config and DPDK's headers (Debian: apt install libdpdk-dev pkg-config)"


@pytest.mark.needs("compiler")
def test_headers_that_do_not_fit_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is not installed")
    monkeypatch.setenv("PKG_CONFIG_LIBDIR", str(tmp_path))
    (tmp_path / "libdpdk.pc").write_text(
        "Name: DPDK\nDescription: broken\nVersion: 99.11\nCflags: -DNDEBUG\nLibs: -lno-such\n"
    )
    (tmp_path / "rte_dev.h").write_text("#error these are other headers\n")
    monkeypatch.setenv("C_INCLUDE_PATH", str(tmp_path))
    monkeypatch.setattr(dpdk_library, "_loaded", [])
    with pytest.raises(CaptureError) as caught:
        INGRESS.load("dpdk").open("net_null0", Wanted())
    assert "cannot compile what receives from DPDK (exit code 1):" in str(caught.value)
    assert "these are other headers" in str(caught.value)


def test_free_huge_pages_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kib, free in ((2048, 5), (1048576, 1)):
        folder = tmp_path / f"hugepages-{kib}kB"
        folder.mkdir()
        (folder / "free_hugepages").write_text(f"{free}\n")
    monkeypatch.setattr(dpdk_library, "HUGE", tmp_path)
    assert dpdk_library.free_huge_pages() == 5 * (2 << 20) + (1 << 30)


@installed
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_compiles_without_a_warning(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setenv("CC", compiler)
    # Its headers are not ours to judge.
    words = [word.replace("-I/usr", "-isystem/usr") for word in dpdk_library.compile_command()]
    words += ["-Wall", "-Wextra", "-Wconversion", "-Werror", f"-I{tmp_path}", "-o", str(tmp_path / "out.so")]
    dpdk_library.boundary.write_header(tmp_path)
    sources = [str(CSRC / name) for name in dpdk_library.SOURCES]
    done = subprocess.run([*words, *sources, *dpdk_library.link_flags()], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), shlex.join(words)


# Frames


@installed
def test_frames_are_handed_out_as_they_were_on_the_wire(script: Script, feeder: Path) -> None:
    """In one piece, in several, with tags that the device took out; all buffers are free afterwards."""
    found = script(
        """
lib, _ = feeder(sys.argv[1])
with DpdkIngress("net_ring0") as ingress:
    out["said"] = ingress.warnings()[0]
    lib, feed = feeder(sys.argv[1])
    frame = bytes(range(256)) * 40
    head, rest = frame[:12], frame[12:1000]
    both = lib.feed_flags(1, 1)
    cases = [
        (frame[:60], {}, frame[:60]),
        (frame[:2048], {}, frame[:2048]),
        (frame[:9018], {"pieces": 5}, frame[:9018]),
        (frame[:100], {"pieces": 100}, frame[:100]),
        (head + rest, {"flags": lib.feed_flags(1, 0), "tag": 0xE007}, head + b"\\x81\\x00\\xe0\\x07" + rest),
        (head + rest, {"flags": both, "tag": 5, "outer": 0x6009, "pieces": 3},
         head + b"\\x88\\xa8\\x60\\x09\\x81\\x00\\x00\\x05" + rest),
    ]
    sent = [feed(frame, **how) for frame, how, _ in cases]
    before = time.time_ns()
    events = received(ingress)
    out["sent"] = sent
    out["equal"] = [events.data(i) == want for i, (_, _, want) in enumerate(cases)]
    out["whole"] = (events.events["cap_len"] == events.events["wire_len"]).all().item()
    out["in time"] = bool((abs(events.events["ts_ns"].astype("int64") - before) < 10**10).all())
    out["counts"] = ingress.counters()
    out["free"] = lib.feed_free()
""",
        feeder,
    )
    assert found == {
        "said": "net_ring, 1 queue", "sent": [1] * 6, "equal": [True] * 6, "whole": True, "in time": True,
        "counts": {"received": 6, "damaged": 0, "dropped": 0, "errors": 0, "too_long": 0, "joined": 3, "tagged": 2},
        "free": 4095,
    }  # fmt: skip


@installed
def test_what_is_not_handed_out_is_counted(script: Script, feeder: Path) -> None:
    found = script(
        """
with DpdkIngress("net_ring0", False, 64) as ingress:
    lib, feed = feeder(sys.argv[1])
    long = bytes(65601)
    vlan = lib.feed_flags(1, 0)
    sent = [feed(bytes(60)), feed(long, 40), feed(long[:65600], 40), feed(bytes(100), 3, lie=1),
            feed(bytes(100), 3, lie=-1), feed(bytes(100), lie=-40), feed(bytes(11), flags=vlan),
            feed(long[:65597], 40, flags=vlan), feed(b""), feed(b"", 2), feed(bytes(1000))]
    events = received(ingress)
    out["sent"] = sum(sent)
    out["lengths"] = events.events[["cap_len", "wire_len"]].tolist()
    out["counts"] = ingress.counters()
    out["free"] = lib.feed_free()
    only = [feed(bytes(100), 3, lie=1) for _ in range(300)] + [feed(bytes(61))]
    out["after many"] = received(ingress).events["wire_len"].tolist()
    out["free then"] = lib.feed_free()
""",
        feeder,
    )
    assert found == {
        "sent": 11, "lengths": [[60, 60], [64, 65600], [0, 0], [64, 1000]],
        "counts": {"received": 4, "damaged": 5, "dropped": 0, "errors": 0, "too_long": 2, "joined": 1, "tagged": 0},
        "free": 4095, "after many": [61], "free then": 4095,
    }  # fmt: skip


@installed
def test_all_queues_are_read_and_what_arrived_by_the_end_is_left(script: Script, feeder: Path) -> None:
    found = script(
        """
with DpdkIngress("net_ring0,rxq=3") as ingress:
    lib, feed = feeder(sys.argv[1])
    out["said"] = ingress.warnings()[0]
    sent = [feed(bytes([n % 3, n // 3 % 256]) + bytes(58), queue=n % 3) for n in range(1500)]
    events = received(ingress)
    out["by queue"] = [
        [n for n in range(len(events)) if events.data(n)[0] == queue] for queue in range(3)
    ]
    out["in order"] = [[events.data(n)[1] for n in rows] == [n % 256 for n in range(500)]
                       for rows in out["by queue"]]
    out["by queue"] = list(map(len, out["by queue"]))
    for n in range(700):
        feed(bytes(60), queue=n % 3)
    out["held"] = lib.feed_free()
    for batch in ingress.batches(max_events=100):
        break
    ingress.finish()
    out["left"], out["received"], out["free"] = ingress.left, ingress.counters()["received"], lib.feed_free()
""",
        feeder,
    )
    assert found == {
        "said": "net_ring, 3 queues", "by queue": [500] * 3, "in order": [True] * 3, "held": 4095 - 700, "left": 600,
        "received": 2200, "free": 4095,
    }  # fmt: skip


@installed
def test_a_device_that_is_removed_is_a_fault(script: Script, feeder: Path) -> None:
    found = script(
        """
with DpdkIngress("net_ring0") as ingress:
    lib, feed = feeder(sys.argv[1])
    for n in range(10):
        feed(bytes(60))
    seen = 0
    try:
        for batch in ingress.batches():
            seen += len(batch)
            if not len(batch):
                assert lib.feed_unplug(b"net_ring0") == 0
    except RuntimeError as error:
        out["error"] = str(error)
    out["seen"] = seen
""",
        feeder,
    )
    assert found == {
        "error": "the ingress cannot go on: dpdk:net_ring0: the device was removed; plug it in and start again",
        "seen": 10,
    }


@installed
def test_devices_come_and_go_in_one_process(script: Script, tmp_path: Path) -> None:
    found = script(
        """
with DpdkIngress("net_null0") as one, DpdkIngress("net_null1,size=100") as two:
    out["sizes"] = [next(x.batches()).events["cap_len"][0].item() for x in (one, two)]
    out["twice"] = refused("net_null0")
    out["pci"] = refused("0000:01:00.0")
with DpdkIngress("net_null0,size=80") as one:
    out["again"] = next(one.batches()).events["cap_len"][0].item()
out["driver"] = refused("net_nothing0")
out["file"] = refused("net_pcap0,rx_pcap=no-such-file")
out["queues"] = refused("net_ring0,rxq=17")
out["peer"] = refused("net_memif0,role=client,socket=" + sys.argv[1] + ",socket-abstract=no")
out["threads"] = len(os.sched_getaffinity(0)) == os.cpu_count()
""",
        tmp_path / "nobody",
    )
    named = "it is named by a driver and a number, and its arguments are that driver's, as in "
    named += "net_memif0,role=client or 0000:01:00.0"
    assert found.pop("file").startswith(
        "dpdk:net_pcap0,rx_pcap=no-such-file: DPDK does not take this device: open_single_rx_pcap(): Couldn't open "
        "no-such-file: "
    )
    assert found == {
        "sizes": [64, 100],
        "twice": "dpdk:net_null0: this process has that device open already",
        "pci": "dpdk:0000:01:00.0: DPDK is initialised once in a process, and in this one it was for virtual devices; "
        "start another process",
        "again": 80,
        "driver": f'dpdk:net_nothing0: DPDK does not take this device: EAL: failed to parse device "net_nothing0"; '
        f"{named}",
        "queues": "dpdk:net_ring0,rxq=17: it has 16 queues, of which at most 64 are read, not 17",
        "peer": f"dpdk:net_memif0,role=client,socket={tmp_path}/nobody,socket-abstract=no: starting it: "
        f"memif_connect_client(): Failed to connect socket: {tmp_path}/nobody.",
        "threads": True,
    }


@installed
def test_dpdk_that_cannot_be_initialised_is_said_once_and_for_all(script: Script) -> None:
    found = script(
        """
dpdk_library.PLAIN_MB = 1 << 30
dpdk_library.HUGE = dpdk_library.Path("no-such-folder")
out["first"] = refused("net_null0")
dpdk_library.PLAIN_MB = 64
out["second"] = refused("net_null0")
"""
    )
    assert found["first"].startswith("dpdk:net_null0: DPDK cannot be initialised: EAL: ")
    assert found["second"] == (
        "dpdk:net_null0: DPDK cannot be initialised: EAL: FATAL: already called initialization.; EAL: already called "
        "initialization."
    )


@installed
def test_once_it_is_open_it_needs_no_privileges(script: Script) -> None:
    found = script(
        """
ingress = DpdkIngress("net_pcap0,rx_pcap=" + sys.argv[1], True)
if os.geteuid() == 0:
    os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
out["frames"] = len(received(ingress))
ingress.close()
out["counts"] = ingress.counters()["received"]
""",
        OFFICE,
    )
    assert found == {"frames": 769, "counts": 769}


@installed
def test_dpdk_reads_a_capture_as_we_do(script: Script) -> None:
    """An outside oracle: its own driver for captures, on libpcap."""
    found = script(
        """
with open_capture(sys.argv[1]) as reader:
    ours = EventBatch.joined(list(reader.batches()))
with DpdkIngress("net_pcap0,rx_pcap=" + sys.argv[1]) as ingress:
    theirs = received(ingress)
out["equal"] = [ours.data(i) for i in range(len(ours))] == [theirs.data(i) for i in range(len(theirs))]
out["n"] = len(theirs)
""",
        OFFICE,
    )
    assert found == {"equal": True, "n": 769}
