"""Names, types and constants: what an author wrote, held against what there is."""
