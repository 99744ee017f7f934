"""Metrics: Prometheus' own parser reads them, and every number of a report is among them under its name."""

from __future__ import annotations

import http.client
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sevenm.host.export import MetricsFile, MetricsServer
from sevenm.host.latency import Histogram
from sevenm.host.metrics import BOUNDS, CONTENT_TYPE, Metric, metrics_text, render
from sevenm.host.report import ChannelCount, Report, RuleCount
from sevenm.host.ring import CAUSES, RingStats
from sevenm.host.systemd import Watchdog, notify

REPORT = Report(
    bundle="edge", digest="ab" * 32, engine="host", generation=3, events=1000, bytes=64000, malformed=1, truncated=2,
    punted=4, dropped=5, passed=6, forwarded={3: 36, 0: 2}, rules=(RuleCount("web", "edge", 7), RuleCount("x", "b", 0)),
    channels=(ChannelCount("web", 12, 9, {"full": 2, "no_ring": 1}), ChannelCount("dns", 0, 0, {})),
    counters={'odd "name"\\\n': 8}, written=None, seconds_device=0.25, seconds_total=9.5,
    ingress={"received": 1010, "dropped": 10},
)  # fmt: skip
RING = RingStats(
    "edge.web", 256, 128, "drop_newest", 0, "", 1, 1, None, 5, False, 1, 100, 60, 0,
    {**dict.fromkeys(CAUSES, 0), "full": 2}, (),
)  # fmt: skip


def parsed(text: str) -> dict[str, Any]:
    """Name of each sample and its labels -> value."""
    out = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in out
            out[key] = sample.value
    return out


def test_every_number_of_a_report_is_there() -> None:
    found = parsed(metrics_text(REPORT, [RING]))
    assert found[("sevenm_rules_info", ("bundle", "edge"), ("digest", "ab" * 32), ("engine", "host"))] == 1
    for name, value in {
        "events": 1000, "bytes": 64000, "malformed_events": 1, "truncated_events": 2, "punted_events": 4,
        "dropped_events": 5, "passed_events": 6, "device_seconds": 0.25,
    }.items():  # fmt: skip
        assert found[(f"sevenm_{name}_total",)] == value
    assert found[("sevenm_rules_generation",)] == 3
    assert found[("sevenm_forwarded_events_total", ("port", "3"))] == 36
    assert found[("sevenm_rule_events_total", ("block", "edge"), ("rule", "web"))] == 7
    assert found[("sevenm_channel_matches_total", ("channel", "web"))] == 12
    assert found[("sevenm_channel_delivered_matches_total", ("channel", "web"))] == 9
    lost = {key: value for key, value in found.items() if key[0] == "sevenm_channel_undelivered_matches_total"}
    assert sum(lost.values()) == 3
    assert found[("sevenm_counter_events_total", ("counter", 'odd "name"\\\n'))] == 8
    assert found[("sevenm_ingress_events_total", ("count", "dropped"))] == 10
    assert found[("sevenm_ring_written_records_total", ("ring", "edge.web"))] == 100
    assert found[("sevenm_ring_read_records_total", ("ring", "edge.web"))] == 60
    assert found[("sevenm_ring_undelivered_records_total", ("cause", "full"), ("ring", "edge.web"))] == 2
    assert found[("sevenm_ring_unread_records", ("ring", "edge.web"))] == 40
    assert found[("sevenm_ring_reader_alive", ("ring", "edge.web"))] == 1


def test_types_and_names_follow_the_conventions() -> None:
    for family in text_string_to_metric_families(metrics_text(REPORT, [RING])):
        assert family.name.startswith("sevenm_")
        assert family.type in ("counter", "gauge")
        assert all((sample.name.endswith("_total")) == (family.type == "counter") for sample in family.samples)


def test_a_metric_without_samples_is_left_out() -> None:
    assert render([Metric("a", "gauge", "b", ())]) == "\n"
    assert "sevenm_ring" not in metrics_text(REPORT)


