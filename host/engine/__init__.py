"""Compiled code of the host, what it decides, and how that is counted."""
