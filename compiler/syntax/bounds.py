"""What a source may hold at most, and the words that the language keeps for later versions."""

from __future__ import annotations

NESTING_MAX = 64
"""Levels of brackets, and levels of an expression."""
RULES_MAX = 65536
"""Rules in one file."""
FIELDS_MAX = 512
"""Fields in one schema, groups of bits included."""
MEMBERS_MAX = 65536
"""Members of one set."""
NAME_MAX = 128
"""Characters of one name."""
FINDINGS_MAX = 20
"""Errors reported in one run."""

LATER = {
    "pcap": "tcpdump filters inside a rule",
    "exceed": "rate limits",
    "streak": "counting over several events",
    "times": "counting over several events",
    "then": "sequences of events",
    "within": "time windows",
    "gap": "time windows",
    "once": "firing once per period",
    "trigger": "triggers",
    "expect": "inline tests",
    "contains": "searching in a payload",
    "matches": "regular expressions",
}
"""Words with a meaning reserved for them: each is refused as not part of this version."""


def not_in_version(word: str) -> str:
    return f"'{word}' ({LATER[word]}) is not part of this version"
