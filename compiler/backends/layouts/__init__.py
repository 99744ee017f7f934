"""A schema's layout as C header, NumPy dtype and Amaranth layout."""
