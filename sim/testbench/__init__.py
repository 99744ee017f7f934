"""Testbench parts for the core: packets as beats, and drivers and monitors of its streams."""
