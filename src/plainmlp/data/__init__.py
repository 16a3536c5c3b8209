"""Data: where it comes from, how it is split, encoded and scaled."""
