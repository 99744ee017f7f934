"""Plans compiled by hand for the tests of the generated C: events of every length around them, every operation.

What ``check`` compares: the engine's sparse answer, spread out, with the reference model's.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.compiler import reference
from sevenm.compiler.backends.c.emit import emit
from sevenm.compiler.plan import Block, Plan, Rule, actions, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.ops import RangeError

EVENT, CHUNK, FIRED = (boundary.dtype(name) for name in ("sm_event", "sm_chunk", "sm_fired"))
PORT = 5
CONTEXT = np.array([0, 0, PORT], np.uint64)
"""sm_context: no tables, no states."""
BUILDS = {"portable": ["-DSM_PORTABLE"], "native": ["-march=native"]}


def compiler() -> str:
    return next(c for c in ("gcc", "clang", "cc") if shutil.which(c))


def plan_of(graph: Graph, conditions: Sequence[int], mode: str = "all", names: Sequence[str] = ()) -> Plan:
    """One block; the last condition but one is malformed, the last one truncated."""
    nodes, new = prune(graph.nodes, [*conditions, graph.false])
    roots = [new[c] for c in conditions]
    rules = tuple(
        Rule(names[i] if names else f"r{i}", 0, root, actions(drop=i % 2 == 0)) for i, root in enumerate(roots[:-2])
    )
    blocks = (Block("b", mode, 0, len(rules)),)
    return Plan("test", "packet", nodes, rules, blocks, roots[-2], roots[-1], new[graph.false])


def build(plans: Sequence[Plan], folder: Path, flags: Sequence[str]) -> list[ctypes.CDLL]:
    """Compiles each Plan to a shared library, with warnings as errors."""
    folder.mkdir(parents=True, exist_ok=True)
    running = []
    for number, plan in enumerate(plans):
        source = folder / f"e{number}.c"
        source.write_text(emit(plan))
        command = [compiler(), "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", *flags]
        command += ["-shared", "-fPIC", "-fvisibility=hidden", str(source), "-o", str(source.with_suffix(".so"))]
        running.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
        if len(running) % 2 == 0:
            running[-2].wait()
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    return [ctypes.CDLL(str(folder / f"e{number}.so")) for number in range(len(plans))]


def match(library: ctypes.CDLL, plan: Plan, buffer: NDArray[np.uint8], events: NDArray[np.void]) -> NDArray[np.bool_]:
    """(rules + 2, n): calls the engine as often as little room asks for, over memory that holds rubbish before."""
    events, n = np.ascontiguousarray(events), len(events)
    info = boundary_struct(library)
    room = int(info["fired_max"]) * 2 + 1
    out = np.zeros((len(plan.rules) + 2, n), np.bool_)
    library.sm_match.restype = ctypes.c_uint64
    first = 0
    while first < n:
        chunks = np.full((n - first + 63) // 64, 0xA5, np.uint8).repeat(CHUNK.itemsize).view(CHUNK)
        fired = np.full(room + 1, 0xA5, np.uint8).repeat(FIRED.itemsize).view(FIRED)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (buffer, events[first:], CONTEXT, chunks, fired)]
        more = ctypes.c_uint64(n - first)
        done = library.sm_match(*pointers[:2], more, *pointers[2:], ctypes.c_uint64(room), None)
        assert done == n - first or (done and done % 64 == 0), "whole chunks, and at least one"
        assert fired[room]["events"] == 0xA5A5A5A5A5A5A5A5, "an entry past the room was written"
        spread_out(chunks, fired, min(done, n - first), out[:, first : first + done])
        first += done
    return out


def spread_out(chunks: NDArray[np.void], fired: NDArray[np.void], n: int, out: NDArray[np.bool_]) -> None:
    """Sparse answers of one call to rows, checked on the way."""
    at = 0
    for chunk in range((n + 63) // 64):
        columns = slice(chunk * 64, min(chunk * 64 + 64, n))
        past = np.uint64(2**64 - 1) << np.uint64(columns.stop - columns.start) if n < chunk * 64 + 64 else np.uint64(0)
        words = [(-2, chunks[chunk]["malformed"]), (-1, chunks[chunk]["truncated"])]
        assert not chunks[chunk]["punt"] and not chunks[chunk]["reserved"]
        entries = fired[at : at + int(chunks[chunk]["fired"])]
        at += len(entries)
        assert len(set(entries["rule"].tolist())) == len(entries), "a rule has at most one entry"
        assert entries["events"].all() and not entries["reserved"].any(), "an entry says something"
        words += [(int(entry["rule"]), entry["events"]) for entry in entries]
        for row, word in words:
            assert not word & past, "bits past the last event must be 0"
            bits = np.unpackbits(np.array([word]).view(np.uint8), bitorder="little")
            out[row, columns] = bits[: columns.stop - columns.start]


def boundary_struct(library: ctypes.CDLL) -> NDArray[np.void]:
    """The engine's sm_info."""
    dtype = boundary.dtype("sm_info")
    return np.frombuffer((ctypes.c_char * dtype.itemsize).in_dll(library, "sm_info"), dtype)[0]


