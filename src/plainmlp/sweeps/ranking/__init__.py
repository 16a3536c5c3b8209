"""What the points of a sweep come to, compared."""
