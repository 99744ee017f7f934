# amaranth: UnusedElaboratable=no
"""The gateware back end against the reference model: random graphs over every operation, in two simulators."""

from __future__ import annotations

import ast
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sevenm.compiler import compile_filter, compile_text
from sevenm.compiler.backends.gateware.emit import LATENCY_TARGET, emit_source, load_source
from sevenm.compiler.backends.gateware.options import TOP
from sevenm.compiler.backends.gateware.refuse import NotInGateware
from sevenm.compiler.backends.gateware.target import WINDOW
from sevenm.compiler.backends.gateware.verilog import to_verilog
from sevenm.compiler.plan import Action, Block, Names, Plan, Rule, actions, prune
from sevenm.compiler.plan.graph import Graph
from sevenm.compiler.plan.ops import RangeError
from sevenm.hdl.axis import BEATS_OF
from sevenm.hdl.pipeline.pipeline import place
from sevenm.hdl.verdict import BlockShape
from sevenm.host.batch import EventBatch
from sevenm.host.engine.decisions import Decisions
from sevenm.sim.model import Drive
from sevenm.sim.testbench.amaranth_bench import decide, play
from sevenm.sim.testbench.expected import expected_verdicts
from sevenm.sim.testbench.packets import Packet
from sevenm.sim.verilate import QUICK, Toolchain, open_model
from tests.conftest import SOAK

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LENGTHS = (0, 1, 2, 13, 14, 15, 31, 60, 63, 64, 65, 66, 127, 128, 129, 191, 192, 193, 255, 256, 257, 300, 1514)


