"""Counts of a run as metrics in Prometheus' text format, version 0.0.4.

One idea: a pure function from what is counted anyway to text. Every number is one that the report, the rings or the
histograms have, under the same name; units are Prometheus' (seconds, bytes), counters end in ``_total`` and never go
down while the process lives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sevenm.host.latency import Histogram, upper
from sevenm.host.report import Report
from sevenm.host.ring import RingStats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = tuple((1 << power) - 1 for power in range(10, 33, 2))
"""Upper bounds of the buckets of a latency in nanoseconds, 1 µs to 4.3 s: ends of HdrHistogram's buckets, so that the
counts are exact."""
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Metric:
    """``samples``: suffix of the name, labels, value."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]


def metrics_text(
    report: Report, rings: Iterable[RingStats] = (), latencies: Mapping[str, Histogram] | None = None
) -> str:
    """The metrics of a run so far, of the rings it delivers into, and of its latencies by stage."""
    return render([*_run(report), *_rings(tuple(rings)), *_latencies(latencies or {})])


def render(metrics: Iterable[Metric]) -> str:
    """In the text format. A metric without samples is left out."""
    out = []
    for metric in metrics:
        if metric.samples:
            out.append(f"# HELP {metric.name} {_escaped(metric.help)}")
            out.append(f"# TYPE {metric.name} {metric.kind}")
            out += [f"{metric.name}{suffix}{_labels(labels)} {value!r}" for suffix, labels, value in metric.samples]
    return "\n".join(out) + "\n"


def _run(report: Report) -> Iterable[Metric]:
    about = {"bundle": report.bundle, "digest": report.digest, "engine": report.engine}
    yield _gauge("sevenm_rules_info", "The rules that run, and what runs them.", [(about, 1)])
    yield _gauge("sevenm_rules_generation", "Generation of the rules that run.", [({}, report.generation)])
    for name, value, text in (
        ("events", report.events, "Events decided."),
        ("bytes", report.bytes, "Bytes on the wire of the events decided."),
        ("malformed_events", report.malformed, "Events with a header that contradicts itself."),
        ("truncated_events", report.truncated, "Events captured shorter than a header that was read."),
        ("punted_events", report.punted, "Events that the engine left to the host to decide."),
        ("dropped_events", report.dropped, "Events that rules dropped."),
        ("passed_events", report.passed, "Events neither dropped nor forwarded."),
        ("device_seconds", report.seconds_device, "Time spent deciding."),
    ):
        yield _counter(f"sevenm_{name}", text, [({}, value)])
    yield _counter(
        "sevenm_forwarded_events",
        "Events forwarded, by port.",
        [({"port": str(port)}, n) for port, n in report.forwarded.items()],
    )
    yield _counter(
        "sevenm_rule_events",
        "Events on which the rule fired.",
        [({"block": rule.block, "rule": rule.name}, rule.events) for rule in report.rules],
    )
    yield _counter(
        "sevenm_counter_events",
        "Events that rules counted, by counter.",
        [({"counter": name}, n) for name, n in report.counters.items()],
    )
    yield _counter(
        "sevenm_ingress_events",
        "What the live ingress counted: received, dropped by the kernel, and others by cause.",
        [({"count": name}, n) for name, n in report.ingress.items()],
    )
    channels = report.channels
    yield _counter(
        "sevenm_channel_matches",
        "Matches for the channel: delivered, undelivered and those on their way.",
        [({"channel": one.name}, one.matched) for one in channels],
    )
    yield _counter(
        "sevenm_channel_delivered_matches",
        "Matches delivered into the channel's ring.",
        [({"channel": one.name}, one.delivered) for one in channels],
    )
    yield _counter(
        "sevenm_channel_undelivered_matches",
        "Matches that were not delivered, by cause.",
        [({"channel": one.name, "cause": cause}, n) for one in channels for cause, n in one.undelivered.items()],
    )


def _rings(rings: tuple[RingStats, ...]) -> Iterable[Metric]:
    yield _counter(
        "sevenm_ring_written_records",
        "Records written into the ring since it was made.",
        [({"ring": ring.name}, ring.delivered) for ring in rings],
    )
    yield _counter(
        "sevenm_ring_read_records",
        "Records that the ring's reader gave back since it was made.",
        [({"ring": ring.name}, ring.consumed) for ring in rings],
    )
    yield _counter(
        "sevenm_ring_undelivered_records",
        "Records that did not get into the ring since it was made, by cause.",
        [({"ring": ring.name, "cause": cause}, n) for ring in rings for cause, n in ring.undelivered.items()],
    )
    yield _gauge("sevenm_ring_slots", "Slots of the ring.", [({"ring": ring.name}, ring.slots) for ring in rings])
    yield _gauge(
        "sevenm_ring_unread_records",
        "Records in the ring that its reader has not given back.",
        [({"ring": ring.name}, ring.in_ring) for ring in rings],
    )
    yield _gauge(
        "sevenm_ring_reader_alive",
        "1 where a living process reads the ring.",
        [({"ring": ring.name}, int(ring.reader_pid is not None)) for ring in rings],
    )


def _latencies(latencies: Mapping[str, Histogram]) -> Iterable[Metric]:
    samples: list[tuple[str, Labels, float]] = []
    for stage, histogram in latencies.items():
        counts = histogram.counts
        ends = np.cumsum(counts)
        total, used = int(ends[-1]), np.flatnonzero(counts).tolist()
        for bound in BOUNDS:
            index = next(number for number in range(len(counts)) if upper(number) >= bound)
            samples.append(("_bucket", {"stage": stage, "le": repr(bound / 1e9)}, int(ends[index])))
        middle = sum(int(counts[index]) * (upper(index) + upper(index - 1) + 1) / 2 for index in used)
        samples.append(("_bucket", {"stage": stage, "le": "+Inf"}, total))
        samples += [("_sum", {"stage": stage}, middle / 1e9), ("_count", {"stage": stage}, total)]
    yield Metric(
        "sevenm_latency_seconds",
        "histogram",
        "From arrival until decided, and from decided until in the ring, by stage.",
        tuple(samples),
    )


def _counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    return Metric(f"{name}_total", "counter", text, tuple(("", labels, value) for labels, value in samples))


def _gauge(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    return Metric(name, "gauge", text, tuple(("", labels, value) for labels, value in samples))


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(f'{name}="{_escaped(value, quoted=True)}"' for name, value in labels.items())
    return f"{{{inside}}}"


def _escaped(text: str, quoted: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text
