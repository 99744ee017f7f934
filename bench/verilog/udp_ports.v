// udp_ports.7m by hand, in two steps. It says nothing of malformed and truncated packets, which the rules do not ask for.
module udp_ports (
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
    wire [1:0] verdict;
    stream #(2, 2) around (
        .clk(clk), .rst(rst), .data(data), .keep(keep), .size(size), .go(go), .verdict(verdict),
        .s_axis_tdata(s_axis_tdata), .s_axis_tkeep(s_axis_tkeep), .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast), .s_axis_tuser_size(s_axis_tuser_size),
        .s_axis_tuser_src(s_axis_tuser_src), .s_axis_tuser_dst(s_axis_tuser_dst), .s_axis_tuser_ts(s_axis_tuser_ts),
        .m_axis_tdata(m_axis_tdata), .m_axis_tkeep(m_axis_tkeep), .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast), .m_axis_tuser_size(m_axis_tuser_size),
        .m_axis_tuser_src(m_axis_tuser_src), .m_axis_tuser_dst(m_axis_tuser_dst), .m_axis_tuser_ts(m_axis_tuser_ts),
        .m_verdict({m_verdict_blocks, m_verdict_channels})
    );
    assign m_verdict_forward = 16'd0;
    assign {m_verdict_drop, m_verdict_malformed, m_verdict_truncated, m_verdict_punt} = 4'd0;

    wire [15:0] dport = {data[36*8 +: 8], data[37*8 +: 8]};
    reg ip, bare, udp, listed;
    always @(posedge clk)
        if (go) begin
            ip <= {data[12*8 +: 8], data[13*8 +: 8]} == 16'h0800;
            bare <= keep[37] & data[14*8 +: 8] == 8'h45;
            udp <= data[23*8 +: 8] == 8'd17;
            listed <= dport == 16'd53 | dport == 16'd67 | dport == 16'd123 | dport == 16'd5353;
        end
    wire fired = ip & bare & udp & listed;
    assign verdict = {fired, fired};
endmodule
