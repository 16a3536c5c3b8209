"""What a search tries next, from the results so far."""
