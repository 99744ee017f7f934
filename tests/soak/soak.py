"""Everything goes wrong for a while, at full rate, and nothing goes uncounted.

    python -m tests.soak.soak [--seconds 600] [--seed N] [--json FILE]

Two legs run side by side: frames by AF_XDP with a prefilter, and records of a ring that another process fills. On each,
two rule files alternate every 50 ms, and three subscribers read, one of each policy, which look at every record. All
the while subscribers are stalled and killed, the interface goes down, the producer is killed. At the end every count is
compared with the others (``tests.soak.accounts``). Needs root, clang, and a kernel with AF_XDP.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from sevenm.host.engine.toolchain import find_compiler
from sevenm.host.ring import Ring
from tests.host.live.wires import wire
from tests.soak.accounts import Reading, findings
from tests.soak.leg import CardLeg, FeedLeg, Leg, Subscriber, total

HERE = Path(__file__).resolve().parent
TURN_S = 0.05
TROUBLE_S = (0.3, 1.5)
"""Between two troubles, at least and at most."""
STALL_S = (0.05, 2.5)
SAY_S = 10.0


class Trouble:
    """What befalls the legs, by chance, and when it passes."""

    def __init__(self, chance: random.Random, card: CardLeg, feed: FeedLeg) -> None:
        self._chance, self._card, self._feed = chance, card, feed
        self._stalled: dict[int, tuple[float, Subscriber]] = {}
        self.counts: Counter[str] = Counter()
        self._next = time.monotonic()

    def step(self) -> None:
        """Wakes those whose time has come, and makes new trouble if it is time."""
        now = time.monotonic()
        for pid, (until, one) in list(self._stalled.items()):
            if now >= until:
                del self._stalled[pid]
                _signal(one, signal.SIGCONT)
        if now < self._next:
            return
        self._next = now + self._chance.uniform(*TROUBLE_S)
        kinds: list[Callable[[], None]] = [self._stall] * 6 + [self._kill] * 3 + [self._down, self._orphan]
        self._chance.choice(kinds)()

    def over(self) -> None:
        """Whoever stands still goes on."""
        for _, one in self._stalled.values():
            _signal(one, signal.SIGCONT)
        self._stalled.clear()

    def _subscriber(self) -> Subscriber:
        return self._chance.choice([*self._card.subscribers, *self._feed.subscribers])

    def _stall(self) -> None:
        one = self._subscriber()
        assert one.process is not None
        _signal(one, signal.SIGSTOP)
        self._stalled[one.process.pid] = (time.monotonic() + self._chance.uniform(*STALL_S), one)
        self.counts["subscribers stalled"] += 1

    def _kill(self) -> None:
        one = self._subscriber()
        assert one.process is not None
        self._stalled.pop(one.process.pid, None)
        one.kill()
        self.counts["subscribers killed"] += 1

    def _down(self) -> None:
        self._card.take_down()
        self.counts["interface down"] += 1

    def _orphan(self) -> None:
        self._feed.kill()
        self.counts["producer killed"] += 1


class Exchanges:
    """The rules of the legs alternate, whatever else happens, in a thread of their own."""

    def __init__(self, legs: list[Leg]) -> None:
        self._legs, self._over = legs, threading.Event()
        self._thread = threading.Thread(target=self._run, name="exchanges")

    def stop(self) -> None:
        """The rules stay as they are."""
        self._over.set()
        self._thread.join()

    def __enter__(self) -> Exchanges:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._over.wait(TURN_S):
            for leg in self._legs:
                leg.exchange()


def _signal(one: Subscriber, number: int) -> None:
    assert one.process is not None
    one.process.send_signal(number)


def outcome(leg: Leg, sent: int) -> dict[str, Any]:
    """What the leg did, and what of it does not add up."""
    readings = {one.name: Reading(leg.lanes[one.name], one.end(), one.kills) for one in leg.subscribers}
    counts = total(leg.reports)
    return {
        "sent": sent,
        "sessions": len(leg.reports),
        "generations": leg.generation,
        "counts": dict(counts),
        "subscribers": {
            name or "default": {
                "policy": one.lane.policy, "seen": one.notes["read"], "lost": one.lane.lost,
                "undelivered": one.lane.undelivered, "killed": one.kills, "again": one.notes["again"],
            }
            for name, one in readings.items()
        },
        "findings": findings(sent, counts, readings),
    }  # fmt: skip


def soak(seconds: float, seed: int, folder: Path, say: Callable[[str], object]) -> dict[str, Any]:
    """Raises AssertionError where something does not go on."""
    sender = folder / "send"
    subprocess.run([*find_compiler(), "-O2", "-Wall", "-Wextra", "-o", sender, HERE / "send.c"], check=True)
    with ExitStack() as stack:
        veth = stack.enter_context(wire())
        feed = stack.enter_context(closing(FeedLeg(folder / "feed")))
        card = stack.enter_context(closing(CardLeg(folder / "card", veth, sender)))
        trouble = Trouble(random.Random(seed), card, feed)
        for leg in (feed, card):
            leg.start()
        exchanges = stack.enter_context(Exchanges([feed, card]))
        began = said = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            time.sleep(TURN_S)
            for leg in (feed, card):
                if leg.failed is not None:
                    raise AssertionError(f"leg {leg.name} failed") from leg.failed
            trouble.step()
            if now > said + SAY_S:
                said = now
                troubles = ", ".join(f"{n} {kind}" for kind, n in trouble.counts.items())
                say(f"{now - began:.0f} s: {card.sent():,} frames sent, generation {card.generation:,}; {troubles}")
        trouble.over()
        exchanges.stop()
        for leg in (feed, card):
            leg.silence()
        sent = card.sent()
        for leg in (feed, card):
            leg.stop()
        lane = Ring.stats(feed.feed).subscribers[0]
        return {
            "seconds": seconds,
            "seed": seed,
            "trouble": dict(trouble.counts),
            "card": outcome(card, sent),
            "feed": {**outcome(feed, lane.read), "offered": lane.sent, "full": lane.undelivered.get("full", 0)},
        }


def main() -> int:
    """Exit code 1 if something does not add up."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sevenm-soak-") as folder:
        result = soak(args.seconds, args.seed, Path(folder), lambda line: print(line, flush=True))
    text = json.dumps(result, indent=2)
    if args.json is not None:
        args.json.write_text(text + "\n")
    print(text)
    wrong = [f"{leg}: {line}" for leg in ("card", "feed") for line in result[leg]["findings"]]
    print("\n".join(wrong) if wrong else "every event is accounted for")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
