"""nextpnr's report of timing in the names of rules and fields."""

from __future__ import annotations

from typing import Any

import pytest

from sevenm.sim.synthesis.critical_path import Place, fastest, in_words, longest, names_on, place_of
from sevenm.sim.synthesis.programs import SynthesisError

KNOWN = {"tcp_dstport": "field tcp.dstport", "rule_web": "rule web", "rule_web_s": "rule web_s", "l3": "header l3"}
PIPELINE, SHELL = "the decision pipeline", "the core"


def arc(kind: str, delay: float, source: str, sink: str, net: str = "") -> dict[str, Any]:
    ends = {"from": {"cell": source, "loc": [1, 1], "port": "Q"}, "to": {"cell": sink, "loc": [1, 2], "port": "A"}}
    return {"type": kind, "delay": delay, **ends, **({"net": net} if net else {})}


def report(*paths: tuple[str, str, list[dict[str, Any]]]) -> dict[str, Any]:
    fmax = {"clk": {"achieved": 123.5, "constraint": 400}, "other": {"achieved": 99.0, "constraint": 400}}
    return {"fmax": fmax, "critical_paths": [{"from": a, "to": b, "path": path} for a, b, path in paths]}


START, TABLE, END = (
    "decision.tcp_dstport_s4_TRELLIS_FF_Q_3", "decision.rule_web_table35_LUT4_Z", "decision.conditions0_s5_TRELLIS_FF_Q"
)  # fmt: skip
SLOW = [
    arc("clk-to-q", 0.5, START, START),
    arc("routing", 1.25, START, TABLE, "decision.tcp_dstport_s4[3]"),
    arc("logic", 0.25, TABLE, TABLE),
    arc("routing", 2.0, TABLE, END, "decision.rule_web_table35"),
    arc("setup", 0.125, END, END),
]
QUICK = [arc("clk-to-q", 0.5, START, START), arc("routing", 0.25, START, END, "decision.l3"), arc("setup", 0, END, END)]
OUTSIDE = [arc("source", 0, "tready", "tready"), arc("routing", 9.0, "tready", END, "m_axis_tready")]


@pytest.mark.parametrize(
    ("wire", "place"),
    [
        ("decision.tcp_dstport_s4[3]", Place(PIPELINE, "field tcp.dstport", 4)),
        ("decision.tcp_dstport_s4_TRELLIS_FF_Q_3", Place(PIPELINE, "field tcp.dstport", 4)),
        ("decision.rule_web_table35", Place(PIPELINE, "rule web", None)),
        ("decision.rule_web", Place(PIPELINE, "rule web", None)),
        ("decision.rule_web_s12_LUT4_Z_D_LUT4_B_Z[0]", Place(PIPELINE, "rule web", 12)),
        ("decision.rule_website_any7", Place(PIPELINE, "rule_website_any7", None)),
        ("decision.l3_s2", Place(PIPELINE, "header l3", 2)),
        ("decision.conditions0_s5[17]", Place(PIPELINE, "conditions0", 5)),
        ("decision.window_s2[100]", Place(PIPELINE, "bytes of the packet", 2)),
        ("decision.window_TRELLIS_FF_Q_9", Place(PIPELINE, "bytes of the packet", None)),
        ("decision.$39", Place(PIPELINE, "a wire", None)),
        ("outlet.stored[2]", Place("the outlet", "beats in the store", None)),
        ("data3.fo_stalled_TRELLIS_FF_Q_58", Place("the store of data", "stop by the next stage", None)),
        ("verdict0._0__TRELLIS_FF_Q_58", Place("the store of verdicts", "a wire", None)),
        ("assembler.window_TRELLIS_FF_Q_860", Place("the window", "bytes of the packet", None)),
        ("s_axis_tready_PFUMX_Z_ALUT", Place(SHELL, "readiness to take a beat", None)),
        ("data_out[2]", Place(SHELL, "data_out", None)),
    ],
)
def test_a_wire_belongs_to_the_longest_name_that_it_begins_with(wire: str, place: Place) -> None:
    assert place_of(wire, KNOWN) == place


def test_the_longest_path_between_registers_counts_and_none_over_a_port() -> None:
    clk = "posedge clk"
    path = longest(report((clk, clk, QUICK), ("<async>", clk, OUTSIDE), (clk, clk, SLOW)))
    assert (path.logic_ns, path.routing_ns, path.levels) == (0.875, 3.25, 1)
    assert [str(place) for place in names_on(path, KNOWN)] == [
        "field tcp.dstport in the decision pipeline, stage 4",
        "rule web in the decision pipeline",
        "conditions0 in the decision pipeline, stage 5",
    ]
    assert list(in_words(path, KNOWN)) == [
        "4.12 ns: 0.88 ns in 1 level of logic, 3.25 ns on the way",
        "from field tcp.dstport in the decision pipeline, stage 4",
        "through rule web in the decision pipeline",
        "to conditions0 in the decision pipeline, stage 5",
        "longest wire: 2.00 ns, rule web in the decision pipeline",
    ]


def test_the_slowest_clock_is_the_clock() -> None:
    assert fastest(report()) == 99.0


def test_a_report_without_a_path_is_refused() -> None:
    with pytest.raises(SynthesisError, match="no path between two registers"):
        longest(report(("<async>", "posedge clk", OUTSIDE)))
    with pytest.raises(SynthesisError, match="no clock: there is no path"):
        fastest({"critical_paths": []})


@pytest.mark.parametrize(
    "strange", [arc("teleport", 1, "a", "b"), arc("routing", 1, "a", "b"), arc("logic", 1, "a", "b", "net")]
)
def test_an_arc_that_is_not_known_is_refused(strange: dict[str, Any]) -> None:
    with pytest.raises(SynthesisError, match=f"an arc of type '{strange['type']}', which this version does not know"):
        longest(report(("posedge clk", "posedge clk", [strange])))
