"""Engines whose rules are looked up give the reference's answer: every mode, defaults, residues, ports per event."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenm import boundary
from sevenm.compiler import compile_text
from sevenm.compiler.backends.c import emit as back_end
from sevenm.compiler.backends.c.classifiers import BIT_VECTORS, COMPARATORS, RECURSIVE
from sevenm.compiler.backends.c.emit import CannotEmit, emit, explained, explained_shape
from sevenm.compiler.passes.cost import ChoiceError, describe
from sevenm.compiler.plan import Action, Plan
from sevenm.compiler.reference import evaluate

FLAGS = {"native": ("-O1", "-march=native"), "portable": ("-O1", "-DSM_PORTABLE")}
EVENTS = 500


def engine(plan: Plan, folder: Path, flags: Sequence[str], classifier: str = BIT_VECTORS) -> ctypes.CDLL:
    source = folder / f"{classifier}.c"
    source.write_text(emit(plan, classifier))
    compiler = next(c for c in ("gcc", "clang", "cc") if shutil.which(c))
    command = [compiler, "-std=c11", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", *flags]
    done = subprocess.run([*command, str(source), "-o", f"{source}.so"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
    return ctypes.CDLL(f"{source}.so")


def answer(
    library: ctypes.CDLL, plan: Plan, frames: Sequence[bytes]
) -> tuple[NDArray[np.bool_], NDArray[np.uint16], int]:
    """Which rules fired, (rules, n), the ports of each event, and how many entries there were."""
    buffer = np.frombuffer(b"".join(frames) + bytes(64), np.uint8)
    n, events = len(frames), np.zeros(len(frames), boundary.dtype("sm_event"))
    events["cap_len"] = events["wire_len"] = [len(frame) for frame in frames]
    events["offset"][1:] = np.cumsum(events["cap_len"][:-1])
    chunks = np.zeros(-(-n // 64), boundary.dtype("sm_chunk"))
    fired = np.zeros(len(chunks) * (len(plan.rules) + 64), boundary.dtype("sm_fired"))
    ports, context = np.zeros(n, np.uint16), (ctypes.c_uint64 * 3)()
    library.sm_match.restype = ctypes.c_uint64
    arguments = [buffer, events, n, context, chunks, fired, len(fired), ports]
    typed = [
        ctypes.c_uint64(a) if isinstance(a, int) else a if a is context else ctypes.c_void_p(a.ctypes.data)
        for a in arguments
    ]
    assert library.sm_match(*typed) == n
    out, at = np.zeros((len(plan.rules), n), np.bool_), 0
    for chunk, count in enumerate(chunks["fired"].tolist()):
        here = fired[at : at + count]
        assert len(set(here["rule"].tolist())) == count
        assert here["events"].all()
        for entry in here:
            lanes = np.unpackbits(np.array([entry["events"]], np.uint64).view(np.uint8), bitorder="little")
            out[entry["rule"], 64 * chunk : 64 * chunk + 64] = lanes[: min(64, n - 64 * chunk)]
        at += count
    return out, ports, at


def rule_file(rng: random.Random, rules: int, mode: str, default: bool) -> str:
    """Networks, ports, protocols and lengths out of few, so that rules overlap; some that rows cannot say."""
    lines = []
    for number in range(rules):
        side, length = rng.choice(["src", "dst"]), rng.choice([16, 24, 24, 24])
        parts = [f"ip.{side} == 10.{rng.randrange(4)}.{rng.randrange(4)}.0/{length}"]
        if rng.random() < 0.6:
            layer = rng.choice(["tcp", "udp"])
            low = rng.randrange(40)
            parts.append(
                f"{layer}.{rng.choice(['srcport', 'dstport', 'port'])} in {{{low}..{low + rng.choice([0, 3, 20])}, 99}}"
            )
        if rng.random() < 0.2:
            parts.append(f"not ip.ttl == {rng.randrange(6)}")
        if rng.random() < 0.2:
            parts.append(
                rng.choice(["ip.src == ip.dst", "(udp or ip.ttl < 3)", "frame.len > 70", "ip.src != 10.1.0.0/16"])
            )
        if rng.random() < 0.1:
            wide = " and ".join(f"(ip.src == 10.{i}.0.0/15 or tcp.dstport == {i} or ip.ttl == {i})" for i in range(5))
            parts = [wide]
        lines.append(f"  rule r{number}: {' and '.join(parts)} => deliver a")
    lines += ["  default => count rest"] * default
    return f"rules set on packet {mode} {{\n" + "\n".join(lines) + "\n}\n"


def frame(rng: random.Random) -> bytes:
    addresses = bytes(b for _ in range(2) for b in (10, rng.randrange(4), rng.randrange(4), rng.randrange(2)))
    protocol = rng.choice([6, 17, 17, 1])
    ports = bytes(b for _ in range(2) for b in (0, rng.choice([rng.randrange(45), 99])))
    rest = bytes([0, 0, 0, 0, 0, 0, 0, 0, 0x50]) + bytes(11) if protocol == 6 else bytes([0, 30]) + bytes(24)
    head = bytes([0x45, 0, 0, 50, 0, 0, 0, 0, rng.randrange(6), protocol, 0, 0]) + addresses
    whole = bytes(12) + b"\x08\x00" + head + ports + rest + bytes(rng.randrange(12))
    return whole if rng.random() < 0.9 else whole[: rng.randrange(len(whole))]


@pytest.mark.needs("compiler")
@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize(
    "mode, rules, default, classifier",
    [
        ("first", 5, True, BIT_VECTORS),
        ("first", 150, False, BIT_VECTORS),
        ("first", 20, True, RECURSIVE),
        ("all", 20, True, BIT_VECTORS),
        ("all", 150, False, BIT_VECTORS),
    ],
)
def test_rules_that_are_looked_up_fire_as_the_reference_says(
    mode: str, rules: int, default: bool, classifier: str, name: str, tmp_path: Path
) -> None:
    rng = random.Random(rules)
    plan = compile_text(rule_file(rng, rules, mode, default), "set").plan
    frames = [frame(rng) for _ in range(EVENTS)]
    made = engine(plan, tmp_path, FLAGS[name], classifier)
    fired, _, _ = answer(made, plan, frames)
    lengths = np.array([len(f) for f in frames], np.uint32)
    offset = np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.uint64)
    wanted = evaluate(plan, np.frombuffer(b"".join(frames), np.uint8), offset, lengths, lengths)
    assert wanted.fired.any(axis=1).sum() > rules // 4
    assert np.array_equal(fired, wanted.fired)
    for few in (1, 2, 3):  # alone, too: an engine goes other ways for few events
        for at in range(0, 60, few):
            alone, _, _ = answer(made, plan, frames[at : at + few])
            assert np.array_equal(alone, wanted.fired[:, at : at + few])


@pytest.mark.needs("compiler")
def test_ports_that_events_name_are_those_of_comparators(tmp_path: Path) -> None:
    rng = random.Random(2)
    plan = compile_text(
        rule_file(rng, 40, "first", False) + rule_file(rng, 30, "all", True).replace("set", "more"), "set"
    ).plan
    port = next(ref for ref, node in enumerate(plan.nodes) if node.op == "bits" and 1 < node.hi < 16)
    aimed = tuple(
        replace(r, actions=(*r.actions, Action("forward", operand=port))) if i % 3 else r
        for i, r in enumerate(plan.rules)
    )
    plan = replace(plan, rules=aimed)
    frames = [frame(rng) for _ in range(EVENTS)]
    found = [answer(engine(plan, tmp_path, FLAGS["native"], c), plan, frames) for c in (BIT_VECTORS, COMPARATORS)]
    assert found[0][1].any()
    assert np.array_equal(found[0][1], found[1][1])
    assert np.array_equal(found[0][0], found[1][0])


@pytest.mark.needs("compiler")
def test_entries_do_not_grow_with_the_rules(tmp_path: Path) -> None:
    rng = random.Random(8)
    frames = [frame(rng) for _ in range(EVENTS)]
    for rules in (64, 1024):
        plan = compile_text(rule_file(rng, rules, "first", True), "set").plan
        (tmp_path / str(rules)).mkdir()
        fired, _, entries = answer(engine(plan, tmp_path / str(rules), FLAGS["native"]), plan, frames)
        assert entries <= EVENTS
        assert fired.sum() == EVENTS


def test_many_rules_are_looked_up_and_few_are_compared() -> None:
    rng = random.Random(1)
    few, many = (compile_text(rule_file(rng, n, "first", False), "set").plan for n in (6, 300))
    assert [choice.chosen.name for choice in explained(few)] == [COMPARATORS]
    assert [choice.chosen.name for choice in explained(many)] == [BIT_VECTORS]
    (asked,) = explained(many, COMPARATORS)
    assert "  as asked for: comparators" in describe(asked)
    assert "lookup_0_first(" not in emit(few)
    assert "lookup_0_first(" in emit(many)
    assert emit(many) == emit(many)


def test_a_classifier_that_is_not_there_is_refused_by_name() -> None:
    plan = compile_text("rules r on packet first { rule a: udp and ip.src == ip.dst => deliver a }", "one").plan
    with pytest.raises(ChoiceError) as unknown:
        emit(plan, "tcam")
    assert str(unknown.value) == "a classifier is one of auto, comparators, bitvectors, recursive, not 'tcam'"
    with pytest.raises(ChoiceError) as closed:
        emit(plan, BIT_VECTORS)
    assert str(closed.value) == (
        "block r: bitvectors cannot be used: its rows differ in no key and no condition; open: comparators"
    )


def test_too_many_rules_to_be_compared_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(back_end, "COMPARED_MAX", 3)
    tests = ("udp", "tcp", "arp", "vlan")
    rules = "\n".join(f"  rule r{at}: {test} => count n" for at, test in enumerate(tests))
    plan = compile_text(f"rules few on packet all {{\n{rules}\n}}", "t").plan
    with pytest.raises(CannotEmit) as refused:
        emit(plan, COMPARATORS)
    message = str(refused.value)
    assert message.startswith("block few: its 4 rules can only be compared one after the other, and at most 3 are (")
    assert message.endswith("); write them as rows of a table, or in several blocks")
    assert explained_shape(plan, COMPARATORS) == f"no shape: {message}"
    monkeypatch.setattr(back_end, "COMPARED_MAX", 4)
    assert "sm_match" in emit(plan, COMPARATORS)
