"""What matches events, whatever it is made of."""
