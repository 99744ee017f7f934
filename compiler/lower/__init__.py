"""From the checked rules to the Plan's graph."""
