"""What a back end says when a Plan asks for what its target does not do."""

from __future__ import annotations


class Refused(ValueError):
    """This back end makes nothing of the Plan; the message says what it lacks, and which rule asks for it. Others may
    make something of it, and the reference runs every Plan."""