def expected(plan: Plan, buffer: NDArray[np.uint8], events: NDArray[np.void]) -> NDArray[np.bool_]:
    columns = (events[name] for name in ("offset", "cap_len", "wire_len", "ts_ns"))
    said = reference.evaluate(plan, buffer, *columns, port=PORT)
    return np.vstack([said.fired, said.malformed[None], said.truncated[None]])


def pack_events(
    packets: Sequence[bytes], wire: Sequence[int] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
    events = np.zeros(len(packets), EVENT)
    events["cap_len"] = [len(p) for p in packets]
    events["offset"] = np.concatenate([[0], np.cumsum(events["cap_len"][:-1])])
    events["wire_len"] = wire if wire is not None else events["cap_len"]
    events["ts_ns"] = np.arange(len(events), dtype=np.uint64) * np.uint64(0x0123456789ABCD)
    return np.frombuffer(b"".join(packets) or b"\0", np.uint8), events


def boundary_events(seed: int, count: int = 300) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
    """Lengths around every limit; bytes mostly 0x00, 0x01, 0x7f, 0x80, 0xff, so that comparisons meet their edges."""
    rng = random.Random(seed)
    lengths = [
        0,
        1,
        2,
        3,
        13,
        14,
        15,
        16,
        17,
        63,
        64,
        65,
        127,
        128,
        129,
        255,
        256,
        257,
        319,
        320,
        321,
        1514,
        9000,
        65534,
        65535,
        65536,
        70005,
    ]
    packets = []
    for _ in range(count):
        length = rng.choice(lengths) if rng.random() < 0.4 else rng.randrange(0, 300)
        edge = rng.random() < 0.7
        pool = bytes([0, 0, 0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF]) if edge else bytes(range(256))
        packets.append(bytes(rng.choices(pool, k=length)))
    return pack_events(packets, [rng.choice([len(p), len(p) + 4, 65535, 65536, 2**32 - 1]) for p in packets])


def random_graph(seed: int, size: int = 70) -> tuple[Graph, list[int]]:
    """A DAG over all operations, with narrow and wide, signed and unsigned values, and its conditions."""
    rng = random.Random(seed)
    g = Graph()
    values = [g.captured(), g.size(), g.load(g.false, rng.randrange(4), 1), g.load(g.false, rng.randrange(8), 2)]
    values += rng.sample([g.time(), g.port(), g.captured(257)], 2)
    conditions: list[int] = [g.lt(g.captured(), g.const(64)), g.eq(values[2], g.const(1))]

    def constant(ref: int) -> int:
        n = g[ref]
        picks = [n.lo, n.hi, n.lo + 1, n.hi - 1, (n.lo + n.hi) // 2, 0, 1, 255, rng.randint(n.lo, n.hi)]
        return g.const(min(max(rng.choice(picks), -(1 << 126)), (1 << 127) - 1))

    def ranges(ref: int) -> list[tuple[int, int]]:
        n, out = g[ref], []
        for _ in range(rng.choice([1, 2, 5, 40, 90])):
            low = rng.randint(n.lo, n.hi) if rng.random() < 0.8 else rng.choice([n.lo, n.hi, 0, 1])
            out.append((low, low + rng.choice([0, 1, (n.hi - n.lo) // 200])))
        return out

    def step() -> None:
        a, b, c = rng.choice(values), rng.choice(values), rng.choice(conditions)
        match rng.randrange(23):
            case 0 | 1 | 2:
                bases = [v for v in values if g[v].lo >= 0 and g[v].lo < 100]
                base = rng.choice(bases) if rng.random() < 0.7 else g.false
                values.append(g.load(base, rng.randrange(60), rng.randint(1, 16), rng.random() < 0.4))
            case 3:
                values.append(g.bits(a, rng.randrange(g[a].width + 2), rng.randint(1, 20)))
            case 4:
                if g[a].lo >= 0 and g[a].width < 128:
                    values.append(g.signed(a, rng.randint(g[a].width, min(128, g[a].width + 3))))
            case 5:
                values.append(g.add(a, b if rng.random() < 0.5 else constant(a)))
            case 6:
                values.append(g.sub(a, b) if rng.random() < 0.7 else g.sub(constant(a), a))
            case 7:
                values.append(g.mul(a, b if rng.random() < 0.5 else g.const(rng.choice([-3, 2, 4, 100, -1]))))
            case 8:
                values.append(g.div(a, rng.choice([2, 3, 7, 8, 128, 1000, 1 << 31, 1 << 70])))
            case 9:
                values.append(g.mod(a, rng.choice([2, 3, 7, 8, 128, 1000, 1 << 31, 1 << 70])))
            case 10:
                values.append(rng.choice([g.band, g.bor, g.bxor])(a, b if rng.random() < 0.6 else constant(a)))
            case 11:
                values.append(g.mux(c, a, b if rng.random() < 0.6 else constant(a)))
            case 12 | 13:
                conditions.append(rng.choice([g.eq, g.lt, g.le, g.ne])(a, b if rng.random() < 0.3 else constant(a)))
            case 14:
                conditions.append(g.lt(constant(a), a))
            case 15 | 16:
                conditions.append(g.member(a, ranges(a)))
            case 17:
                conditions.append(rng.choice([g.all, g.any])(*rng.choices(conditions, k=rng.randint(2, 5))))
            case 18:
                conditions.append(g.invert(c))
                values.append(c)
            case 20:
                if min(g[a].lo, g[b].lo) >= 0:
                    values.append(rng.choice([g.quo, g.rem])(a, b if rng.random() < 0.7 else constant(b)))
            case 21:
                if g[a].lo >= 0:
                    values.append(g.shr(a, g.bits(b, 0, rng.randint(1, 7))))
            case 22:
                if g[a].lo >= 0:
                    values.append(g.shl(a, g.bits(b, 0, rng.randint(1, 4))))
            case 19:
                conditions.extend(g.eq(a, constant(a)) for _ in range(rng.choice([0, 0, 10])))
                conditions.append(g.any(g.bits(a, rng.randrange(g[a].width), 1), c))

    while len(g.nodes) < size:
        try:
            step()
        except (RangeError, ValueError):
            continue  # the graph refuses what 128 bits cannot hold
    return g, [c for c in conditions if g.value(c) is None]


def check(plans: Sequence[Plan], folder: Path, flags: Sequence[str], seed: int) -> None:
    buffer, events = boundary_events(seed)
    for plan, library in zip(plans, build(plans, folder, flags), strict=True):
        got, want = match(library, plan, buffer, events), expected(plan, buffer, events)
        wrong = np.argwhere(got != want)
        assert not len(wrong), f"row {wrong[0][0]}, event {wrong[0][1]} of {len(wrong)} differences"
