"""Stand-ins for headers that Verilator's writer of FST files wants and that are mostly not installed."""
