"""Host runtime: rings, ingress, engines and the Device interface."""
