"""The XDP back end without a kernel: what is weakened, why, what is refused, and what is taken from an object file.

That the kernel computes what it should is ``tests/equivalence/test_prefilter.py``."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import numpy as np
import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.xdp.emit import emit
from sevenm.compiler.backends.xdp.relax import relax
from sevenm.compiler.backends.xdp.target import RANGES_MAX, NoPrefilter
from sevenm.compiler.passes.inline_tables import inline_tables
from sevenm.compiler.plan import Plan
from sevenm.compiler.reference import evaluate
from sevenm.host.batch import EventBatch
from sevenm.host.live.xdp_bpf import Code, Map
from sevenm.host.live.xdp_program import REDIRECT, PrefilterError, compile_program, section
from sevenm.sim.packets import batch as generated
from sevenm.sim.rule_sets import RuleSets

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def plan_of(rules: str, before: str = "") -> Plan:
    return compile_text(f"{before}\nrules r on packet all {{\n{rules}\n}}", "t").plan


def fired(plan: Plan, events: EventBatch) -> np.ndarray:
    table = events.events
    columns = (table["offset"], table["cap_len"], table["wire_len"], table["ts_ns"])
    return evaluate(plan, events.buffer, *columns, port=3).fired


@pytest.mark.parametrize("seed", range(12))
def test_a_weakened_rule_holds_wherever_the_rule_does(seed: int) -> None:
    events = generated(3, 400)
    plan = compile_text(RuleSets(Random(seed), tables=True, prev=True, far=True).block("b").text, "t").plan
    weak, lacks = relax(plan)
    assert len(weak.rules) == len(lacks) == len(plan.rules) + len(plan.states) + 1
    rules = len(plan.rules)
    whens = fired(weak, events)
    for row, why in enumerate(lacks[:rules]):
        # A rule of a `first` block, or a default one, may hold where it does not fire.
        before = fired(plan, events)[row]
        assert not (before & ~whens[row]).any()
        assert why is None or "state" in why or "negative" in why or "rows" in why or "ranges" in why, why


def test_what_a_rule_lacks_is_said_and_the_rest_of_it_still_counts() -> None:
    text = """
      rule plain: tcp.dstport == 80 => deliver a
      rule state: udp.dstport == 53 and ip.ttl != prev(ip.ttl per ip.src) => count n
    """
    made = emit(plan_of(text))
    assert list(made.weak) == ["r.state", *(name for name in made.weak if name.startswith("state "))]
    assert made.weak["r.state"].startswith("state ")


def test_a_large_set_is_let_through_with_its_smallest_gaps() -> None:
    ports = ", ".join(str(port) for port in range(1, 2 * RANGES_MAX + 2, 2))
    plan = plan_of(f"rule many: tcp.dstport in {{{ports}, 60000}} => deliver a")
    made = emit(plan)
    assert made.weak == {"r.many": "a set of 66 ranges"}
    weak, _ = relax(inline_tables(plan))
    kept = [node.attrs for node in weak.nodes if node.op == "member"]
    assert any(len(attrs) == 2 * RANGES_MAX and attrs[-2:] == (60000, 60000) for attrs in kept)


def test_a_large_table_of_several_keys_is_let_through() -> None:
    rows = "; ".join(f"(10.0.{n}.0, {n})" for n in range(100))
    before = f"table t : (ip4, u16) max 128 {{ {rows} }}"
    made = emit(plan_of("rule a: udp and (ip.src, udp.dstport) in t => deliver a", before))
    assert made.weak == {"r.a": "table t of 100 rows, of which at most 64 are compared"}


REFUSED = {
    "rule a: udp => deliver a\n default => drop": "r.default wants every packet",
    "rule a: udp => deliver a\n rule b: not udp => count n": "the rules together want every packet",
}


@pytest.mark.parametrize("rules", REFUSED)
def test_rules_that_want_everything_have_no_prefilter(rules: str) -> None:
    with pytest.raises(NoPrefilter) as caught:
        emit(plan_of(rules))
    assert str(caught.value) == REFUSED[rules]


def test_rules_on_records_have_no_prefilter() -> None:
    with pytest.raises(NoPrefilter, match=r"^the rules are on records, and XDP sees packets$"):
        emit(compile_text((EXAMPLES / "orders.7m").read_text(), "orders").plan)


def test_the_same_plan_gives_the_same_text() -> None:
    plan = plan_of("rule a: tcp.dstport in {80, 443} => deliver a")
    assert emit(plan).text == emit(plan).text
    assert plan.digest in emit(plan).text


# The object file


def elf(*sections: tuple[bytes, bytes]) -> bytes:
    """An ELF file of these sections: headers first, then names, then contents."""
    every = [(b"", b""), *sections, (b".strtab", b"")]
    names = b"\0".join(name for name, _ in every) + b"\0"
    at = 64 + 64 * len(every)
    headers, contents, name_at = b"", names, 0
    for number, (name, data) in enumerate(every):
        offset, size = (at, len(names)) if number == len(every) - 1 else (at + len(contents), len(data))
        contents += data
        headers += struct.pack("<IIQQQQIIQQ", name_at, 1, 0, 0, offset, size, 0, 0, 1, 0)
        name_at += len(name) + 1
    head = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 1, 247, 1, 0, 0, 64, 0, 64, 0, 0, 64, len(every), len(every) - 1)
    )
    return head + headers + contents


def test_a_section_is_taken_out_of_an_object_file() -> None:
    assert section(elf((b".text", b"x"), (b"xdp", bytes(16)))).instructions == bytes(16)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "clang made no ELF file of 64 bits, little endian"),
        (b"\x7fELF\x02\x01", "clang made a damaged object file"),
        (elf((b"xdp", bytes(16)))[:200], "clang made a damaged object file"),
        (elf((b".text", bytes(16))), "the object file has no section xdp of instructions"),
        (elf((b"xdp", bytes(15))), "the object file has no section xdp of instructions"),
        (elf((b"xdp", bytes(16)), (b".relxdp", bytes(16))), "the prefilter calls functions that are not there"),
    ],
)
def test_a_damaged_object_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(PrefilterError) as caught:
        section(data)
    assert str(caught.value) == why


def test_absent_clang_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PrefilterError) as caught:
        compile_program("")
    assert str(caught.value) == ("clang is not installed, which compiles the XDP prefilter (Debian: apt install clang)")


@pytest.mark.needs("clang")
def test_a_text_that_does_not_compile_is_said_with_its_first_error() -> None:
    with pytest.raises(PrefilterError) as caught:
        compile_program("int x = y;")
    assert str(caught.value).startswith("clang does not compile the XDP prefilter: <stdin>:1:9: error: use of undecl")


def test_the_maps_of_a_program_are_put_in_by_number() -> None:
    class Seven(Map):
        def __init__(self) -> None:
            self.fd = 7

    put = REDIRECT.on([Seven()])
    assert [put[at] for at in range(len(put)) if put[at] != REDIRECT.instructions[at]] == [7]
    with pytest.raises(ValueError, match=r"^instruction 1 names map 0 of 0$"):
        REDIRECT.on([])
    assert Code(b"").on([]) == b""
