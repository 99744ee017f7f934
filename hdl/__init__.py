"""Amaranth components of the match core. Plain values in, no rule language."""
