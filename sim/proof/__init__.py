"""Proof that the written Verilog of a core says of every packet what its Plan says (docs/gateware.md)."""
