"""The XDP back end: a Plan to a program that drops in the kernel what no rule wants."""
