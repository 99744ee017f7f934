"""A card's tables: which slots their rows get, and the register writes that bring them there."""
