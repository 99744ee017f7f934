"""Why a core is not proved, where that is not a bit of its verdict."""


class NotThePipeline(Exception):
    """The module is none whose outputs are functions of one packet; the message says which bit, and why."""


class NotProvable(Exception):
    """The Plan or the Verilog has something that the proof does not know or cannot handle; the message names it."""
