"""Provenance: what a result came from: its identity, its code, its machine and what that machine spent on it."""
