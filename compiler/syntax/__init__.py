"""From text to the syntax tree: bounds, grammar, literals, and errors in words."""
