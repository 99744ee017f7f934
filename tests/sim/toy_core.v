// A core small enough to read, with the ports of the real one, and faults to order: the top byte of a packet's timestamp
// switches one on until the next reset.
//
// Rules 0 to 69 are one block where all count: rule r holds if byte r % 64 of the first beat is r, and the verdict tells the
// first two words of them that are not zero; with all three it punts. Rule 0 drops, rule 1 forwards to ports 0 and 1 unless dropped,
// rule 2 delivers to channel 0. Malformed: fewer than 14 bytes on the wire. Truncated: byte 13 is not there.
// Latency: 5 cycles.
`define N_RULES 70
`define STALL 1
`define STUCK 2
`define DATA 3
`define SILENT 4
`define GHOST 5
`define RETRACT 6
`define UNSTABLE 7
`define FORWARD 8
`define SIDEBAND 9
`define LATENCY 10
`define LAST 11
`define KEEP 12
`define UNKNOWN 13
module sevenm_core (
    input clk, input rst,
    input [511:0] s_axis_tdata, input [63:0] s_axis_tkeep, input s_axis_tvalid, output s_axis_tready,
    input s_axis_tlast, input [15:0] s_axis_tuser_size, input [15:0] s_axis_tuser_src, input [15:0] s_axis_tuser_dst,
    input [63:0] s_axis_tuser_ts,
    output [511:0] m_axis_tdata, output [63:0] m_axis_tkeep, output m_axis_tvalid, input m_axis_tready,
    output m_axis_tlast, output [15:0] m_axis_tuser_size, output [15:0] m_axis_tuser_src,
    output [15:0] m_axis_tuser_dst, output [63:0] m_axis_tuser_ts,
    output [69:0] m_verdict_blocks, output [1:0] m_verdict_channels, output [15:0] m_verdict_forward,
    output m_verdict_drop, output m_verdict_malformed, output m_verdict_truncated,
    output m_verdict_punt
);
    localparam STAGES = 5;
    localparam BEAT = 512 + 64 + 1 + 16 * 3 + 64 + 1;
    localparam VERDICT = 70 + 4 + 2 + 1; // two words of rules, rules 0 to 2 and a zero, two flags, punt
    reg [BEAT-1:0] beat [0:STAGES-1];
    reg [VERDICT-1:0] verdict [0:STAGES-1];
    reg [STAGES-1:0] valid;
    reg first;
    reg [VERDICT-1:0] held;
    reg [111:0] user_held;
    reg [31:0] count;
    reg [7:0] fault;
    integer i;

    wire freeze = fault == `LATENCY & count == 50;
    wire move = (m_axis_tready | ~valid[STAGES-1]) & ~freeze;
    assign s_axis_tready = move & ~(fault == `STALL & count[3]) & fault != `STUCK;
    wire take = s_axis_tvalid & s_axis_tready;

    reg [`N_RULES-1:0] fired;
    always @* for (i = 0; i < `N_RULES; i = i + 1) fired[i] = s_axis_tdata[(i % 64) * 8 +: 8] == i[7:0];
    wire [31:0] word0 = fired[31:0], word1 = fired[63:32], word2 = {26'b0, fired[69:64]};
    wire [2:0] there = {|word2, |word1, |word0};
    wire [34:0] told0 = {word0, 2'd0, 1'b1}, told1 = {word1, 2'd1, 1'b1}, told2 = {word2, 2'd2, 1'b1};
    wire [34:0] one = there[0] ? told0 : there[1] ? told1 : there[2] ? told2 : 35'b0;
    wire [34:0] other = there[0] & there[1] ? told1 : (there[0] | there[1]) & there[2] ? told2 : 35'b0;
    wire [VERDICT-1:0] fresh = &there ? {1'b1, {VERDICT-1{1'b0}}} :
        {1'b0, s_axis_tuser_size < 16'd14, ~s_axis_tkeep[13], 1'b0, fired[2:0], other, one};
    wire [VERDICT-1:0] now = first ? fresh : held;

    wire [111:0] user_fresh = {s_axis_tuser_size, s_axis_tuser_src, s_axis_tuser_dst, s_axis_tuser_ts};
    wire [111:0] user = first | fault == `SIDEBAND ? user_fresh : user_held;

    wire [511:0] out_data;
    wire out_first;
    wire out_last;
    wire [63:0] out_keep;
    assign {out_data, out_keep, out_last, m_axis_tuser_size, m_axis_tuser_src, m_axis_tuser_dst, m_axis_tuser_ts,
            out_first} = beat[STAGES-1];
    wire [VERDICT-1:0] last = verdict[STAGES-1];
    assign m_axis_tdata = fault == `DATA ? out_data ^ (512'd1 << 8 * 7) : out_data;
    assign m_axis_tkeep = fault == `KEEP ? out_keep >> 1 : out_keep;
    assign m_axis_tlast = out_last | fault == `LAST;
    assign m_axis_tvalid = (valid[STAGES-1] | fault == `GHOST & count > 8) & fault != `SILENT & ~freeze &
                           ~(fault == `RETRACT & ~m_axis_tready & count[0]);
    assign m_verdict_blocks = fault == `UNSTABLE & ~out_first ? ~last[69:0] : fault == `UNKNOWN ? {35'b0, 32'hFFFFFFFF, 2'd2, 1'b1} :
                              last[69:0];
    assign {m_verdict_punt, m_verdict_malformed, m_verdict_truncated} = last[76:74];
    assign m_verdict_drop = last[70];
    assign m_verdict_forward = fault == `FORWARD ? 16'h8000 : last[71] & ~last[70] ? 16'h0003 : 16'h0000;
    assign m_verdict_channels = {1'b0, last[72]};

    always @(posedge clk) begin
        count <= count + 1;
        if (move) begin
            for (i = 1; i < STAGES; i = i + 1) begin
                beat[i] <= beat[i-1];
                verdict[i] <= verdict[i-1];
            end
            valid <= {valid[STAGES-2:0], take};
            beat[0] <= {s_axis_tdata, s_axis_tkeep, s_axis_tlast, user, first};
            verdict[0] <= now;
        end
        if (take & first) fault <= fault | s_axis_tuser_ts[63:56];
        if (take) begin
            held <= now;
            user_held <= user;
            first <= s_axis_tlast;
        end
        if (rst) begin
            valid <= 0;
            first <= 1;
            count <= 0;
            fault <= 0;
        end
    end
endmodule
