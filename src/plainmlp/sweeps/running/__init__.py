"""How the points of a sweep are trained, and kept."""
