"""What bench/events.py measures beside sevenm: numba, NumPy, DuckDB and Polars, each as its makers would write it.

A peer is given the events once, untimed, in the form that suits it best, and then counts. NumPy and numba read the
events where they lie; DuckDB and Polars own the columns that the rules look at and need not read the other 56 bytes of
an event, except where it is said that they take them from the events each time. All of them use one thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ["POLARS_MAX_THREADS"] = "1"  # read when Polars is imported

Counts = NDArray[np.int64]
Count = Callable[[], Counts]
"""How many events each rule fires on: (rules,)."""


@dataclass(frozen=True)
class Rules:
    """Rule n is ``kind == kinds[n] and value >= least[n]``; the kinds differ."""

    kinds: NDArray[np.uint32]
    least: NDArray[np.uint32]


Make = Callable[[Any, NDArray[np.void], Rules], dict[str, Count]]


def _numpy(np_: Any, events: NDArray[np.void], rules: Rules) -> dict[str, Count]:
    kind, value = events["kind"], events["value"]
    if len(rules.kinds) == 1:
        k, least = rules.kinds[0], rules.least[0]
        return {"numpy": lambda: np.array([np.count_nonzero((kind == k) & (value >= least))])}
    order = np.argsort(rules.kinds)
    kinds, bound = rules.kinds[order], rules.least[order]

    def looked_up() -> Counts:
        at = np.minimum(np.searchsorted(kinds, kind), len(kinds) - 1)
        found = at[(kinds[at] == kind) & (value >= bound[at])]
        out = np.zeros(len(kinds), np.int64)
        out[order] = np.bincount(found, minlength=len(kinds))
        return out

    return {"numpy, looked up": looked_up}


def _numba(numba: Any, events: NDArray[np.void], rules: Rules) -> dict[str, Count]:
    words = events.view(np.uint32).reshape(len(events), -1)
    kind, value = (events.dtype.fields[name][1] // 4 for name in ("kind", "value"))

    def count_one(words: Any, k: Any, least: Any) -> int:
        total = 0
        for i in range(len(words)):
            total += (words[i, kind] == k) & (words[i, value] >= least)
        return total

    def count_each(words: Any, kinds: Any, least: Any, out: Any) -> None:
        for i in range(len(words)):
            k, v = words[i, kind], words[i, value]
            for n in range(len(kinds)):
                out[n] += (k == kinds[n]) & (v >= least[n])

    def count_found(words: Any, kinds: Any, least: Any, order: Any, out: Any) -> None:
        for i in range(len(words)):
            k, low, high = words[i, kind], 0, len(kinds)
            while high - low > 1:
                middle = (low + high) >> 1
                low, high = (middle, high) if kinds[middle] <= k else (low, middle)
            if kinds[low] == k and words[i, value] >= least[low]:
                out[order[low]] += 1

    if len(rules.kinds) == 1:
        one = numba.njit(count_one)
        return {"numba": lambda: np.array([one(words, rules.kinds[0], rules.least[0])])}
    each, found, order = numba.njit(count_each), numba.njit(count_found), np.argsort(rules.kinds)
    kinds, bound = rules.kinds[order], rules.least[order]

    def fill(count: Any, *given: Any) -> Counts:
        out = np.zeros(len(kinds), np.int64)
        count(words, *given, out)
        return out

    return {
        "numba, rule by rule": lambda: fill(each, rules.kinds, rules.least),
        "numba, looked up": lambda: fill(found, kinds, bound, order),
    }


def _duckdb(duckdb: Any, events: NDArray[np.void], rules: Rules) -> dict[str, Count]:
    database = duckdb.connect()
    database.execute("SET threads = 1")
    view = {"kind": np.ascontiguousarray(events["kind"]), "value": np.ascontiguousarray(events["value"])}
    database.register("given", view)
    database.execute("CREATE TABLE events AS SELECT * FROM given")
    if len(rules.kinds) == 1:
        text = f"SELECT count(*) FROM events WHERE kind = {rules.kinds[0]} AND value >= {rules.least[0]}"
        return {"duckdb": lambda: np.array(database.execute(text).fetchone())}
    given = {"n": np.arange(len(rules.kinds)), "kind": rules.kinds, "least": rules.least}
    database.register("given_rules", given)
    database.execute("CREATE TABLE rules AS SELECT * FROM given_rules")
    text = "SELECT n, count(*) FROM events JOIN rules USING (kind) WHERE value >= least GROUP BY n"

    def join() -> Counts:
        out = np.zeros(len(rules.kinds), np.int64)
        for n, count in database.execute(text).fetchall():
            out[n] = count
        return out

    return {"duckdb, join": join}


def _polars(polars: Any, events: NDArray[np.void], rules: Rules) -> dict[str, Count]:
    def columns() -> Any:
        return polars.DataFrame({name: np.ascontiguousarray(events[name]) for name in ("kind", "value")})

    table = polars.DataFrame({"n": np.arange(len(rules.kinds)), "kind": rules.kinds, "least": rules.least}).lazy()

    def count(frame: Any) -> Counts:
        if len(rules.kinds) == 1:
            hit = (polars.col("kind") == int(rules.kinds[0])) & (polars.col("value") >= int(rules.least[0]))
            return np.array([frame.lazy().filter(hit).select(polars.len()).collect().item()])
        joined = frame.lazy().join(table, on="kind").filter(polars.col("value") >= polars.col("least"))
        found = joined.group_by("n").len().collect()
        out = np.zeros(len(rules.kinds), np.int64)
        out[found["n"].to_numpy()] = found["len"].to_numpy()
        return out

    owned = columns()
    return {"polars": lambda: count(owned), "polars, with conversion": lambda: count(columns())}


PEERS: dict[str, Make] = {"numpy": _numpy, "numba": _numba, "duckdb": _duckdb, "polars": _polars}


def installed() -> tuple[dict[str, tuple[Make, Any]], dict[str, str], dict[str, str]]:
    """(how each peer is made and its package, versions, absent ones with the reason)."""
    found: dict[str, tuple[Make, Any]] = {}
    versions, absent = {}, {}
    for name, make in PEERS.items():
        try:
            found[name] = make, import_module(name)
            versions[name] = version(name)
        except ImportError as error:
            absent[name] = f"{error}; pip install 'sevenm[bench]'"
    return found, versions, absent
