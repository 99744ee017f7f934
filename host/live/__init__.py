"""Events as they arrive: interfaces, sockets and devices that the loop in C reads by itself."""
