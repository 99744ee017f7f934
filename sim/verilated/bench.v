// What stands around the core in the model: a register before every input.
//
// The harness decides on the inputs of the next cycle while it looks at the outputs of this one, as clocked logic at the
// other end would. Without these registers Verilator evaluates everything that hangs on an input three times a cycle.
module sevenm_bench (
    input clk, input rst,
    input [8*`SM_BEAT_BYTES-1:0] s_axis_tdata, input [`SM_BEAT_BYTES-1:0] s_axis_tkeep, input s_axis_tvalid, output s_axis_tready,
    input s_axis_tlast, input [15:0] s_axis_tuser_size, input [15:0] s_axis_tuser_src, input [15:0] s_axis_tuser_dst,
    input [63:0] s_axis_tuser_ts,
    output [8*`SM_BEAT_BYTES-1:0] m_axis_tdata, output [`SM_BEAT_BYTES-1:0] m_axis_tkeep, output m_axis_tvalid, input m_axis_tready,
    output m_axis_tlast, output [15:0] m_axis_tuser_size, output [15:0] m_axis_tuser_src,
    output [15:0] m_axis_tuser_dst, output [63:0] m_axis_tuser_ts,
    output [`SM_BLOCKS_BITS-1:0] m_verdict_blocks, output [`SM_N_CHANNELS-1:0] m_verdict_channels,
    output [15:0] m_verdict_forward, output m_verdict_drop, output m_verdict_malformed, output m_verdict_truncated,
    output m_verdict_punt
);
    reg rst_q, valid_q, last_q, ready_q;
    reg [8*`SM_BEAT_BYTES-1:0] data_q;
    reg [`SM_BEAT_BYTES-1:0] keep_q;
    reg [63:0] ts_q;
    reg [15:0] size_q, src_q, dst_q;

    always @(posedge clk) begin
        rst_q <= rst;
        valid_q <= s_axis_tvalid;
        last_q <= s_axis_tlast;
        ready_q <= m_axis_tready;
        data_q <= s_axis_tdata;
        keep_q <= s_axis_tkeep;
        size_q <= s_axis_tuser_size;
        src_q <= s_axis_tuser_src;
        dst_q <= s_axis_tuser_dst;
        ts_q <= s_axis_tuser_ts;
    end

    `SM_TOP core (
        .clk(clk), .rst(rst_q),
        .s_axis_tdata(data_q), .s_axis_tkeep(keep_q), .s_axis_tvalid(valid_q), .s_axis_tready(s_axis_tready),
        .s_axis_tlast(last_q), .s_axis_tuser_size(size_q), .s_axis_tuser_src(src_q), .s_axis_tuser_dst(dst_q),
        .s_axis_tuser_ts(ts_q),
`ifdef SM_TABLES
        // Nobody writes rows, and the generation is that of the rows which the core begins with.
        .s_axil_awaddr(12'd0), .s_axil_awvalid(1'd0), .s_axil_awready(), .s_axil_wdata(32'd0), .s_axil_wvalid(1'd0),
        .s_axil_wready(), .s_axil_bresp(), .s_axil_bvalid(), .s_axil_bready(1'd0), .s_axil_araddr(12'd0),
        .s_axil_arvalid(1'd0), .s_axil_arready(), .s_axil_rdata(), .s_axil_rresp(), .s_axil_rvalid(), .s_axil_rready(1'd0),
        .m_verdict_generation(),
`endif
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(ready_q), .m_axis_tlast(m_axis_tlast), .m_axis_tuser_size(m_axis_tuser_size),
        .m_axis_tuser_src(m_axis_tuser_src), .m_axis_tuser_dst(m_axis_tuser_dst), .m_axis_tuser_ts(m_axis_tuser_ts),
        .m_verdict_blocks(m_verdict_blocks), .m_verdict_channels(m_verdict_channels), .m_verdict_forward(m_verdict_forward),
        .m_verdict_drop(m_verdict_drop), .m_verdict_malformed(m_verdict_malformed),
        .m_verdict_truncated(m_verdict_truncated), .m_verdict_punt(m_verdict_punt)
    );
endmodule
