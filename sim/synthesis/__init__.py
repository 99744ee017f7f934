"""What a core costs and how fast it can be clocked: mapped by Yosys, placed and routed by nextpnr."""
