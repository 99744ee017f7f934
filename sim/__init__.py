"""Devices without hardware: the reference model and the RTL, behind the host Device interface."""
