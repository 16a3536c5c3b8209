"""Data: where it comes from, how it is read, stored, split and prepared."""
