"""What the bytes of an event are: headers of packets, and fields of records."""
