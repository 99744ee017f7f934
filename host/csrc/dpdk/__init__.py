"""What is compiled against an installed DPDK, and is no part of the C runtime; a package to travel with it."""
