// record_port.7m by hand: one comparison with a constant.
module record_port (
    input clk, input rst,
    input [511:0] s_axis_tdata, input [63:0] s_axis_tkeep, input s_axis_tvalid, output s_axis_tready,
    input s_axis_tlast, input [15:0] s_axis_tuser_size, input [15:0] s_axis_tuser_src, input [15:0] s_axis_tuser_dst,
    input [63:0] s_axis_tuser_ts,
    output [511:0] m_axis_tdata, output [63:0] m_axis_tkeep, output m_axis_tvalid, input m_axis_tready,
    output m_axis_tlast, output [15:0] m_axis_tuser_size, output [15:0] m_axis_tuser_src,
    output [15:0] m_axis_tuser_dst, output [63:0] m_axis_tuser_ts,
    output [0:0] m_verdict_blocks, output [0:0] m_verdict_channels, output [15:0] m_verdict_forward,
    output m_verdict_drop, output m_verdict_malformed, output m_verdict_truncated, output m_verdict_punt
);
    wire [511:0] data;
    wire [63:0] keep;
    wire [15:0] size;
    wire go;
    wire [2:0] verdict;
    stream #(1, 3) around (
        .clk(clk), .rst(rst), .data(data), .keep(keep), .size(size), .go(go), .verdict(verdict),
        .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast), .s_axis_tuser_size(s_axis_tuser_size),
        .s_axis_tuser_src(s_axis_tuser_src), .s_axis_tuser_dst(s_axis_tuser_dst), .s_axis_tuser_ts(s_axis_tuser_ts),
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast), .m_axis_tuser_size(m_axis_tuser_size),
        .m_axis_tuser_src(m_axis_tuser_src), .m_axis_tuser_dst(m_axis_tuser_dst), .m_axis_tuser_ts(m_axis_tuser_ts),
        .m_verdict({m_verdict_malformed, m_verdict_blocks, m_verdict_channels})
    );
    assign m_verdict_forward = 16'd0;
    assign {m_verdict_drop, m_verdict_truncated, m_verdict_punt} = 3'd0;

    wire whole = keep[63];
    wire [15:0] dport = {data[36*8 +: 8], data[37*8 +: 8]};
    wire fired = whole & dport == 16'd443;
    assign verdict = {~whole | size != 16'd64, fired, fired};
endmodule