@pytest.mark.needs("compiler")
@pytest.mark.usefixtures("need_native")
def test_latencies_are_a_histogram_with_exact_buckets() -> None:
    histogram = Histogram()
    values = np.random.default_rng(3).lognormal(10, 3, 5000).clip(0, 3.5e12).astype(np.uint64)
    histogram.record(values)
    text = metrics_text(REPORT, latencies={"decided": histogram, "in_ring": Histogram()})
    (family,) = (one for one in text_string_to_metric_families(text) if one.name == "sevenm_latency_seconds")
    assert family.type == "histogram"
    mine = {s.labels.get("le", s.name): s.value for s in family.samples if s.labels["stage"] == "decided"}
    for bound in BOUNDS:
        assert mine[repr(bound / 1e9)] == np.count_nonzero(values <= bound)
    assert mine["+Inf"] == mine["sevenm_latency_seconds_count"] == 5000
    assert mine["sevenm_latency_seconds_sum"] == pytest.approx(values.sum() / 1e9, rel=0.01)


def ask(port: int, path: str = "/metrics", method: str = "GET") -> tuple[int, str | None, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()


def test_the_server_answers_whoever_asks_and_nothing_else() -> None:
    texts = iter(["a 1\n", "a 2\n", "a 3\n"])
    with closing(MetricsServer("127.0.0.1", 0, lambda: next(texts))) as server:
        assert ask(server.port) == (200, CONTENT_TYPE, "a 1\n")
        assert ask(server.port, "/metrics?x=1") == (200, CONTENT_TYPE, "a 2\n")
        assert ask(server.port, method="HEAD")[2] == ""
        assert ask(server.port, "/etc/passwd")[0] == 404
        assert ask(server.port, method="POST")[0] == 501
    with pytest.raises(ConnectionRefusedError):
        ask(server.port)


def test_a_client_that_says_nothing_holds_up_others_for_a_moment_only() -> None:
    with (
        closing(MetricsServer("127.0.0.1", 0, lambda: "a 1\n")) as server,
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        assert ask(server.port)[0] == 200


def test_an_address_in_use_is_an_error() -> None:
    with closing(MetricsServer("127.0.0.1", 0, str)) as server, pytest.raises(OSError, match="in use"):
        MetricsServer("127.0.0.1", server.port, str)


def test_a_file_is_always_whole_and_the_last_one_is_the_end(tmp_path: Path) -> None:
    path, texts = tmp_path / "x.prom", iter(f"a {n}\n" * 5000 for n in range(10**9))
    seen = threading.Event()

    def text() -> str:
        seen.set()
        return next(texts)

    with closing(MetricsFile(path, text, every=0.001)) as file:
        for _ in range(50):
            seen.clear()
            assert seen.wait(30)
            lines = set(path.read_text().splitlines())
            assert len(lines) == 1
    assert file.failed is None
    assert int(path.read_text().split()[1]) > int(lines.pop().split()[1]) - 1
    assert [one.name for one in tmp_path.iterdir()] == ["x.prom"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_cannot_be_written_is_an_error_at_once_and_told_later(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MetricsFile(tmp_path / "absent" / "x.prom", str)
    folder = tmp_path / "there"
    folder.mkdir()
    file = MetricsFile(folder / "x.prom", str)
    (folder / "x.prom").unlink()
    folder.rmdir()
    file.close()
    assert isinstance(file.failed, FileNotFoundError)


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What a service manager hears."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@sevenm-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1))
        listener.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listener


def test_a_manager_is_told(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify("READY=1", "STATUS=well")
    assert manager.recv(100) == b"READY=1\nSTATUS=well"
    monkeypatch.setenv("WATCHDOG_USEC", "3600000000")
    watchdog = Watchdog()
    assert watchdog.seconds == 1800
    for _ in range(3):
        watchdog.alive()
    notify("STOPPING=1")
    assert [manager.recv(100), manager.recv(100)] == [b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@nobody-listens-here"])
def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not notify("READY=1")


@pytest.mark.parametrize(("usec", "pid"), [("", ""), ("0", ""), ("x", ""), ("1000000", "1")])
def test_who_is_not_watched_says_nothing(monkeypatch: pytest.MonkeyPatch, usec: str, pid: str) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    assert Watchdog().seconds is None
