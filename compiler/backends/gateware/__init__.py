"""Plan to an Amaranth core and its Verilog."""