class Graphs:
    """Grows a random graph; every choice comes from one ``random.Random``."""

    def __init__(self, choose: random.Random) -> None:
        self.r = choose
        self.g = Graph()
        g = self.g
        self.values = [g.size(), g.load(g.false, 0, 1), g.load(g.false, 1, 2), g.load(g.false, 3, 4, True), g.port()]
        self.values += [g.bits(g.time(), 3, 9)]
        ethertype = g.eq(self.values[1], g.const(1))
        short = g.mux(ethertype, g.const(18), g.const(14))
        self.bases = [short, g.add(short, g.mul(g.bits(g.load(short, 0, 1), 0, 4), g.const(4)))]
        self.conditions = [ethertype, g.lt(g.captured(), g.const(64))]

    def pick(self) -> int:
        return self.r.choice(self.values)

    def constant(self, near: int) -> int:
        """A number at or beside the ends of a node's interval, or in it."""
        node = self.g[near]
        value = self.r.choice([node.lo, node.lo + 1, node.hi - 1, node.hi, self.r.randint(node.lo, node.hi)])
        return min(max(value, -(1 << 126)), (1 << 126) - 1)

    def grow(self) -> None:
        steps: list[Callable[[], None]] = [
            self.load, self.load, self.base, self.arithmetic, self.arithmetic, self.bitwise, self.bits, self.signed,
            self.divide, self.compare, self.compare, self.equal, self.member, self.member, self.logic, self.logic,
            self.mux, self.captured, self.captured, self.shift,
        ]  # fmt: skip
        try:
            self.r.choice(steps)()
        except RangeError:
            self.logic()

    def load(self) -> None:
        base = self.r.choice([self.g.false, *self.bases])
        count = self.r.choice([1, 2, 3, 4, 6, 8, 16])
        self.values.append(self.g.load(base, self.r.choice([0, 1, 5, 30, 100, 250, 300]), count, self.r.random() < 0.3))

    def base(self) -> None:
        g, base = self.g, self.r.choice(self.bases)
        self.bases.append(
            self.r.choice(
                [
                    lambda: g.add(base, g.const(self.r.choice([4, 8, 40]))),
                    lambda: g.add(base, g.mul(g.load(base, 1, 1), g.const(8))),
                    lambda: g.add(base, g.bits(g.load(base, 2, 1), self.r.randrange(6), 3)),
                    lambda: g.mux(self.r.choice(self.conditions), base, self.r.choice(self.bases)),
                    lambda: g.bits(self.values[1], 0, self.r.randint(1, 8)),
                    lambda: g.load(base, 0, 2),
                ]
            )()
        )

    def arithmetic(self) -> None:
        g, a, b = self.g, self.pick(), self.pick()
        if self.r.random() < 0.4:
            b = g.const(self.r.choice([-7, -1, 0, 1, 2, 3, 4, 10, 256, 1000]))
        self.values.append(self.r.choice([g.add, g.sub, g.sub, g.mul])(a, b))

    def bitwise(self) -> None:
        a, b = self.pick(), self.pick()
        if self.r.random() < 0.4:
            b = self.g.const(self.r.choice([-256, -2, 1, 0x0F, 0xF0, 0x5555]))
        self.values.append(self.r.choice([self.g.band, self.g.bor, self.g.bxor])(a, b))

    def bits(self) -> None:
        a = self.pick()
        width = self.g[a].width
        self.values.append(self.g.bits(a, self.r.randrange(min(width + 2, 128)), self.r.choice([1, 4, 7, 16, 40])))

    def signed(self) -> None:
        a = self.pick()
        if self.g[a].lo >= 0 and self.g[a].width <= 127:
            self.values.append(self.g.signed(a, self.g[a].width + self.r.choice([0, 0, 1])))

    def divide(self) -> None:
        divisor = self.r.choice([1, 2, 3, 7, 10, 16, 1000, 1 << 40])
        self.values.append(self.r.choice([self.g.div, self.g.mod])(self.pick(), divisor))

    def shift(self) -> None:
        g, a = self.g, self.pick()
        if g[a].lo >= 0:
            by = g.bits(self.pick(), self.r.randrange(3), self.r.choice([1, 3, 4]))
            self.values.append(self.r.choice([g.shl, g.shr])(a, by))

    def compare(self) -> None:
        a = self.pick()
        b = self.pick() if self.r.random() < 0.5 else self.g.const(self.constant(a))
        self.conditions.append(self.r.choice([self.g.lt(a, b), self.g.le(a, b), self.g.lt(b, a)]))

    def equal(self) -> None:
        a = self.pick()
        b = self.pick() if self.r.random() < 0.5 else self.g.const(self.constant(a))
        self.conditions.append(self.r.choice([self.g.eq, self.g.ne])(a, b))

    def member(self) -> None:
        a = self.pick()
        span = self.g[a].hi - self.g[a].lo
        lows = [self.constant(a) for _ in range(self.r.choice([1, 2, 3, 20]))]
        self.conditions.append(self.g.member(a, [(v, v + self.r.choice([0, 0, 1, 255, span // 5])) for v in lows]))

    def logic(self) -> None:
        some = [self.r.choice(self.conditions) for _ in range(self.r.choice([2, 2, 3, 6, 18]))]
        made = self.r.choice([self.g.all, self.g.any])(*some)
        self.conditions.append(self.g.invert(made) if self.r.random() < 0.3 else made)

    def mux(self) -> None:
        self.values.append(self.g.mux(self.r.choice(self.conditions), self.pick(), self.pick()))

    def captured(self) -> None:
        g, seen = self.g, self.g.captured()
        base = g.add(self.r.choice([g.false, *self.bases]), g.const(self.r.choice([0, 1, 20, 64, 200])))
        self.conditions.append(
            self.r.choice(
                [
                    lambda: g.lt(seen, base),
                    lambda: g.lt(base, seen),
                    lambda: g.eq(seen, base),
                    lambda: g.lt(seen, self.pick()),
                    lambda: g.member(seen, [(0, 13), (64, 100), (self.r.randint(101, WINDOW), WINDOW)]),
                    lambda: g.eq(g.mod(seen, 3), g.const(1)),
                ]
            )()
        )

    def plan(self, rules: int) -> Plan:
        """A ``first`` block and two ``all`` blocks with default rules, a small and a large one, and two conditions
        more."""
        wanted = [self.r.choice(self.conditions) for _ in range(rules)]
        ports = [self.g.bits(self.pick(), 0, 4) for _ in range(2)]
        wanted += [*self.conditions[-2:], self.g.false]
        nodes, new = prune(self.g.nodes, [*wanted, *ports])
        roots = [new[w] for w in wanted]
        ends = (0, rules // 2, rules // 2 + rules // 8, rules)
        made = []
        for i in range(rules):
            what = actions(
                deliver=sorted({self.r.randrange(3) for _ in range(self.r.randrange(3))}),
                forward=self.r.choice([(), (), (0,), (1, 15)]),
                drop=self.r.random() < 0.1,
            )
            if self.r.random() < 0.2:
                what = (*what, Action("forward", operand=new[self.r.choice(ports)]))
            default = i + 1 in ends and self.r.random() < 0.7
            made.append(Rule(f"r{i}", sum(i >= end for end in ends[1:]), roots[i], what, default))
        modes = ("first", "all", "all")
        blocks = tuple(Block(f"b{n}", mode, ends[n], ends[n + 1]) for n, mode in enumerate(modes))
        plan = Plan("random", "packet", nodes, tuple(made), blocks, *roots[-3:], ("a", "b", "c"))
        plan.check()
        return plan


def random_plan(choose: random.Random, steps: int, rules: int) -> Plan:
    graphs = Graphs(choose)
    for _ in range(steps):
        graphs.grow()
    return graphs.plan(rules)


def random_packets(choose: random.Random, count: int) -> list[Packet]:
    """Lengths at the ends of beats and headers; bytes that meet the edges of comparisons; sizes that lie."""
    out = []
    for _ in range(count):
        length = choose.choice(LENGTHS) if choose.random() < 0.7 else choose.randrange(300)
        pool = bytes([0, 0, 1, 2, 0x7F, 0x80, 0xFF]) if choose.random() < 0.6 else bytes(range(256))
        data = bytearray(choose.choices(pool, k=length))
        data[:1] = bytes([choose.choice([1, 0, 255])] * min(1, length))
        source, time = 1 << choose.randrange(16), choose.getrandbits(64)
        out.append(Packet(bytes(data), choose.choice([length, length + 4, 0xFFFF]), source, ts=time))
    return out


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 32), st.integers(1, 30), st.sampled_from([1, 2, 3, 5]), st.sampled_from(BEATS_OF))
def test_random_graphs_decide_like_the_reference(seed: int, steps: int, levels: int, beat_bytes: int) -> None:
    choose = random.Random(seed)
    plan = random_plan(choose, steps, rules=6)
    packets = random_packets(choose, 40)
    source = emit_source(plan, levels, beat_bytes=beat_bytes)
    assert decide(load_source(source).Core().decision, packets) == expected_verdicts(plan, packets)


@pytest.mark.needs("g++")
@pytest.mark.parametrize("seed", [1, 2, 3, 4] if SOAK else [1])
def test_a_large_random_graph_matches_the_reference_on_many_events(seed: int, tmp_path: Path, soak: bool) -> None:
    choose = random.Random(seed)
    plan = random_plan(choose, steps=500, rules=160)
    packets = random_packets(choose, 40_000 if soak else 3_000)
    packets = [Packet(p.data, p.size, src=2, ts=p.ts) for p in packets]
    (tmp_path / "core.v").write_text(to_verilog(plan))
    blocks = [BlockShape(block.name, block.mode, block.stop - block.start) for block in plan.blocks]
    model = open_model(tmp_path / "core.v", blocks, QUICK, tmp_path / "cache")
    batch = EventBatch.from_bytes([p.data for p in packets], [p.ts for p in packets], [p.size for p in packets], 1)
    wanted = expected_verdicts(plan, packets)
    for drive in (Drive(), Drive(valid_percent=70, ready_percent=50, seed=seed)):
        said = model.process(batch, drive)
        made = Decisions(said.chunks, said.fired, len(packets), plan.rules, said.forward)
        for i, verdict in enumerate(wanted):
            bits, at = 0, 0
            for block, shape in zip(plan.blocks, blocks, strict=True):
                bits |= shape.encode(np.flatnonzero(made.fired[block.start : block.stop, i]).tolist())[0] << at
                at += shape.width
            assert bits == verdict.blocks, f"event {i}"
        assert made.punt.tolist() == [bool(v.punt) for v in wanted]
        assert made.malformed.tolist() == [bool(v.malformed) for v in wanted]
        assert made.truncated.tolist() == [bool(v.truncated) for v in wanted]
        assert said.drop.tolist() == [v.drop for v in wanted]
        assert said.forward.tolist() == [v.forward for v in wanted]
        assert said.channels.tolist() == [v.channels for v in wanted]
    assert sum(v.punt for v in wanted) < len(wanted) / 3
    assert model.counters()["latency_cycles"] == emit_source(plan).latency_cycles
    model.close()


def test_the_whole_core_keeps_packets_and_marks_them() -> None:
    choose = random.Random(5)
    plan = random_plan(choose, steps=25, rules=8)
    packets = random_packets(choose, 60)
    core = load_source(emit_source(plan)).Core()
    assert core.latency == emit_source(plan).latency_cycles
    run = play(core, packets, take=lambda cycle: cycle % 3 > 0)
    assert [m.packet for m in run.marked] == packets
    assert [m.verdict for m in run.marked] == expected_verdicts(plan, packets)


def example(name: str) -> Plan:
    return compile_text((EXAMPLES / f"{name}.7m").read_text(), name).plan


@pytest.mark.parametrize("name", ["edge", "alarms", "orders"])
def test_examples_meet_the_latency_target(name: str) -> None:
    plan = example(name)
    source = emit_source(plan)
    assert source.latency_cycles - source.window_beats <= LATENCY_TARGET[plan.source]


def test_the_source_is_a_module_of_hdl_alone() -> None:
    tree = ast.parse(emit_source(example("orders")).text)
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not any(isinstance(n, ast.Import) for n in ast.walk(tree))
    assert {m.split(".")[0] for m in modules if m} == {"sevenm"}
    assert all(m.startswith("sevenm.hdl.") for m in modules if m and m.startswith("sevenm"))


def test_source_and_verilog_state_digest_and_latency() -> None:
    plan = example("orders")
    source = emit_source(plan)
    assert f"digest   {plan.digest}\n" in source.text
    assert f"latency  {source.latency_cycles} cycles from" in source.text
    assert to_verilog(plan).startswith(
        f"// Match core of Plan orders\n// digest  {plan.digest}\n// latency {source.latency_cycles} cycles\n"
    )


def test_the_same_plan_gives_the_same_text_in_another_process() -> None:
    script = (
        "import hashlib, pathlib, sys\n"
        "from sevenm.compiler import compile_text\n"
        "from sevenm.compiler.backends.gateware.verilog import TOP, to_verilog\n"
        "from sevenm.compiler.backends.gateware.emit import emit_source\n"
        "plan = compile_text(pathlib.Path(sys.argv[1]).read_text(), 'orders').plan\n"
        "print(hashlib.sha256((emit_source(plan).text + to_verilog(plan)).encode()).hexdigest())\n"
    )
    command = [sys.executable, "-c", script, str(EXAMPLES / "orders.7m")]
    digests = {
        subprocess.run(command, env={"PYTHONHASHSEED": str(i)}, capture_output=True, text=True, check=True).stdout
        for i in range(2)
    }
    assert len(digests) == 1
    text = to_verilog(example("orders"))
    assert str(Path(__file__).parents[2]) not in text
    assert f"module {TOP}(" in text


def test_names_cannot_leave_the_docstring() -> None:
    g = Graph()
    nodes, _ = prune(g.nodes, [g.true, g.false])
    name = 'x\n"""\nraise SystemExit(1)\n"""\\'
    true, false = (next(i for i, n in enumerate(nodes) if n.attrs == (v,)) for v in (1, 0))
    rule = Rule(name, 0, true, actions(deliver=(0,)))
    plan = Plan(name, "packet", nodes, (rule,), (Block("b", "all", 0, 1),), false, false, false, (name,))
    assert emit_source(plan).latency_cycles == load_source(emit_source(plan)).Core().latency
    assert re.search(r"^// latency", to_verilog(plan).split("\n", 3)[2])


def test_a_plan_without_rules_still_marks_packets() -> None:
    g = Graph()
    short = g.lt(g.captured(), g.const(14))
    nodes, new = prune(g.nodes, [short, g.false])
    plan = Plan("empty", "packet", nodes, (), (), new[short], new[g.false], new[g.false])
    packets = [Packet(bytes(n)) for n in (0, 13, 14, 15, 200)]
    run = play(load_source(emit_source(plan)).Core(), packets)
    assert [m.verdict for m in run.marked] == expected_verdicts(plan, packets)


def lint(folder: Path, *options: str) -> tuple[int, str]:
    """(exit status, what Verilator says) of the Verilog in a folder."""
    tools = Toolchain.find()
    done = subprocess.run(
        [str(tools.verilator), "--lint-only", *options, *(path.name for path in sorted(folder.glob("*.v")))],
        cwd=folder, env={"VERILATOR_ROOT": str(tools.root)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


STYLE = {
    "PROCASSINIT": "registers have an initial value and a clocked one",
    "UNUSEDSIGNAL": "parts of the window that no rule reads, sidebands that only pass through",
}
"""What Verilator has to say with -Wall, and why."""


@pytest.mark.needs("g++")
@pytest.mark.parametrize("name", ["edge", "alarms", "orders"])
def test_verilator_finds_nothing_in_the_verilog(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{TOP}.v").write_text(to_verilog(example(name)))
    assert lint(tmp_path) == (0, "")
    _, said = lint(tmp_path, "-Wall", "-Wno-fatal", "-Wno-DECLFILENAME")
    assert set(re.findall(r"%(?:Warning|Error)-?([A-Z0-9]*)", said)) <= set(STYLE)


@pytest.mark.needs("g++")
def test_two_cores_share_a_design(tmp_path: Path) -> None:
    left, right = to_verilog(example("orders"), "left"), to_verilog(example("edge"), "right")
    modules = re.findall(r"^module (\S+?)\(", left + right, re.MULTILINE)
    assert len(set(modules)) == len(modules) > 6
    assert all(re.fullmatch(r"(left|right)(_\w+)?", module) for module in modules)
    (tmp_path / "left.v").write_text(left)
    (tmp_path / "right.v").write_text(right)
    ports = ".clk(clk), .rst(rst)"
    (tmp_path / "top.v").write_text(f"module top(input clk, input rst); left l({ports}); right r({ports}); endmodule\n")
    status, said = lint(tmp_path, "--top-module", "top", "-Wno-PINMISSING")
    assert (status, said) == (0, "")


def test_a_top_that_is_no_name_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^a module's name is made of letters, digits and _, and starts with no digit"
    ):
        to_verilog(example("orders"), "2nd")


def test_a_port_comparison_is_a_page_with_the_port_the_constant_and_the_rule() -> None:
    text = emit_source(compile_filter("tcp.dstport == 443").plan).text
    assert len(text.splitlines()) <= 120
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "    tcp_dstport = field(l4, at=2, bytes=2)\n" in text
    assert re.search(r"^    rule_filter = .*\(tcp_dstport == 443\)$", text, re.MULTILINE)
    assert "    l3 = mux(vlan_2, 22, mux(vlan_1, 18, 14))\n" in text


def test_names_reach_the_verilog() -> None:
    text = to_verilog(compile_filter("tcp.dstport == 443").plan)
    assert re.search(r"^  wire \[15:0\] tcp_dstport;$", text, re.MULTILINE)
    assert re.search(r"^  wire rule_filter;$", text, re.MULTILINE)
    assert re.search(r"^  reg \[4:0\] l3_s\d+", text, re.MULTILINE)


def test_bytes_past_the_window_behind_a_header_take_no_wiring() -> None:
    """A vector as long as the slice is far would have more bits than a signal can, for bytes that are never seen."""
    near, far = (emit_source(compile_filter(f"udp.payload[{at}:1] == 1").plan) for at in (90, 9000))
    assert far.latency_cycles <= near.latency_cycles
    nets = place(load_source(far).Match, 3).nets.nets
    assert max(net.width for net in nets) <= 2 * 8 * 256, "no vector is much wider than the window"
    packets = random_packets(random.Random(1), 50)
    assert decide(load_source(far).Core().decision, packets) == expected_verdicts(
        compile_filter("udp.payload[9000:1] == 1").plan, packets, 256
    )


def test_other_names_give_the_same_netlist() -> None:
    plan = example("edge")
    other = replace(
        plan,
        rules=tuple(replace(rule, name=f"other {i}") for i, rule in enumerate(plan.rules)),
        names=Names.collect((node, replace(one, text=f"n {node} {one.text}")) for node, one in plan.names.pairs()),
    )
    assert other.structure == plan.structure
    one, two = (place(load_source(emit_source(p)).Match, 3) for p in (plan, other))
    assert one.program.nodes == two.program.nodes
    assert one.nets.nets == two.nets.nets
    assert one.schedule == two.schedule
    both = {*one.program.names.values()} & {*two.program.names.values()}
    roles = re.compile(r"(punt|frame|parse_truncated|parse_malformed)(_\d+)*")
    assert {name for name in both if not roles.fullmatch(name)} == set(), "a name from elsewhere"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda g: g.eq(g.quo(g.load(g.false, 0, 2), g.load(g.false, 4, 1)), g.const(3)),
         "rule r divides by a value that the event brings (quo), which gateware does not do; "
         "put the rule into a file of its own for the host"),
        (lambda g: g.known(0),
         "rule r asks for state (known), which gateware does not do; "
         "put the rule into a file of its own for the host"),
    ],
)  # fmt: skip
def test_what_gateware_has_not_is_refused_by_name(build: Callable[[Graph], int], message: str) -> None:
    g = Graph()
    condition = build(g)
    nodes, new = prune(g.nodes, [condition, g.false])
    never = new[g.false]
    plan = Plan(
        "p", "packet", nodes, (Rule("r", 0, new[condition]),), (Block("b", "first", 0, 1),), never, never, never
    )
    with pytest.raises(NotInGateware) as error:
        emit_source(plan)
    assert str(error.value) == message


@pytest.mark.parametrize("window", [64, 100, 512])
def test_another_window_is_a_matter_of_a_number(window: int) -> None:
    choose = random.Random(window)
    plan = compile_filter("frame[90:2] == 1 or tcp.dstport == 80 or frame.len == 60").plan
    packets = random_packets(choose, 200)
    source = emit_source(plan, window=window)
    found = decide(load_source(source).Core().decision, packets)
    assert found == expected_verdicts(plan, packets, window)
    assert any(v.punt for v in found) == (window < 92)
    assert source.window_beats <= -(-window // 64)


def test_a_thousand_rules_become_verilog() -> None:
    choose = random.Random(3)
    rows = [
        f"rule r{i}: ip.src in {{10.{i % 256}.{i // 256}.0/24}} and tcp.dstport == {choose.randrange(65536)} => drop"
        for i in range(1024)
    ]
    plan = compile_text("rules many on packet first {\n" + "\n".join(rows) + "\n}\n", "many").plan
    source = emit_source(plan)
    assert source.latency_cycles - source.window_beats <= LATENCY_TARGET["packet"]
    placed = place(load_source(source).Match, source.levels)
    assert sum(shape.width for shape in placed.program.shapes) == 11
    text = to_verilog(plan)
    assert re.search(r"output \[10:0\] m_verdict_blocks;", text)
    assert max(int(msb) for msb in re.findall(r"^  (?:wire|reg|output) \[(\d+):0\]", text, re.MULTILINE)) < 2048
