"""DPDK ingress on what others send: over a virtual wire, and from another process that uses DPDK as well."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.live import dpdk_library
from tests.host.live.dpdk_process import FEED
from tests.host.live.wires import ip, wire

DRIVERS = Path(__file__).resolve().parents[1] / "csrc"
pytestmark = [pytest.mark.needs("compiler", "dpdk"), pytest.mark.usefixtures("need_native")]

# Interfaces of the kernel's

ON_A_WIRE = """
with DpdkIngress(sys.argv[1], sys.argv[2] == "True") as ingress:
    print(json.dumps(ingress.warnings()[0]), flush=True)
    ingress.begin()
    lengths, last = [], time.monotonic()
    try:
        for batch in ingress.batches():
            lengths += batch.events["cap_len"].tolist()
            if len(batch):
                last = time.monotonic()
            elif len(lengths) >= int(sys.argv[3]) or time.monotonic() > last + 20:
                print(json.dumps(ingress.counters()), flush=True)
                if sys.stdin.readline() == "":
                    break
    except RuntimeError as error:
        print(json.dumps(str(error)), flush=True)
    ingress.finish()
print(json.dumps([lengths, ingress.left]), flush=True)
"""


def on_a_wire(device: str, promiscuous: bool, n: int) -> subprocess.Popen[str]:
    """A process that has received n frames, or nothing for long, when it has said its driver and its counts."""
    command = [sys.executable, "-c", FEED + ON_A_WIRE, device, str(promiscuous), str(n)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.needs("xdp")
@pytest.mark.parametrize("promiscuous", [True, False])
def test_af_xdp_of_dpdk_receives_every_frame(promiscuous: bool) -> None:
    with wire() as veth, on_a_wire(f"net_af_xdp0,iface={veth.near}", promiscuous, 1000) as child:
        assert child.stdin is not None and child.stdout is not None
        assert json.loads(child.stdout.readline()) == "net_af_xdp, 1 queue"
        assert ("promiscuity 1" in ip("-d", "link", "show", veth.near)) == promiscuous
        sizes = [60 + 7 * (n % 200) for n in range(1000)]
        veth.send([bytes(12) + b"\x08\x00" + bytes(size - 14) for size in sizes])
        counts = json.loads(child.stdout.readline())
        child.stdin.close()
        assert json.loads(child.stdout.readline()) == [sizes, 0]
        assert {name: n for name, n in counts.items() if n} == {"received": 1000}
    assert child.returncode == 0


@pytest.mark.needs("xdp")
def test_an_interface_that_goes_away_is_a_fault() -> None:
    with wire() as veth, on_a_wire(f"net_af_xdp0,iface={veth.near}", False, 10) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        veth.send([bytes(60)] * 10)
        child.stdout.readline()
        ip("link", "del", veth.near)
        child.stdin.write("go on\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == (
            f"the ingress cannot go on: dpdk:net_af_xdp0,iface={veth.near}: the device was removed; plug it in and "
            "start again"
        )
        assert json.loads(child.stdout.readline()) == [[60] * 10, 0]


# Another process


@pytest.fixture(scope="session")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("send") / "send"
    words = [word for word in dpdk_library.compile_command() if word not in ("-shared", "-fPIC")]
    command = [*words, "-o", str(out), str(DRIVERS / "dpdk_send.c"), *dpdk_library.link_flags()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


TIMES = 40
BUFFER = "bsize=10240"
"""Of the memif: DPDK 22.11 repeats frames that lie in several buffers of a memif, whoever receives them."""
RULES = """
rules r on packet all {
  rule web:  tcp.dstport in {80, 443}  => count web
  rule dns:  udp.dstport == 53         => count dns
  rule tag:  vlan                      => count tagged
  rule long: frame.len > 9000          => count jumbo
  rule arp:  arp                       => drop
}
"""


def test_another_process_sends_by_memif_and_every_frame_is_decided_or_counted(
    sender: Path, frames: list[bytes], tmp_path: Path
) -> None:
    """Real traffic and jumbo frames, as fast as the sender can; the verdicts are the reference's on the same frames."""
    jumbo = [bytes(12) + b"\x88\xb5" + bytes(9000), bytes(12) + b"\x88\xb5" + bytes(8000)]
    rules, file = tmp_path / "r.7m", tmp_path / "frames"
    rules.write_text(RULES)
    file.write_bytes(b"".join(len(frame).to_bytes(4, "little") + frame for frame in (*frames, *jumbo)))
    device = f"net_memif0,socket={tmp_path}/memif,socket-abstract=no"
    command = [sys.executable, "-m", "sevenm.cli.main", "run", str(rules), "-i", f"dpdk:{device},role=server", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ours:
        assert ours.stdout is not None and ours.stderr is not None
        while "receiving from" not in (line := ours.stderr.readline()):
            assert line, ours.poll()
        theirs = [str(sender), f"{device},role=client,{BUFFER}", str(file), str(TIMES)]
        with subprocess.Popen(
            theirs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as sends:
            assert sends.stdout is not None and sends.stdin is not None
            sent = sends.stdout.readline()
            time.sleep(0.5)
            ours.send_signal(signal.SIGINT)
            out, said = ours.communicate(timeout=60)
            sends.stdin.close()
    assert (ours.returncode, said) == (0, "")
    report = json.loads(out)
    every = EventBatch.from_bytes([*frames, *jumbo])
    decided = evaluate(
        compile_text(RULES, "r").plan, every.buffer, every.events["offset"], every.events["cap_len"],
        every.events["wire_len"],
    ).fired.sum(axis=1)  # fmt: skip
    assert {rule["name"]: rule["events"] for rule in report["rules"]} == {
        name: TIMES * int(n) for name, n in zip(("web", "dns", "tag", "long", "arp"), decided, strict=True)
    }
    counts = report["ingress"]
    assert int(sent) == TIMES * len(every) == report["events"] + counts["left"] + counts["dropped"]
    assert (counts["received"], counts["joined"], counts["left"]) == (int(sent), 2 * TIMES, 0)
    assert decided.tolist()[3] == 1
