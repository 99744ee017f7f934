"""The example rule files do what their comments say, on the input they were written for."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import numpy as np
from scapy.all import IP, TCP, PcapReader

GUARDS = {"edge": {"malformed", "stray_tag"}, "alarms": {"unknown"}, "orders": {"unknown"}}
"""Rules that the input, being sound, does not meet."""
Run = Callable[[str, Path], dict[str, Any]]


def test_edge_takes_from_the_capture_what_is_written_down(run: Run, office: Path) -> None:
    expected = tomllib.loads((Path(__file__).parent / "edge.toml").read_text())["rule"]
    found = {name: int(row.sum()) for name, row in run("edge", office).items()}
    assert found == {rule["name"]: rule["count"] for rule in expected}
    assert {name for name, count in found.items() if not count} == GUARDS["edge"]


def test_routes_agree_with_prefixes_and_a_dictionary(run: Run, office: Path) -> None:
    rows = [line.split(",") for line in (office.parents[1] / "routes.csv").read_text().splitlines() if "/" in line]
    networks = [ip_network(network) for network, _ in rows]
    expected: dict[str, list[int]] = {"shell": [], "web": [], "fwd": [], "lost": [], "nearer": []}
    ttl: dict[str, int] = {}
    for number, frame in enumerate(PcapReader(str(office))):
        if IP not in frame:
            continue
        ip = frame[IP]
        port = ip[TCP].dport if TCP in ip and not ip.frag and ip.dst == "203.0.113.10" else 0
        routed = any(ip_address(ip.dst) in network for network in networks)
        rule = {22: "shell", 80: "web", 443: "web", 444: "web"}.get(port, "fwd") if routed else "lost"
        expected[rule].append(number)
        if ip.ttl < ttl.get(ip.src, 0):
            expected["nearer"].append(number)
        ttl[ip.src] = ip.ttl
    found = run("routes", office)
    assert {name: np.flatnonzero(row).tolist() for name, row in found.items()} == expected
    assert all(expected.values())


def test_alarms_agree_with_the_same_rules_in_numpy(run: Run, generator: Callable[[str], Any], tmp_path: Path) -> None:
    make = generator("make_readings.py")
    r = make["records"](20_000, 5)
    r["status"][:3] = 2, 9, 255
    r["temp"][3:9] = 8000, 8001, 9500, 9499, 2000, 1999
    r["status"][3:9] = 0
    path = tmp_path / "readings.pcap"
    path.write_bytes(make["PCAP_NS"] + make["frames"](r).tobytes())
    temp, ok, there = r["temp"].astype(int), r["status"] == 0, r["temp"] != -0x8000
    expected = {
        "hot": ok & there & (temp > 8000),
        "critical": ok & there & (temp >= 9500),
        "remote": np.isin(r["tag"], [b"hall-05", b"hall-06", b"hall-07"]) & there & (temp > 7000),
        "cold": there & (temp < 2000),
        "fault": r["status"] == 1,
        "blind": ~there & ok,
        "upstairs": (r["pos"][:, 2] > 40.5 * 65536) & there & (temp > 6000),
        "sample": (r["sensor"] % 16 == 0) & (r["seq"] // 64 % 64 == 0),
        "unknown": r["status"] > 1,
    }
    expected["default"] = ~np.logical_or.reduce(list(expected.values()))
    found = run("alarms", path)
    assert {name: np.flatnonzero(row).tolist() for name, row in found.items()} == {
        name: np.flatnonzero(row).tolist() for name, row in expected.items()
    }
    assert all(row.any() for row in found.values())


def test_orders_agree_with_the_same_rules_in_numpy(run: Run, generator: Callable[[str], Any], tmp_path: Path) -> None:
    o = generator("make_orders.py")["records"](20_000, 5)
    o["kind"][:2] = b"Q", b"\0"
    o["px"][2:5] = 2**32 - 1, 10_000, 9_999
    o["qty"][2:5] = 2**32 - 1, 250_000, 250_000
    o["kind"][2:5] = b"A"
    path = tmp_path / "orders.bin"
    path.write_bytes(o.tobytes())
    add, px, qty = o["kind"] == b"A", o["px"].astype(object), o["qty"].astype(object)
    expected = {
        "add": add,
        "cancel": o["kind"] == b"X",
        "trade": o["kind"] == b"E",
        "watch": np.isin(o["stock"], [b"ACME    ", b"FERN    ", b"HULL    "]),
        "large": add & (o["qty"] >= 2000),
        "notional": add & (px * qty > 250_000 * 10_000).astype(bool),
        "odd_lot": add & (o["qty"] % 100 != 0),
        "penny": add & (o["px"] < 10_000),
        "sample": o["ref"] % 10 == 3,
        "unknown": ~np.isin(o["kind"], [b"A", b"E", b"X"]),
    }
    found = run("orders", path)
    assert {name: np.flatnonzero(row).tolist() for name, row in found.items()} == {
        name: np.flatnonzero(row).tolist() for name, row in expected.items()
    }
    assert all(row.any() for row in found.values())


def test_only_guards_find_nothing_in_what_the_generators_write(
    run: Run, generator: Callable[[str], Any], tmp_path: Path
) -> None:
    readings, orders = generator("make_readings.py"), generator("make_orders.py")
    (tmp_path / "r").write_bytes(readings["PCAP_NS"] + readings["frames"](readings["records"](10_000, 7)).tobytes())
    (tmp_path / "o").write_bytes(orders["records"](10_000, 7).tobytes())
    for name, path in (("alarms", tmp_path / "r"), ("orders", tmp_path / "o")):
        assert {rule for rule, row in run(name, path).items() if not row.any()} == GUARDS[name]
