"""Proof: a tracked run is executed again, and all that it came to is compared bit for bit."""
