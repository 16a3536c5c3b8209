"""Provenance: where a result comes from: its identity, code, packages and machine, and what it cost."""
