"""Plan to one C file that matches events in batches on the host."""
