"""C++ around the Verilated core: no Python lives here."""
