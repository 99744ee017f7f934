// record_prefix.7m by hand: two steps, of at most two levels of LUT4 each.
module record_prefix (
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
    stream #(2, 3) around (
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

    wire [31:0] src = {data[26*8 +: 8], data[27*8 +: 8], data[28*8 +: 8], data[29*8 +: 8]};
    wire [15:0] dport = {data[36*8 +: 8], data[37*8 +: 8]};
    reg odd, network, tcp, page, port;
    always @(posedge clk)
        if (go) begin
            odd <= ~keep[63] | size != 16'd64;
            network <= src[31:16] == 16'h0A01;
            tcp <= keep[63] & data[23*8 +: 8] == 8'd6;
            // 8000 to 8080 are 0x1F40 to 0x1F90
            page <= dport[15:8] == 8'h1F & src[15:8] == 8'h02;
            port <= dport[7:4] == 4'h4 | dport[7:4] == 4'h5 | dport[7:5] == 3'h3 | dport[7:4] == 4'h8 |
                (dport[7:4] == 4'h9 & dport[3:0] == 4'h0);
        end
    wire fired = network & tcp & page & port;
    assign verdict = {odd, fired, fired};
endmodule
