// record_five_tuples.7m by hand, in four steps: halves of addresses and ports (what several rules share once), rules, the
// first of each four, the first.
module record_five_tuples (
    input clk, input rst,
    input [511:0] s_axis_tdata, input [63:0] s_axis_tkeep, input s_axis_tvalid, output s_axis_tready,
    input s_axis_tlast, input [15:0] s_axis_tuser_size, input [15:0] s_axis_tuser_src, input [15:0] s_axis_tuser_dst,
    input [63:0] s_axis_tuser_ts,
    output [511:0] m_axis_tdata, output [63:0] m_axis_tkeep, output m_axis_tvalid, input m_axis_tready,
    output m_axis_tlast, output [15:0] m_axis_tuser_size, output [15:0] m_axis_tuser_src,
    output [15:0] m_axis_tuser_dst, output [63:0] m_axis_tuser_ts,
    output [4:0] m_verdict_blocks, output [0:0] m_verdict_channels, output [15:0] m_verdict_forward,
    output m_verdict_drop, output m_verdict_malformed, output m_verdict_truncated, output m_verdict_punt
);
    wire [511:0] data;
    wire [63:0] keep;
    wire [15:0] size;
    wire go;
    wire [6:0] verdict;
    stream #(4, 7) around (
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

    wire [15:0] src_1 = {data[26*8 +: 8], data[27*8 +: 8]}, src_0 = {data[28*8 +: 8], data[29*8 +: 8]};
    wire [15:0] dst_1 = {data[30*8 +: 8], data[31*8 +: 8]}, dst_0 = {data[32*8 +: 8], data[33*8 +: 8]};
    wire [15:0] dport = {data[36*8 +: 8], data[37*8 +: 8]};
    reg [15:0] src_hi, src_lo, rule;
    reg dst_1445, dst_b16d, dst_5cd3, dst_91fb, dst_fa53, host_6d2b, host_4a9b, host_3c3c, host_a795,
        net_0978, host_097b, net_6800, net_a400, net_0c00, net_6000, port_1521, port_4646, port_1489,
        port_1704, port_5540, port_27400, port_1705, port_1433, port_62600, port_7500, port_15121, tcp;
    reg whole, odd_1, odd_2, odd_3;
    // Step 3: of each four rules the first that holds, from 1; step 4: of those.
    reg [2:0] first [0:3];
    integer i;
    always @(posedge clk)
        if (go) begin
            whole <= keep[63];
            odd_1 <= ~keep[63] | size != 16'd64;
            src_hi[0] <= src_1 == 16'hBA0B;
            src_hi[1] <= src_1 == 16'hB16D;
            src_hi[2] <= src_1 == 16'hF465;
            src_hi[3] <= src_1 == 16'h7FE0;
            src_hi[4] <= src_1 == 16'hAA83;
            src_hi[5] <= src_1 == 16'h5313;
            src_hi[6] <= src_1 == 16'h3130;
            src_hi[7] <= src_1 == 16'h8C3D;
            src_hi[8] <= src_1 == 16'h3405;
            src_hi[9] <= src_1 == 16'h99EC;
            src_hi[10] <= src_1 == 16'hA69A;
            src_hi[11] <= src_1 == 16'h4444;
            src_hi[12] <= src_1 == 16'h24CE;
            src_hi[13] <= src_1 == 16'hB16D;
            src_hi[14] <= src_1 == 16'h20DB;
            src_hi[15] <= src_1 == 16'hB2B7;
            src_lo[0] <= src_0 == 16'h6524;
            src_lo[1] <= src_0 == 16'hFCE1;
            src_lo[2] <= src_0 == 16'h4D7C;
            src_lo[3] <= src_0 == 16'hBB90;
            src_lo[4] <= src_0[15:1] == 15'h38D;
            src_lo[5] <= src_0[15:1] == 15'h3E80;
            src_lo[6] <= src_0 == 16'h0743;
            src_lo[7] <= src_0[15:1] == 15'h2F8A;
            src_lo[8] <= src_0[15:1] == 15'h5085;
            src_lo[9] <= src_0 == 16'h47FE;
            src_lo[10] <= src_0 == 16'h3F92;
            src_lo[11] <= src_0[15:3] == 13'h1DB6;
            src_lo[12] <= src_0 == 16'hCE8E;
            src_lo[13] <= src_0 == 16'hFCEB;
            src_lo[14] <= src_0[15:1] == 15'h29B3;
            src_lo[15] <= src_0[15:2] == 14'h725;
            dst_1445 <= dst_1 == 16'h1445;
            dst_b16d <= dst_1 == 16'hB16D;
            dst_5cd3 <= dst_1 == 16'h5CD3;
            dst_91fb <= dst_1 == 16'h91FB;
            dst_fa53 <= dst_1 == 16'hFA53;
            host_6d2b <= dst_0 == 16'h6D2B;
            host_4a9b <= dst_0 == 16'h4A9B;
            host_3c3c <= dst_0 == 16'h3C3C;
            host_a795 <= dst_0 == 16'hA795;
            net_0978 <= dst_0[15:1] == 15'h4BC;
            host_097b <= dst_0 == 16'h097B;
            net_6800 <= dst_0[15:10] == 6'h1A;
            net_a400 <= dst_0[15:9] == 7'h52;
            net_0c00 <= dst_0[15:10] == 6'h3;
            net_6000 <= dst_0[15:11] == 5'hC;
            port_1521 <= dport == 16'd1521;
            port_4646 <= dport == 16'd4646;
            port_1489 <= dport == 16'd1489;
            port_1704 <= dport == 16'd1704;
            port_5540 <= dport == 16'd5540;
            port_27400 <= dport == 16'd27400;
            port_1705 <= dport == 16'd1705;
            port_1433 <= dport == 16'd1433;
            // 62600 to 62609 are 0xF488 to 0xF491, 7500 to 7599 are 0x1D4C to 0x1DAF: no carry chains.
            port_62600 <= dport[15:8] == 8'hF4 & (dport[7:3] == 5'h11 | dport[7:1] == 7'h48);
            port_7500 <= dport[15:8] == 8'h1D & (dport[7:2] == 6'h13 | dport[7:4] == 4'h5 | dport[7:5] == 3'h3 |
                dport[7:5] == 3'h4 | dport[7:4] == 4'hA);
            port_15121 <= dport == 16'd15121;
            tcp <= data[23*8 +: 8] == 8'd6;

            odd_2 <= odd_1;
            rule[0] <= whole & src_hi[0] & src_lo[0] & dst_1445 & host_6d2b & port_1521 & tcp;
            rule[1] <= whole & src_hi[1] & src_lo[1] & dst_b16d & host_4a9b & port_4646 & tcp;
            rule[2] <= whole & src_hi[2] & src_lo[2] & dst_5cd3 & host_3c3c & port_1489 & tcp;
            rule[3] <= whole & src_hi[3] & src_lo[3] & dst_91fb & host_a795 & port_1704 & tcp;
            rule[4] <= whole & src_hi[4] & src_lo[4] & dst_1445 & host_6d2b & port_5540 & tcp;
            rule[5] <= whole & src_hi[5] & src_lo[5] & dst_91fb & host_a795 & port_27400 & tcp;
            rule[6] <= whole & src_hi[6] & src_lo[6] & dst_fa53 & net_0978 & port_1705 & tcp;
            rule[7] <= whole & src_hi[7] & src_lo[7] & dst_fa53 & net_0978 & port_1433 & tcp;
            rule[8] <= whole & src_hi[8] & src_lo[8] & dst_fa53 & host_097b & port_62600 & tcp;
            rule[9] <= whole & src_hi[9] & src_lo[9] & dst_fa53 & net_0978 & port_7500 & tcp;
            rule[10] <= whole & src_hi[10] & src_lo[10] & dst_1445 & net_6800 & port_15121 & tcp;
            rule[11] <= whole & src_hi[11] & src_lo[11] & dst_91fb & net_a400 & port_1521 & tcp;
            rule[12] <= whole & src_hi[12] & src_lo[12] & dst_fa53 & net_0978 & tcp;
            rule[13] <= whole & src_hi[13] & src_lo[13] & dst_1445 & host_6d2b;
            rule[14] <= whole & src_hi[14] & src_lo[14] & dst_fa53 & net_0c00 & tcp;
            rule[15] <= whole & src_hi[15] & src_lo[15] & dst_1445 & net_6000;

            odd_3 <= odd_2;
            for (i = 0; i < 4; i = i + 1)
                first[i] <= rule[4*i] ? 3'd1 : rule[4*i+1] ? 3'd2 : rule[4*i+2] ? 3'd3 : rule[4*i+3] ? 3'd4 : 3'd0;
        end
    wire [4:0] index = |first[0] ? {2'd0, first[0]} : |first[1] ? 5'd4 + {2'd0, first[1]} :
        |first[2] ? 5'd8 + {2'd0, first[2]} : |first[3] ? 5'd12 + {2'd0, first[3]} : 5'd0;
    assign verdict = {odd_3, index, |{first[3], first[2], first[1], first[0]}};
endmodule
