"""Small cores, which are mapped, placed and routed in seconds."""

from __future__ import annotations

SUMS = """schema Order v1 size 64 @endian(big) {
  kind: u8
  a: u16
  b: u16
  c: u16
}
rules NAME on Order first {
  rule sum: a + b + c > 100000 and (a + b) % 10 == 3 => deliver big
  rule web: b == 443 and kind == 6 => deliver web
}
"""


def sums(name: str = "sums") -> str:
    """Two rules over bare records, one with sums and a remainder, as a rule file."""
    return SUMS.replace("NAME", name)


def chain(levels: int, top: str = "sevenm_core") -> str:
    """Verilog whose longest path is known: ``slow`` through that many look-up tables, one after the other, to
    ``rule_late_s3``; every other register follows another one directly. Tables are cells, which nothing optimises."""
    before = ["slow", *(f"n{i}" for i in range(levels - 1))]
    wires = "\n".join(
        f"  wire n{i};\n  LUT4 #(.INIT(16'h8000)) l{i} (.A({x}), .B({x}), .C({x}), .D({x}), .Z(n{i}));"
        for i, x in enumerate(before)
    )
    return f"""module {top}_decision(input clk, input d, output reg rule_late_s3, output reg fast);
  reg slow;
{wires}
  always @(posedge clk) begin
    slow <= d;
    fast <= slow;
    rule_late_s3 <= n{levels - 1};
  end
endmodule
module {top}(input clk, input d, output q, output r);
  {top}_decision decision(.clk(clk), .d(d), .rule_late_s3(q), .fast(r));
endmodule
"""
