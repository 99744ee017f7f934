# amaranth: UnusedElaboratable=no
"""What a bundle has beside a core's Verilog: read by the tools that it is for, and in step with the core."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sevenm.compiler import compile_text
from sevenm.compiler.backends.gateware.integration.ports import ports_of
from sevenm.compiler.backends.gateware.options import CoreOptions
from sevenm.compiler.backends.gateware.verilog import to_verilog
from sevenm.compiler.bundle import write_bundle
from sevenm.hdl.verdict import BlockShape
from sevenm.host.bundle import Bundle
from sevenm.manifest import Bits, Port
from sevenm.sim.synthesis.programs import NEXTPNR, YOSYS
from sevenm.sim.verilate import Toolchain

MANY = "\n".join(f"rule p{n}: udp.dstport == {n} => drop" for n in range(40))
RULES = f"""
rules edge on packet first {{
  rule web:     tcp.dstport in {{80, 443}} => deliver web
  rule web_:    udp => forward 3, deliver Web
  default => drop
}}
rules extra on packet all {{ rule odd: l4.srcport & 1 == 1 => forward 9  rule big: frame.len > 1000 => deliver web }}
rules many on packet all {{ {MANY} }}
"""
CLOCK = CoreOptions("guard", 6400)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    plan = compile_text(RULES, "edge").plan
    return Bundle.open(write_bundle(plan, tmp_path_factory.mktemp("integration") / "bundle", options=CLOCK))


def constants(bundle: Bundle) -> dict[str, int]:
    """Every localparam of core.vh, which must not give a name twice."""
    found = re.findall(r"^localparam (?:\[\d+:0\] )?(\w+) = (?:\d+'d)?(\d+);", bundle.read("core.vh").decode(), re.M)
    assert len(dict(found)) == len(found)
    assert len(found) == bundle.read("core.vh").decode().count("localparam")
    return {name: int(value) for name, value in found}


def test_header_and_manifest_say_what_the_core_has(bundle: Bundle) -> None:
    core = bundle.core
    assert core is not None and (core.top, core.clock_ps) == ("guard", 6400)
    assert core.ports[:2] == (Port("clk", "input", 1), Port("rst", "input", 1))
    assert core.ports == ports_of(bundle.read("core.v").decode(), "guard")
    width = {port.name: port.width for port in core.ports}
    values = constants(bundle)
    assert values["GUARD_LATENCY"] == core.latency_cycles
    assert values["GUARD_DATA_WIDTH"] == width["s_axis_tdata"] == 8 * values["GUARD_KEEP_WIDTH"]
    assert values["GUARD_BLOCKS_WIDTH"] == width["m_verdict_blocks"] == core.bits[-1].lsb + core.bits[-1].width
    assert [values["GUARD_CHANNEL_WEB"], values["GUARD_CHANNEL_WEB_"]] == [0, 1]


def test_each_part_lies_where_the_verdict_has_it(bundle: Bundle) -> None:
    assert bundle.core is not None
    shapes = [BlockShape(b.name, b.mode, b.stop - b.start) for b in bundle.blocks]
    at, expected = 0, []
    for shape in shapes:
        for name, width in shape.parts:
            expected += [Bits(shape.name, name, at, width)] if width else []
            at += width
    assert bundle.core.bits == tuple(expected)
    values = constants(bundle)
    for bits in expected:
        name = f"GUARD_BLOCK_{bits.block}_{bits.part}".upper()
        assert (values[f"{name}_LSB"], values[f"{name}_WIDTH"]) == (bits.lsb, bits.width)


def test_rules_have_the_numbers_that_their_block_says(bundle: Bundle) -> None:
    values = constants(bundle)
    shapes = [BlockShape(b.name, b.mode, b.stop - b.start) for b in bundle.blocks]
    edge, extra, many = shapes
    for number, name in enumerate(("WEB", "WEB_", "DEFAULT")):
        assert edge.encode([number]) == (values[f"GUARD_RULE_EDGE_{name}"], False)
    for number, name in enumerate(("ODD", "BIG")):
        assert extra.encode([number]) == (1 << values[f"GUARD_RULE_EXTRA_{name}"], False)
    assert many.decode(many.encode([35])[0]) == [values["GUARD_RULE_MANY_P35"]]
    assert "// word 1, bit 3 of rule 40 of the Plan, many.p35" in bundle.read("core.vh").decode()


Lint = Callable[[Path, str], "subprocess.CompletedProcess[str]"]


def verilator(folder: Path, top: str) -> subprocess.CompletedProcess[str]:
    tools = Toolchain.find()
    command = [str(tools.verilator), "--lint-only", "--quiet", "--top-module", top, "core_inst.v", "core.v"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"VERILATOR_ROOT": str(tools.root)}
    )


def icarus(folder: Path, top: str) -> subprocess.CompletedProcess[str]:
    command = ["iverilog", "-s", top, "-o", "core.vvp", "core_inst.v", "core.v"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("lint", [verilator, pytest.param(icarus, marks=pytest.mark.needs("iverilog"))])
def test_the_template_elaborates_without_a_word(bundle: Bundle, tmp_path: Path, lint: Lint) -> None:
    for name in ("core.v", "core.vh", "core_inst.v"):
        shutil.copy(bundle.path(name), tmp_path)
    done = lint(tmp_path, "guard_inst")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "core_inst.v").read_text()
    for wrong in (text.replace(".clk(clk)", ".clock(clk)"), text.replace("FIRED_LSB +:", "FIRED_LSB_ +:")):
        assert wrong != text
        (tmp_path / "core_inst.v").write_text(wrong)
        done = lint(tmp_path, "guard_inst")
        assert done.returncode != 0, "what is wrong is not found"


def test_yosys_takes_core_and_template(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("core.v", "core.vh", "core_inst.v"):
        shutil.copy(bundle.path(name), tmp_path)
    script = "read_verilog core.v core_inst.v; hierarchy -check -top guard_inst; proc; check -assert"
    YOSYS.run(["-q", "-e", ".*", "-p", script], tmp_path, lambda step: None)


def test_constraints_state_the_clock_that_was_asked_for(bundle: Bundle) -> None:
    for name in ("core.xdc", "core.sdc"):
        lines = [line for line in bundle.read(name).decode().splitlines() if not line.startswith("#")]
        assert len(lines) == 1
        assert re.fullmatch(r"create_clock -name clk -period 6\.400 \[get_ports \{?clk\}?\]", lines[0])
    assert bundle.read("core.lpf").decode().splitlines()[-1] == 'FREQUENCY PORT "clk" 156.25 MHZ;'


ONE = """
module one(input clk, input d, output reg q);
  reg a;
  always @(posedge clk) begin a <= d; q <= ~a; end
endmodule
"""


def test_nextpnr_reads_the_clock_from_the_constraints(bundle: Bundle, tmp_path: Path) -> None:
    """With two registers in the core's place, whose ports fit the device."""
    (tmp_path / "core.lpf").write_bytes(bundle.read("core.lpf"))
    (tmp_path / "one.v").write_text(ONE)
    YOSYS.run(["-q", "-p", "read_verilog one.v; synth_ecp5 -top one -json one.json"], tmp_path, lambda step: None)
    options = ["--85k", "--json", "one.json", "--lpf", "core.lpf", "--report", "report.json", "--freq", "10", "--quiet"]
    NEXTPNR.run([*options, "--lpf-allow-unconstrained"], tmp_path, lambda step: None)
    clocks = json.loads((tmp_path / "report.json").read_text())["fmax"]
    assert [round(clock["constraint"], 2) for clock in clocks.values()] == [156.25]


def test_a_word_of_verilog_is_no_name_of_a_core() -> None:
    plan = compile_text("rules r on packet first { rule a: udp => drop }", "one").plan
    with pytest.raises(ValueError, match="a module cannot be called edge, which is a word of Verilog"):
        to_verilog(plan, "edge")
