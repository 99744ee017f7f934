"""Plan to Plan, one pass per file."""
