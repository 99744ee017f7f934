// What the filters beside this file have in common: 512-bit beats go from one AXI4-Stream to another, through as many
// registers as the filter takes to decide, and a register slice. One flag, which is a register, stops all of them: the
// slice at the end has room for the beat that comes after the other side has stopped, so no memory is needed.
//
// The contract is that of the generated cores: all but m_axis_tready goes into registers and comes out of registers, tready
// as well; in reset, from its second cycle on, nothing is taken; of a packet that a reset has cut the rest is taken and
// forgotten; sidebands are read on a packet's first beat and given out with all of its beats, and so is the verdict.

// WIDTH bits of each beat, and a copy of the flags that move them, for no register moves 700 bits quickly.
module lane #(parameter WIDTH = 32, parameter STAGES = 1) (
    input clk, input rst, input s_valid, input step, input load, input [WIDTH-1:0] s_data,
    output [WIDTH-1:0] first, output [WIDTH-1:0] second,
    output m_valid, input m_ready, output reg [WIDTH-1:0] m_data, output go, output go_next, output there
);
    reg fo_go, fo_offered;
    reg [STAGES:0] valid;
    reg [WIDTH-1:0] spare;
    reg [WIDTH-1:0] q [0:STAGES];
    integer i;

    wire free = m_ready | ~fo_offered;
    assign go_next = free | (fo_go & ~valid[STAGES]);
    assign {first, second, there, m_valid, go} = {q[0], q[1], valid[0], fo_offered, fo_go};
    always @(posedge clk) begin
        fo_go <= rst | go_next;
        if (fo_go) begin
            if (load) q[0] <= s_data;
            for (i = 1; i <= STAGES; i = i + 1) q[i] <= q[i-1];
            spare <= q[STAGES];
        end
        if (free) m_data <= fo_go ? q[STAGES] : spare;
        if (rst) valid <= {STAGES+1{1'b0}};
        else if (fo_go) begin
            valid <= {valid[STAGES-1:0], step ? s_valid : valid[0]};
            valid[1] <= valid[0] & step;
        end
        if (rst) fo_offered <= 1'b0;
        else if (free) fo_offered <= ~fo_go | valid[STAGES];
    end
endmodule

// `data`, `keep` and `size` are the first registers, those that begin with `head_` the second. `verdict` is what the filter says
// of the beat that was in the first ones STAGES - 1 steps before; a step is a cycle in which `go` is 1. With a WINDOW of 2
// a packet's first beat goes into the second registers when its second beat, if there is one, comes into the first.
module stream #(parameter STAGES = 1, parameter VERDICT = 1, parameter WINDOW = 1) (
    input clk, input rst,
    input [511:0] s_axis_tdata, input [63:0] s_axis_tkeep, input s_axis_tvalid, output s_axis_tready,
    input s_axis_tlast, input [15:0] s_axis_tuser_size, input [15:0] s_axis_tuser_src, input [15:0] s_axis_tuser_dst,
    input [63:0] s_axis_tuser_ts,
    output [511:0] m_axis_tdata, output [63:0] m_axis_tkeep, output m_axis_tvalid, input m_axis_tready,
    output m_axis_tlast, output [15:0] m_axis_tuser_size, output [15:0] m_axis_tuser_src,
    output [15:0] m_axis_tuser_dst, output [63:0] m_axis_tuser_ts,
    output [511:0] data, output [63:0] keep, output [15:0] size,
    output [511:0] head_data, output [63:0] head_keep, output [15:0] head_size, output head_last, output go,
    input [VERDICT-1:0] verdict, output [VERDICT-1:0] m_verdict
);
    reg ready, midway, rest;
    reg [STAGES-1:0] head;
    initial {midway, rest} = 2'b0;
    wire go_next;
    wire accept = s_axis_tvalid & ready;
    wire goes_on = accept ? ~s_axis_tlast : midway;
    wire s_valid = accept & ~rest;
    wire last, there;
    wire step = WINDOW == 1 | accept | ~(there & head[0] & ~last);
    assign s_axis_tready = ready;
    always @(posedge clk) begin
        ready <= ~rst & go_next;
        midway <= goes_on;
        rest <= goes_on & (rst | rest);
    end

    lane #(1, STAGES) lasts (
        .clk(clk), .rst(rst), .s_valid(s_valid), .step(step), .load(step), .s_data(s_axis_tlast),
        .go(go), .go_next(go_next), .first(last), .second(head_last), .there(there),
        .m_valid(m_axis_tvalid), .m_ready(m_axis_tready), .m_data(m_axis_tlast)
    );
    genvar i;
    generate
        for (i = 0; i < 16; i = i + 1) begin : part
            lane #(32, STAGES) words (
                .clk(clk), .rst(rst), .s_valid(s_valid), .step(step), .load(step), .s_data(s_axis_tdata[32*i +: 32]),
                .first(data[32*i +: 32]), .second(head_data[32*i +: 32]), .m_ready(m_axis_tready), .m_data(m_axis_tdata[32*i +: 32])
            );
        end
    endgenerate
    generate
        for (i = 0; i < 2; i = i + 1) begin : half
            lane #(32, STAGES) keeps (
                .clk(clk), .rst(rst), .s_valid(s_valid), .step(step), .load(step), .s_data(s_axis_tkeep[32*i +: 32]),
                .first(keep[32*i +: 32]), .second(head_keep[32*i +: 32]), .m_ready(m_axis_tready), .m_data(m_axis_tkeep[32*i +: 32])
            );
            lane #(32, STAGES) times (
                .clk(clk), .rst(rst), .s_valid(s_valid), .step(step), .load(~midway), .s_data(s_axis_tuser_ts[32*i +: 32]),
                .m_ready(m_axis_tready), .m_data(m_axis_tuser_ts[32*i +: 32])
            );
        end
    endgenerate
    wire [31:0] others, head_others;
    lane #(48, STAGES) users (
        .clk(clk), .rst(rst), .s_valid(s_valid), .step(step), .load(~midway), .first({others, size}),
        .second({head_others, head_size}),
        .s_data({s_axis_tuser_dst, s_axis_tuser_src, s_axis_tuser_size}),
        .m_ready(m_axis_tready), .m_data({m_axis_tuser_dst, m_axis_tuser_src, m_axis_tuser_size})
    );

    // The verdict goes into the last of the registers with a packet's first beat, and stays.
    reg [VERDICT-1:0] said, spare_said, m_said;
    wire free = m_axis_tready | ~m_axis_tvalid;
    integer n;
    always @(posedge clk) begin
        if (go) begin
            if (step) head[0] <= ~midway;
            for (n = 1; n < STAGES; n = n + 1) head[n] <= head[n-1];
            if (head[STAGES-1]) said <= verdict;
            spare_said <= said;
        end
        if (free) m_said <= go ? said : spare_said;
    end
    assign m_verdict = m_said;
endmodule
