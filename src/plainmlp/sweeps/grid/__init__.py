"""Which points a sweep tries."""
