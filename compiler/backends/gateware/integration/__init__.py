"""What a hardware engineer needs beside the core's Verilog: names for its numbers, a template, constraints, a bench."""
