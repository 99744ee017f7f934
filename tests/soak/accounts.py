"""What has to add up at the end of the soak, to the event.

One idea: plain sums over numbers that different parties counted: the sender's interface, the ingress, the session, the
ring's lanes, and subscribers that looked at each record. Each line that does not hold is said with its numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sevenm.host.ring import SubscriberStats

COPY_MAX = 4096
"""Records that a reader of a `drop_oldest` lane has taken at a time, which are gone with it when it is killed."""


@dataclass(frozen=True)
class Reading:
    """A lane as the ring counts it, what its readers wrote down, and how many of them were killed."""

    lane: SubscriberStats
    notes: Mapping[str, int]
    kills: int


def findings(sent: int, counts: Mapping[str, int], readings: Mapping[str, Reading]) -> list[str]:
    """``sent``: events that the source gave the ingress. ``counts``: ``tests.soak.leg.total``."""
    found: list[str] = []

    def same(what: str, left: int, right: int) -> None:
        if left != right:
            found.append(f"{what}: {left} is not {right}")

    count = Counter(counts)
    refused = sum(n for name, n in counts.items() if name.startswith("undelivered "))
    same(
        "sent = received + prefiltered + dropped + damaged",
        sent,
        count["received"] + count["prefiltered"] + count["dropped"] + count["damaged"],
    )
    same("received = decided + left", count["received"], count["events"] + count["left"])
    same("matched = delivered + undelivered", count["matched"], count["delivered"] + refused)
    same("fired = matched", count["fired"], count["matched"])
    same("counted = matched", count["counted"], count["matched"])
    for name, reading in readings.items():
        lane, notes = reading.lane, reading.notes
        who = name or "default"
        same(f"{who}: offered = matched", lane.sent, count["matched"])
        same(f"{who}: in the ring at the end = 0", lane.in_ring, 0)
        same(f"{who}: delivered = seen + left out", lane.delivered, notes["read"] + notes["gaps"])
        if lane.policy != "drop_oldest":
            same(f"{who}: lost = 0", lane.lost, 0)
            same(f"{who}: left out = 0", notes["gaps"], 0)
        elif not 0 <= notes["gaps"] - lane.lost <= COPY_MAX * reading.kills:
            left_out = f"{notes['gaps']} left out, {lane.lost} of them counted"
            found.append(f"{who}: {left_out}, {reading.kills} readers killed")
    return found
