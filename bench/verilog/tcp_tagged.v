// tcp_tagged.7m by hand, in four steps. The port is compared at each of the thirteen places where it can be, and what the
// header's length and the tags say chooses among thirteen bits instead of thirteen times sixteen. It says nothing of malformed
// and truncated packets, which the rules do not ask for.
module tcp_tagged (
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
    wire [511:0] data, head_data;
    wire [63:0] keep, head_keep;
    wire [15:0] size, head_size;
    wire head_last, go;
    wire [1:0] verdict;
    stream #(5, 2, 2) around (
        .clk(clk), .rst(rst), .data(data), .keep(keep), .size(size), .go(go), .verdict(verdict),
        .head_data(head_data), .head_keep(head_keep), .head_size(head_size), .head_last(head_last),
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

    // The first 128 bytes: what follows the last beat of a packet is not its own.
    wire [1023:0] bytes = {data, head_data};
    wire [127:0] seen = {head_last ? 64'd0 : keep, head_keep};
    wire [15:0] type_1 = {bytes[12*8 +: 8], bytes[13*8 +: 8]}, type_2 = {bytes[16*8 +: 8], bytes[17*8 +: 8]};

    // Step 1: for each number of tags what the IPv4 header would say; for each place whether the port is there, and
    // whether the packet reaches to the end of the TCP header.
    reg tag_1, tag_2;
    reg [2:0] ip, first, tcp;
    reg [3:0] words [0:2];
    reg [15:0] total [0:2];
    reg [12:0] port, reached;
    reg [15:0] size_1;
    // Step 2: the header there is, and how many words lie between byte 14 and the TCP header.
    reg sound;
    reg [3:0] header;
    reg [4:0] place;
    reg [15:0] length, size_2;
    reg [12:0] hit_2;
    // Step 3: whether the lengths reach to the end of the TCP header too, counted in words.
    reg hit, right, none, fits, fits_wire;
    wire [17:0] at = {hit_2, 5'd0};
    wire [4:0] least = {1'b0, header} + 5'd5, least_wire = place + 5'd8;
    integer t, k;
    always @(posedge clk)
        if (go) begin
            tag_1 <= type_1 == 16'h8100 | type_1 == 16'h88A8 | type_1 == 16'h9100;
            tag_2 <= type_2 == 16'h8100 | type_2 == 16'h88A8 | type_2 == 16'h9100;
            for (t = 0; t < 3; t = t + 1) begin
                ip[t] <= {bytes[(12+4*t)*8 +: 8], bytes[(13+4*t)*8 +: 8]} == 16'h0800;
                first[t] <= {bytes[(20+4*t)*8 +: 5], bytes[(21+4*t)*8 +: 8]} == 13'd0;
                tcp[t] <= bytes[(23+4*t)*8 +: 8] == 8'd6 & bytes[(14+4*t)*8+4 +: 4] == 4'd4;
                words[t] <= bytes[(14+4*t)*8 +: 4];
                total[t] <= {bytes[(16+4*t)*8 +: 8], bytes[(17+4*t)*8 +: 8]};
            end
            for (k = 0; k < 13; k = k + 1) begin
                port[k] <= {bytes[(36+4*k)*8 +: 8], bytes[(37+4*k)*8 +: 8]} == 16'd443;
                reached[k] <= seen[53+4*k];
            end
            size_1 <= head_size;

            sound <= ~tag_1 ? ip[0] & first[0] & tcp[0] : ~tag_2 ? ip[1] & first[1] & tcp[1] : ip[2] & first[2] & tcp[2];
            header <= ~tag_1 ? words[0] : ~tag_2 ? words[1] : words[2];
            place <= ~tag_1 ? {1'b0, words[0]} : ~tag_2 ? words[1] + 5'd1 : words[2] + 5'd2;
            length <= ~tag_1 ? total[0] : ~tag_2 ? total[1] : total[2];
            hit_2 <= port & reached;
            size_2 <= size_1;

            hit <= at[place];
            right <= sound & header >= 4'd5;
            none <= length == 16'd0;
            fits <= |length[15:7] | length[6:2] >= least;
            fits_wire <= |size_2[15:7] | size_2[6:2] > least_wire | (size_2[6:2] == least_wire & size_2[1]);
        end
    wire fired = hit & right & (none ? fits_wire : fits);
    assign verdict = {fired, fired};
endmodule
