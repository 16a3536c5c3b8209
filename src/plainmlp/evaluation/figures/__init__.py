"""The pictures of a trained network."""
