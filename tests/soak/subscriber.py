"""A subscriber that believes nothing: each record is of the rules whose generation it carries, comes once, in order.

    python -m tests.soak.subscriber RING NAME POLICY NOTES

NOTES is a file of this subscriber's own, in which it writes down what it read before it gives records back, so that a
successor of one that was killed goes on where that was: what it gets again, it knows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm.host.ring import RingReader

FIELDS = ("read", "seq", "number", "again", "gaps", "generation")
"""Records that were read once; the next ``seq``; the event number after the last; records that came again because a
reader was killed before it gave them back; numbers of the ring that were left out; the last generation."""
PORT_AT, NUMBER_AT = 36, 42
FIRST_PORTS = (5003, 5000)
"""Of the rules with an even generation, and with an odd one; they want five ports each."""
DEADLINE_S = 1.0


class Wrong(AssertionError):
    """What the subscriber saw cannot be."""


class Notes:
    """Two pages that are written in turn, and a word that says which one counts: a kill leaves a whole one."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8 * (1 + 2 * len(FIELDS))))
        self._words = np.memmap(path, np.int64, "r+")

    def load(self) -> dict[str, int]:
        """What was written last."""
        return dict(zip(FIELDS, self._page(int(self._words[0])).tolist(), strict=True))

    def save(self, values: dict[str, int]) -> None:
        """In the page that does not count, which then does."""
        turn = 1 - int(self._words[0])
        self._page(turn)[:] = [values[name] for name in FIELDS]
        self._words[0] = turn

    def _page(self, number: int) -> NDArray[np.int64]:
        start = 1 + number * len(FIELDS)
        return self._words[start : start + len(FIELDS)]


def look(records: NDArray[np.void], known: dict[str, int]) -> dict[str, int]:
    """What is known after these records. Raises Wrong."""
    seq = records["seq"].astype(np.int64)
    if (np.diff(seq) < 1).any():
        raise Wrong(f"numbers of the ring do not go up: {seq[:-1][np.diff(seq) < 1][:3]}")
    again = int((seq < known["seq"]).sum())
    new = records[again:]
    out = {**known, "again": known["again"] + again}
    if not len(new):
        return out
    data, generation = new["data"], new["generation"].astype(np.int64)
    number = np.ascontiguousarray(data[:, NUMBER_AT : NUMBER_AT + 8]).view("<i8")[:, 0]
    port = np.ascontiguousarray(data[:, PORT_AT : PORT_AT + 2]).view(">u2")[:, 0].astype(np.int64)
    first = np.where(generation % 2, FIRST_PORTS[1], FIRST_PORTS[0])
    if not ((port >= first) & (port < first + 5)).all():
        raise Wrong(f"records of other rules than those of their generation, the first is {int(number[0])}")
    if (port != 5000 + number % 10).any():
        raise Wrong("records that are torn")
    if (np.diff(number, prepend=known["number"] - 1) < 1).any():
        raise Wrong(f"events that come twice, or not in order, near {int(number[0])}")
    if (np.diff(generation, prepend=known["generation"]) < 0).any():
        raise Wrong("a generation comes back")
    out["read"] += len(new)
    out["gaps"] += int(seq[-1]) + 1 - known["seq"] - len(new)
    out["seq"], out["number"], out["generation"] = int(seq[-1]) + 1, int(number[-1]) + 1, int(generation[-1])
    return out


def main(ring: str, name: str, policy: str, notes: Path) -> None:
    """Until the producer closes the ring. Prints "there" once it is attached."""
    pages = Notes(notes)
    wishes = {"policy": policy, "deadline": DEADLINE_S} if name else {}
    with RingReader.attach(ring, subscriber=name, **wishes) as reader:
        print("there", flush=True)
        while not reader.ended:
            if not reader.wait(0.1):
                continue
            records = reader.read(4096)
            if len(records):
                pages.save(look(records, pages.load()))
                reader.release(len(records))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
